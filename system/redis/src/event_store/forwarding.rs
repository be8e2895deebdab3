//! Handing transactions on from an event store that stands by to the one that leads a topic: a stream of requests, which the leader reads,
//! and for each sender a stream of answers. A request counts under one fence only: once the fence is another one, it is written or never
//! will be. Knows the form of both streams, not who leads.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult, Value};
use serde::{Deserialize, Serialize};

use super::inbox::AppendAnswer;
use super::retrying::bounded;
use ordershop_contract::event_store::Transaction;

/// How much longer than its blocking time a read may take before it fails, ms.
const READ_GRACE_MS: u64 = 5_000;
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
}

/// The leader's answer to a request.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub number: u64,
    pub result: AppendAnswer,
}

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
    let reply = bounded(limit, cmd.query_async(connection)).await?;
    entries(reply).ok_or_else(|| (ErrorKind::UnexpectedReturnType, "unexpected entries").into())
}

fn entries(reply: Value) -> Option<Vec<(String, String)>> {
    let Value::Array(mut streams) = reply else {
        return matches!(reply, Value::Nil).then(Vec::new);
    };
    let Value::Array(mut stream) = streams.pop()? else {
        return None;
    };
    let Value::Array(entries) = stream.pop()? else {
        return None;
    };
    let entry = |entry| {
        let Value::Array(mut pair) = entry else {
            return None;
        };
        let Value::Array(mut fields) = pair.pop()? else {
            return None;
        };
        let id = redis::from_redis_value(pair.pop()?).ok()?;
        let json = redis::from_redis_value(fields.pop()?).ok()?;
        Some((id, json))
    };
    entries.into_iter().map(entry).collect()
}
