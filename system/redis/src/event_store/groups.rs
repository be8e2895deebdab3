//! The consumer groups' progress. Knows `XINFO GROUPS` and the length of the dead letters.

use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{ErrorKind, RedisResult, Value};

use super::keys::Keys;
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::event_store::GroupStatus;
use ordershop_contract::topic::Topic;

/// Reads the status of every topic's groups, in two round trips.
pub(super) async fn statuses(
    mut connection: ConnectionManager,
    keys: &[Keys],
) -> RedisResult<Vec<GroupStatus>> {
    let mut pipe = redis::pipe();
    for keys in keys {
        pipe.cmd("XINFO").arg("GROUPS").arg(&keys.events);
    }
    let replies = connection.req_packed_commands(&pipe, 0, keys.len()).await?;
    let mut statuses = Vec::new();
    let mut pipe = redis::pipe();
    for (topic, reply) in Topic::ALL.into_iter().zip(replies) {
        for group in groups(reply)? {
            let status = status(topic, group)
                .ok_or((ErrorKind::UnexpectedReturnType, "unexpected group"))?;
            pipe.cmd("XLEN")
                .arg(keys[topic.index()].dead_letters(&status.group));
            statuses.push(status);
        }
    }
    if statuses.is_empty() {
        return Ok(statuses);
    }
    let lengths: Vec<u64> = pipe.query_async(&mut connection).await?;
    for (status, length) in statuses.iter_mut().zip(lengths) {
        status.dead_letters = length;
    }
    Ok(statuses)
}

/// A topic without a stream has no groups; Redis answers with an error.
fn groups(reply: Value) -> RedisResult<Vec<Value>> {
    match reply {
        Value::Array(groups) => Ok(groups),
        Value::ServerError(error) if error.details().is_some_and(|d| d.contains("no such key")) => {
            Ok(Vec::new())
        }
        other => {
            other.extract_error()?;
            Err((ErrorKind::UnexpectedReturnType, "unexpected groups").into())
        }
    }
}

fn status(topic: Topic, group: Value) -> Option<GroupStatus> {
    let Value::Array(fields) = group else {
        return None;
    };
    let mut status = GroupStatus {
        group: String::new(),
        topic,
        undelivered: None,
        delivered: None,
        pending: 0,
        dead_letters: 0,
        lag: LagHistogram::default(),
    };
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(value)) = (fields.next(), fields.next()) {
        match (name.as_slice(), value) {
            (b"name", Value::BulkString(name)) => status.group = String::from_utf8(name).ok()?,
            (b"pending", Value::Int(count)) => status.pending = u64::try_from(count).ok()?,
            (b"entries-read", Value::Int(count)) => {
                status.delivered = u64::try_from(count).ok();
            }
            // Redis answers nil if entries in between were deleted, as it can't count the lag then.
            (b"lag", Value::Int(count)) => status.undelivered = u64::try_from(count).ok(),
            _ => {}
        }
    }
    (!status.group.is_empty()).then_some(status)
}
