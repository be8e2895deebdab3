//! What `XINFO` tells of a stream and of its consumer groups. Of a stream that doesn't exist it tells nothing. Knows the replies' forms, not
//! what follows from them.

use std::collections::HashMap;

use redis::aio::ConnectionLike;
use redis::{ErrorKind, Pipeline, RedisResult, Value};

use ordershop_contract::event_store::READ_MODEL;
use ordershop_contract::position::Position;

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// How many entries it was ever given.
    pub added: u64,
    /// The last position that was given to an entry, be it deleted since.
    pub last: Position,
    /// How many entries it has.
    pub entries: u64,
}

/// A consumer group's progress in a stream.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    pub pending: u64,
    /// The last entry that it was given.
    pub delivered: Position,
    /// How many entries it was given since the stream's start, if that is known.
    pub read: Option<u64>,
    /// How many it wasn't given yet. Redis answers nil if entries in between were deleted.
    pub lag: Option<u64>,
}

type Fields = HashMap<String, Value>;

/// Asks for a stream.
pub(super) fn ask_stream(pipe: &mut Pipeline, key: &str) {
    pipe.cmd("XINFO").arg("STREAM").arg(key);
}

/// Asks for a stream's groups.
pub(super) fn ask_groups(pipe: &mut Pipeline, key: &str) {
    pipe.cmd("XINFO").arg("GROUPS").arg(key);
}

/// A stream, by the reply.
pub(super) fn stream(reply: Value) -> RedisResult<Stream> {
    let Some(mut fields) = there::<Fields>(reply)? else {
        return Ok(Stream::default());
    };
    Ok(Stream {
        added: field(&mut fields, "entries-added")?,
        last: position(&mut fields, "last-generated-id")?,
        entries: field(&mut fields, "length")?,
    })
}

/// A stream's groups, by the reply; without the one that an earlier version's read model has left.
pub(super) fn groups(reply: Value) -> RedisResult<Vec<Group>> {
    let groups = there::<Vec<Fields>>(reply)?.unwrap_or_default();
    let groups = groups.into_iter().map(|mut fields| {
        Ok(Group {
            name: field(&mut fields, "name")?,
            pending: field(&mut fields, "pending")?,
            delivered: position(&mut fields, "last-delivered-id")?,
            read: field(&mut fields, "entries-read")?,
            lag: field(&mut fields, "lag")?,
        })
    });
    let mut groups: Vec<Group> = groups.collect::<RedisResult<_>>()?;
    groups.retain(|group| group.name != READ_MODEL);
    Ok(groups)
}

/// Reads a stream.
pub(super) async fn read_stream(
    connection: &mut impl ConnectionLike,
    key: &str,
) -> RedisResult<Stream> {
    stream(reply(connection, |pipe| ask_stream(pipe, key)).await?)
}

/// Reads a stream's groups.
pub(super) async fn read_groups(
    connection: &mut impl ConnectionLike,
    key: &str,
) -> RedisResult<Vec<Group>> {
    groups(reply(connection, |pipe| ask_groups(pipe, key)).await?)
}

async fn reply(
    connection: &mut impl ConnectionLike,
    ask: impl FnOnce(&mut Pipeline),
) -> RedisResult<Value> {
    let mut pipe = redis::pipe();
    ask(&mut pipe);
    let replies = connection.req_packed_commands(&pipe, 0, 1).await?;
    Ok(replies.into_iter().next().unwrap_or_default())
}

fn there<T: redis::FromRedisValue>(reply: Value) -> RedisResult<Option<T>> {
    match reply {
        Value::ServerError(error) if error.details().is_some_and(|d| d.contains("no such key")) => {
            Ok(None)
        }
        reply => Ok(Some(redis::from_redis_value(reply.extract_error()?)?)),
    }
}

fn field<T: redis::FromRedisValue>(fields: &mut Fields, name: &str) -> RedisResult<T> {
    Ok(redis::from_redis_value(
        fields.remove(name).unwrap_or_default(),
    )?)
}

fn position(fields: &mut Fields, name: &str) -> RedisResult<Position> {
    let text: String = field(fields, name)?;
    let odd = |_| (ErrorKind::UnexpectedReturnType, "unexpected position").into();
    text.parse().map_err(odd)
}
