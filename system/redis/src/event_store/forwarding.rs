//! Handing transactions on from an event store that stands by to the one that leads a topic: a stream of requests, which the leader reads,
//! and for each sender a stream of answers. A request counts under one fence only: once the fence is another one, it is written or never
//! will be. Knows the form of both streams, not who leads.

use std::time::Duration;

use redis::RedisResult;
use serde::{Deserialize, Serialize};

use super::inbox::AppendAnswer;
use super::retrying::{READ_GRACE_MS, bounded};
use crate::connection::MultiplexedConnection;
use ordershop_contract::event_store::Transaction;

/// Maximum entries read at once.
const READ_COUNT: usize = 64;
/// The name of the only field of an entry.
pub(super) const FIELD: &str = "json";

/// Transactions that the leader is to write as one job.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// Tells the sender's requests apart.
    pub number: u64,
    /// The fence under which it may be written.
    pub fence: u64,
    /// The key of the stream for the answer.
    pub answer_to: String,
    pub transactions: Vec<Transaction>,
    /// How many transactions each call has. A store of before this doesn't say it.
    #[serde(default)]
    pub calls: Vec<usize>,
}

/// The leader's answer to a request.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub number: u64,
    pub result: AppendAnswer,
}

/// Entries of a stream: id and fields.
type Entries = Vec<(String, Vec<(String, String)>)>;

/// Reads a stream's entries after an id, each as its id and its JSON; waits at most `block` for one.
pub(super) async fn read(
    connection: &mut MultiplexedConnection,
    key: &str,
    after: &str,
    block: Duration,
) -> RedisResult<Vec<(String, String)>> {
    let mut cmd = redis::cmd("XREAD");
    cmd.arg("COUNT").arg(READ_COUNT);
    // 0 would block without a limit.
    cmd.arg("BLOCK").arg(block.as_millis().max(1) as u64);
    cmd.arg("STREAMS").arg(key).arg(after);
    let limit = block + Duration::from_millis(READ_GRACE_MS);
    let streams: Option<Vec<(String, Entries)>> =
        bounded(limit, cmd.query_async(connection)).await?;
    let entries = streams
        .into_iter()
        .flatten()
        .flat_map(|(_, entries)| entries);
    Ok(entries
        .filter_map(|(id, mut fields)| Some((id, fields.pop()?.1)))
        .collect())
}
