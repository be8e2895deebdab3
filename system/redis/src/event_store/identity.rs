//! Which server, and which line of its data, a connection leads to. Knows INFO, not what the answer is used for.

use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisResult};

use crate::info::field;

/// A server's process and the history of its data: another one after each start, and after it has become a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerIdentity {
    run_id: String,
    history: String,
}

impl ServerIdentity {
    /// Reads the identity; `None` if the server doesn't tell it.
    pub async fn read(connection: &mut impl ConnectionLike) -> RedisResult<Option<Self>> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("server");
        pipe.cmd("INFO").arg("replication");
        let (server, replication): (String, String) = match pipe.query_async(connection).await {
            Ok(info) => info,
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let identity = field(&server, "run_id").zip(field(&replication, "master_replid"));
        Ok(identity.map(|(run_id, history)| Self {
            run_id: run_id.to_owned(),
            history: history.to_owned(),
        }))
    }
}
