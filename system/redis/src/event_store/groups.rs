//! The progress of the consumer groups and of the read model. Knows `XINFO GROUPS`, the read model's position and the counts of streams.

use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisResult, Value};

use super::keys::Keys;
use super::readings::{Readings, entries_after};
use crate::applied::position_key;
use crate::shared_connection::SharedConnection;
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::event_store::{GroupStatus, READ_MODEL};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// Reads the status of every topic's groups, in two round trips. The read model's is told by what is read in this process, else by its position.
pub(super) async fn statuses(
    mut connection: SharedConnection,
    keys: &[Keys],
    readings: &Readings,
) -> RedisResult<Vec<GroupStatus>> {
    let mut pipe = redis::pipe();
    let readings = Topic::ALL.map(|topic| readings.of(topic));
    for ((topic, keys), reading) in Topic::ALL.into_iter().zip(keys).zip(readings) {
        pipe.cmd("XINFO").arg("GROUPS").arg(&keys.events);
        match reading {
            Some(_) => pipe.cmd("XINFO").arg("STREAM").arg(&keys.events),
            None => pipe.cmd("GET").arg(position_key(topic)),
        };
    }
    let replies = connection.req_packed_commands(&pipe, 0, 2 * keys.len());
    let mut replies = replies.await?.into_iter();
    let mut statuses = Vec::new();
    for (topic, reading) in Topic::ALL.into_iter().zip(readings) {
        for group in items(replies.next().unwrap_or_default())? {
            let status = status(topic, group)
                .ok_or((ErrorKind::UnexpectedReturnType, "unexpected group"))?;
            // An earlier version's read model left a group of this name.
            if status.group != READ_MODEL {
                statuses.push(status);
            }
        }
        let reply = replies.next().unwrap_or_default();
        let events = &keys[topic.index()].events;
        let mut status = GroupStatus {
            group: READ_MODEL.to_owned(),
            ..unknown(topic)
        };
        if let Some(reading) = reading {
            status.undelivered = Some(entries_added(reply)?.saturating_sub(reading.delivered));
            status.delivered = Some(reading.delivered);
            status.pending = reading.pending;
        } else if let Some(kept) =
            redis::from_redis_value::<Option<String>>(reply.extract_error()?)?
        {
            let position = kept.parse().unwrap_or(Position::START);
            status.undelivered = Some(entries_after(&mut connection, events, position).await?);
        }
        statuses.push(status);
    }
    let mut pipe = redis::pipe();
    for status in &statuses {
        pipe.cmd("XLEN")
            .arg(keys[status.topic.index()].dead_letters(&status.group));
    }
    let lengths: Vec<u64> = pipe.query_async(&mut connection).await?;
    for (status, length) in statuses.iter_mut().zip(lengths) {
        status.dead_letters = length;
    }
    // No read model has come to those.
    let is_nothing =
        |status: &GroupStatus| status.group == READ_MODEL && status.undelivered.is_none();
    statuses.retain(|status| !is_nothing(status) || status.dead_letters > 0);
    Ok(statuses)
}

/// How many entries a stream was given, by the reply to `XINFO STREAM`.
fn entries_added(reply: Value) -> RedisResult<u64> {
    let mut fields = items(reply)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if matches!(name, Value::BulkString(name) if name == b"entries-added") {
            return redis::from_redis_value(value).map_err(Into::into);
        }
    }
    Ok(0)
}

/// A topic without a stream has none; Redis answers with an error.
fn items(reply: Value) -> RedisResult<Vec<Value>> {
    match reply {
        Value::Array(items) => Ok(items),
        Value::ServerError(error) if error.details().is_some_and(|d| d.contains("no such key")) => {
            Ok(Vec::new())
        }
        other => {
            other.extract_error()?;
            Err((ErrorKind::UnexpectedReturnType, "unexpected reply to XINFO").into())
        }
    }
}

fn unknown(topic: Topic) -> GroupStatus {
    GroupStatus {
        group: String::new(),
        topic,
        undelivered: None,
        delivered: None,
        pending: 0,
        dead_letters: 0,
        lag: LagHistogram::default(),
    }
}

fn status(topic: Topic, group: Value) -> Option<GroupStatus> {
    let Value::Array(fields) = group else {
        return None;
    };
    let mut status = unknown(topic);
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
