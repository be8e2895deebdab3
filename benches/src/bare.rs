//! The Redis commands of the floors, as any client could send them. Knows the system's keys and fields, none of its code.

use ordershop_contract::event_store::NewEvent;
use ordershop_redis::connection::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use crate::sample;

/// The stream of topic `order`, as the event store names it.
pub const ORDER_EVENTS: &str = "events:{order}";
/// A stream that the event store doesn't use.
pub const BARE_EVENTS: &str = "bare-events";

/// The `XADD` of an event with the fields that the event store writes.
#[must_use]
pub fn xadd(key: &str, event: &NewEvent) -> Cmd {
    let mut cmd = redis::cmd("XADD");
    cmd.arg(key).arg("*");
    let (id, aggregate) = (event.event_id.as_str(), event.entity_id.as_str());
    let correlation = &event.correlation;
    let (correlation_id, causation_id) = (&correlation.correlation_id, &correlation.causation_id);
    cmd.arg("event_action").arg(&*event.action);
    cmd.arg("event_data").arg(event.data.get());
    cmd.arg("event_meta").arg(format!(
        r#"[1,"{id}","{aggregate}",1,1700000000000000,"{correlation_id}","{causation_id}",null]"#
    ));
    cmd
}

/// The `XADD`s of the first events of `count` orders.
#[must_use]
pub fn xadds(key: &str, count: usize) -> Pipeline {
    let mut pipe = Pipeline::with_capacity(count);
    for number in 0..count {
        pipe.add_command(xadd(key, &sample::order_event(number, 1)));
    }
    pipe
}

/// Sends a pipeline and returns its replies.
///
/// # Panics
/// Redis is away or refuses a command.
pub async fn send(connection: &mut MultiplexedConnection, pipe: &Pipeline) -> Vec<Value> {
    pipe.query_async(connection).await.expect("Redis answers")
}

/// Sends one command and returns its reply.
///
/// # Panics
/// Redis is away or refuses it.
pub async fn send_one(connection: &mut MultiplexedConnection, cmd: &Cmd) -> Value {
    cmd.query_async(connection).await.expect("Redis answers")
}

/// Empties a stream and keeps its groups: a long run must not fill the memory.
///
/// # Panics
/// Redis is away.
pub async fn empty_stream(connection: &mut MultiplexedConnection, key: &str) {
    let mut cmd = redis::cmd("XTRIM");
    cmd.arg(key).arg("MAXLEN").arg(0);
    send_one(connection, &cmd).await;
}

/// Puts `count` events of orders into a stream.
///
/// # Panics
/// Redis is away.
pub async fn fill_stream(connection: &mut MultiplexedConnection, key: &str, count: usize) {
    const AT_ONCE: usize = 4_096;
    for from in (0..count).step_by(AT_ONCE) {
        send(connection, &xadds(key, AT_ONCE.min(count - from))).await;
    }
}

/// The ids of the entries in a reply of `XRANGE`: an array of `[id, fields]`.
#[must_use]
pub fn entry_ids(entries: &Value) -> Vec<&[u8]> {
    let Value::Array(entries) = entries else {
        return Vec::new();
    };
    entries.iter().filter_map(id_of).collect()
}

fn id_of(entry: &Value) -> Option<&[u8]> {
    match entry {
        Value::Array(pair) => match pair.first() {
            Some(Value::BulkString(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// The entries in a reply of `XREADGROUP` on one stream: `[[key, entries]]`.
#[must_use]
pub fn entries_of_read(reply: &Value) -> &Value {
    let Value::Array(streams) = reply else {
        return &Value::Nil;
    };
    match streams.first() {
        Some(Value::Array(pair)) => pair.get(1).unwrap_or(&Value::Nil),
        _ => &Value::Nil,
    }
}
