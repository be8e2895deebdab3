//! The fence: a number that every takeover increments. A writer watches it, so that its `EXEC` aborts after another writer's takeover.
//! Knows the number, not which writes it guards.

use redis::{ErrorKind, Pipeline, RedisResult, Value};

use super::entry::parse_number;
use crate::connection::MultiplexedConnection;

/// Increments the fence and watches it. If it was ours before (`previous`), increments it only if no other writer did since. `None`:
/// another writer has taken over.
pub(super) async fn take(
    connection: &mut MultiplexedConnection,
    key: &str,
    previous: Option<u64>,
) -> RedisResult<Option<u64>> {
    let mut pipe = redis::pipe();
    watch(&mut pipe, key);
    let (_, current): (Value, Option<u64>) = pipe.query_async(connection).await?;
    if previous.is_some() && current != previous {
        return Ok(None);
    }
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("INCR").arg(key);
    let incremented: Option<(u64,)> = pipe.query_async(connection).await?;
    let Some((fence,)) = incremented else {
        return Ok(None);
    };
    let mut pipe = redis::pipe();
    watch(&mut pipe, key);
    let (_, current): (Value, Option<u64>) = pipe.query_async(connection).await?;
    Ok((current == Some(fence)).then_some(fence))
}

/// Whether the fence is still ours: whatever this writer remembers holds then. An error means that the connection broke.
pub(super) async fn confirm(
    connection: &mut MultiplexedConnection,
    key: &str,
    fence: u64,
) -> RedisResult<bool> {
    let reply: Value = redis::cmd("GET").arg(key).query_async(connection).await?;
    is_ours(&reply, fence)
}

/// Adds `WATCH` and `GET` (two replies), which guard the next `EXEC`.
pub(super) fn watch(pipe: &mut Pipeline, key: &str) {
    pipe.cmd("WATCH").arg(key).cmd("GET").arg(key);
}

/// Whether the reply to `GET` says that the fence is still ours.
pub(super) fn is_ours(reply: &Value, fence: u64) -> RedisResult<bool> {
    match reply {
        Value::BulkString(bytes) => Ok(parse_number(bytes) == Some(fence)),
        Value::Nil => Ok(false),
        _ => Err((ErrorKind::UnexpectedReturnType, "the fence is not a number").into()),
    }
}
