//! The form of an event as a stream entry: writing and parsing. Knows the fields, not who reads or writes them.

use redis::{Cmd, Value};
use serde_json::value::RawValue;

use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::event_store::{NewEvent, RecordedEvent};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// The fields in their order. Redis stores the names once a listpack node if they are equal and in equal order.
const FIELDS: [&str; 8] = [
    "event_id",
    "event_action",
    "event_data",
    "aggregate_id",
    "version",
    "published_at",
    "correlation_id",
    "causation_id",
];

/// The additional fields of a sampled request's event; they come last.
const TIMES: [&str; 2] = ["received_at", "submitted_at"];

/// A malformed entry: one that none of our event stores wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub position: Position,
    pub reason: &'static str,
}

/// A parsed stream entry.
pub(super) enum Entry {
    Event(RecordedEvent),
    /// The entry was deleted from the stream while it was pending.
    Deleted(Position),
    Foreign(Foreign),
}

impl Entry {
    pub fn position(&self) -> Position {
        match self {
            Self::Event(event) => event.position,
            Self::Deleted(position) => *position,
            Self::Foreign(foreign) => foreign.position,
        }
    }
}

/// The `XADD` command of an event.
pub(super) fn xadd(key: &str, event: &NewEvent, version: u64, published_at_us: u64) -> Cmd {
    let data = event.data.get();
    let size = 160
        + key.len()
        + event.event_id.len()
        + event.action.len()
        + data.len()
        + event.entity_id.len()
        + event.correlation.correlation_id.len()
        + event.correlation.causation_id.len();
    let mut cmd = Cmd::with_capacity(19, size);
    cmd.arg("XADD").arg(key).arg("*");
    cmd.arg(FIELDS[0]).arg(event.event_id.as_str());
    cmd.arg(FIELDS[1]).arg(&*event.action);
    cmd.arg(FIELDS[2]).arg(data);
    cmd.arg(FIELDS[3]).arg(event.entity_id.as_str());
    cmd.arg(FIELDS[4]).arg(version);
    cmd.arg(FIELDS[5]).arg(published_at_us);
    cmd.arg(FIELDS[6])
        .arg(event.correlation.correlation_id.as_str());
    cmd.arg(FIELDS[7])
        .arg(event.correlation.causation_id.as_str());
    if let Some(times) = event.correlation.times {
        cmd.arg(TIMES[0]).arg(times.received_at_us);
        cmd.arg(TIMES[1]).arg(times.submitted_at_us);
    }
    cmd
}

/// The `XADD` command of an event that comes back to its position.
pub(super) fn recorded_xadd(key: &str, event: &RecordedEvent) -> Cmd {
    let mut cmd = redis::cmd("XADD");
    cmd.arg(key).arg(event.position.to_string());
    add_fields(&mut cmd, event);
    if let Some(times) = event.correlation.times {
        cmd.arg(TIMES[0]).arg(times.received_at_us);
        cmd.arg(TIMES[1]).arg(times.submitted_at_us);
    }
    cmd
}

/// The `XADD` command of a dead letter: the event, its position and the reason.
pub(super) fn xadd_dead(key: &str, event: &RecordedEvent, reason: &str) -> Cmd {
    let mut cmd = xadd_dead_position(key, event.position, reason);
    add_fields(&mut cmd, event);
    cmd
}

fn add_fields(cmd: &mut Cmd, event: &RecordedEvent) {
    cmd.arg(FIELDS[0]).arg(event.event_id.as_str());
    cmd.arg(FIELDS[1]).arg(event.action.as_str());
    cmd.arg(FIELDS[2]).arg(event.data.get());
    cmd.arg(FIELDS[3]).arg(event.entity_id.as_str());
    cmd.arg(FIELDS[4]).arg(event.version);
    cmd.arg(FIELDS[5]).arg(event.published_at_us);
    cmd.arg(FIELDS[6])
        .arg(event.correlation.correlation_id.as_str());
    cmd.arg(FIELDS[7])
        .arg(event.correlation.causation_id.as_str());
}

/// The `XADD` command of a dead letter that can't be parsed: the position of the entry and the reason.
pub(super) fn xadd_dead_position(key: &str, position: Position, reason: &str) -> Cmd {
    let mut cmd = redis::cmd("XADD");
    cmd.arg(key).arg("*");
    cmd.arg("reason").arg(reason);
    cmd.arg("position").arg(position.to_string());
    cmd
}

/// Parses `<ms>-<seq>` without a conversion to text.
pub(super) fn parse_position(bytes: &[u8]) -> Option<Position> {
    let dash = bytes.iter().position(|b| *b == b'-')?;
    Some(Position {
        ms: parse_number(&bytes[..dash])?,
        seq: parse_number(&bytes[dash + 1..])?,
    })
}

pub(super) fn parse_number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10)
            .then(|| number.checked_mul(10)?.checked_add(u64::from(digit)))
            .flatten()
    })
}

/// Parses the entries in a reply of `XRANGE`: an array of `[id, [field, value, …]]`.
pub(super) fn entries(topic: Topic, reply: Value) -> Option<Vec<Entry>> {
    match reply {
        Value::Nil => Some(Vec::new()),
        Value::Array(items) => items.into_iter().map(|item| entry(topic, item)).collect(),
        _ => None,
    }
}

/// Parses the entries in a reply of `XREAD` or `XREADGROUP` for one stream: nil, or `[[key, entries]]`.
pub(super) fn entries_of_read(topic: Topic, reply: Value) -> Option<Vec<Entry>> {
    let Value::Array(mut streams) = reply else {
        return matches!(reply, Value::Nil).then(Vec::new);
    };
    match streams.pop() {
        None => Some(Vec::new()),
        Some(Value::Array(mut pair)) => entries(topic, pair.pop()?),
        Some(_) => None,
    }
}

fn entry(topic: Topic, item: Value) -> Option<Entry> {
    let Value::Array(mut pair) = item else {
        return None;
    };
    let fields = pair.pop()?;
    let Some(Value::BulkString(id)) = pair.pop() else {
        return None;
    };
    let position = parse_position(&id)?;
    let Value::Array(fields) = fields else {
        return matches!(fields, Value::Nil).then_some(Entry::Deleted(position));
    };
    Some(match event(topic, position, fields) {
        Ok(event) => Entry::Event(event),
        Err(reason) => Entry::Foreign(Foreign { position, reason }),
    })
}

fn event(
    topic: Topic,
    position: Position,
    fields: Vec<Value>,
) -> Result<RecordedEvent, &'static str> {
    let timed = fields.len() == 2 * (FIELDS.len() + TIMES.len());
    if !timed && fields.len() != 2 * FIELDS.len() {
        return Err("its fields are not those of an event");
    }
    let mut fields = fields.into_iter();
    let mut next = |name: &str| match (fields.next(), fields.next()) {
        (Some(Value::BulkString(field)), Some(Value::BulkString(value)))
            if field == name.as_bytes() =>
        {
            Ok(value)
        }
        _ => Err("its fields are not those of an event"),
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "a field is not UTF-8");
    let number = |bytes: Vec<u8>| parse_number(&bytes).ok_or("a field is not a number");
    Ok(RecordedEvent {
        topic,
        position,
        event_id: text(next(FIELDS[0])?)?.into(),
        action: text(next(FIELDS[1])?)?,
        data: RawValue::from_string(text(next(FIELDS[2])?)?)
            .map_err(|_| "event_data is not JSON")?,
        entity_id: text(next(FIELDS[3])?)?.into(),
        version: number(next(FIELDS[4])?)?,
        published_at_us: number(next(FIELDS[5])?)?,
        correlation: Correlation {
            correlation_id: text(next(FIELDS[6])?)?,
            causation_id: text(next(FIELDS[7])?)?,
            times: match timed {
                true => Some(Times {
                    received_at_us: number(next(TIMES[0])?)?,
                    submitted_at_us: number(next(TIMES[1])?)?,
                }),
                false => None,
            },
        },
    })
}

/// Keeps the events; malformed entries are logged and skipped.
pub(super) fn events_only(entries: Vec<Entry>) -> Vec<RecordedEvent> {
    let only = |entry| match entry {
        Entry::Event(event) => Some(event),
        Entry::Deleted(_) => None,
        Entry::Foreign(Foreign { position, reason }) => {
            // The consumer groups say it loudly, once each.
            tracing::debug!(%position, reason, "a stream entry is not an event; it is skipped");
            None
        }
    };
    entries.into_iter().filter_map(only).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::event_store::ExpectedVersion;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn written(times: Option<Times>) -> Vec<Value> {
        let event = NewEvent {
            event_id: "e1".into(),
            action: "entity_created".into(),
            entity_id: "o1".into(),
            expected: ExpectedVersion::NoStream,
            data: RawValue::from_string(r#"{"a":"ü"}"#.into()).unwrap(),
            correlation: Correlation {
                correlation_id: "c".into(),
                causation_id: "d".into(),
                times,
            },
        };
        let cmd = xadd("events:{order}", &event, 7, 1_700_000_000_000_001);
        let args = cmd.args_iter().skip(3).map(|arg| match arg {
            redis::Arg::Simple(bytes) => Value::BulkString(bytes.to_vec()),
            _ => Value::Nil,
        });
        args.collect()
    }

    #[test]
    fn a_sampled_request_s_event_keeps_its_times() {
        let times = Times {
            received_at_us: 5,
            submitted_at_us: 7,
        };
        let item = Value::Array(vec![bulk("5-1"), Value::Array(written(Some(times)))]);

        let entries = entries(Topic::Order, Value::Array(vec![item])).unwrap();

        let [Entry::Event(event)] = entries.as_slice() else {
            panic!("not one event");
        };
        assert_eq!(event.correlation.times, Some(times));
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let item = Value::Array(vec![bulk("5-1"), Value::Array(written(None))]);

        let entries = entries(Topic::Order, Value::Array(vec![item])).unwrap();

        let [Entry::Event(event)] = entries.as_slice() else {
            panic!("not one event");
        };
        assert_eq!(event.position, Position { ms: 5, seq: 1 });
        assert_eq!(event.event_id, "e1");
        assert_eq!(event.action, "entity_created");
        assert_eq!(event.entity_id, "o1");
        assert_eq!(event.data.get(), r#"{"a":"ü"}"#);
        assert_eq!(event.version, 7);
        assert_eq!(event.published_at_us, 1_700_000_000_000_001);
        assert_eq!(event.correlation.correlation_id, "c");
        assert_eq!(event.correlation.causation_id, "d");
        assert_eq!(event.correlation.times, None);
    }

    #[test]
    fn an_entry_of_somebody_else_is_told_apart() {
        let mut fields = written(None);
        fields[4] = bulk("other");
        let items = vec![
            Value::Array(vec![bulk("5-1"), Value::Array(fields)]),
            Value::Array(vec![bulk("5-2"), Value::Nil]),
            Value::Array(vec![bulk("5-3"), Value::Array(vec![bulk("a"), bulk("b")])]),
        ];

        let entries = entries(Topic::Order, Value::Array(items)).unwrap();

        assert!(matches!(entries[0], Entry::Foreign(_)));
        assert!(matches!(
            entries[1],
            Entry::Deleted(Position { ms: 5, seq: 2 })
        ));
        assert!(matches!(entries[2], Entry::Foreign(_)));
    }

    #[test]
    fn numbers_and_positions_refuse_what_is_none() {
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_number(b"18446744073709551616"), None);
        assert_eq!(parse_number(b""), None);
        assert_eq!(parse_number(b"1x"), None);
        assert_eq!(parse_position(b"12-3"), Some(Position { ms: 12, seq: 3 }));
        assert_eq!(parse_position(b"12"), None);
    }
}
