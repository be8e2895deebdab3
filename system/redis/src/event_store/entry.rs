//! The form of an event as a stream entry: writing and parsing. Knows the fields, not who reads or writes them.

use std::borrow::Cow;

use redis::{Cmd, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::event_store::{NewEvent, RecordedEvent};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;
use ordershop_contract::wire::json;

/// The fields in their order. Redis stores the names once a listpack node if they are equal and in equal order.
const FIELDS: [&str; 3] = ["event_action", "event_data", "event_meta"];
/// The form of `event_meta` that is written.
const META_FORM: u8 = 1;

/// What an entry has beside action and data, as a JSON array. It is one field because Redis and its clients take an entry apart field by field,
/// once for each reader.
#[derive(Serialize, Deserialize)]
struct Meta<'a>(
    /// The number of this form.
    u8,
    #[serde(borrow)] Cow<'a, str>, // event_id
    #[serde(borrow)] Cow<'a, str>, // aggregate_id
    u64,                           // version
    u64,                           // published_at, µs
    #[serde(borrow)] Cow<'a, str>, // correlation_id
    #[serde(borrow)] Cow<'a, str>, // causation_id
    Option<(u64, u64)>,            // of a sampled request: received_at, submitted_at, µs
);

/// The fields of the form before, which is read still, and of dead letters.
const FIELDS_BEFORE: [&str; 8] = [
    "event_id",
    "event_action",
    "event_data",
    "aggregate_id",
    "version",
    "published_at",
    "correlation_id",
    "causation_id",
];

/// The additional fields of a sampled request's event in the form before; they come last.
const TIMES_BEFORE: [&str; 2] = ["received_at", "submitted_at"];

/// Why an entry with other fields is none of ours.
const NOT_AN_EVENT: &str = "its fields are not those of an event";

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

impl<'a> Meta<'a> {
    fn of(
        (event_id, entity_id): (&'a str, &'a str),
        version: u64,
        published_at_us: u64,
        correlation: &'a Correlation,
    ) -> Self {
        Self(
            META_FORM,
            event_id.into(),
            entity_id.into(),
            version,
            published_at_us,
            correlation.correlation_id.as_str().into(),
            correlation.causation_id.as_str().into(),
            correlation.times.map(pair),
        )
    }
}

/// The `XADD` command of an event.
pub(super) fn xadd(key: &str, event: &NewEvent, version: u64, published_at_us: u64) -> Cmd {
    let ids = (event.event_id.as_str(), event.entity_id.as_str());
    let meta = Meta::of(ids, version, published_at_us, &event.correlation);
    let (action, data) = (&*event.action, event.data.get());
    let mut cmd = Cmd::with_capacity(9, 320 + data.len());
    cmd.arg("XADD").arg(key).arg("*");
    add_fields(&mut cmd, action, data, &meta);
    cmd
}

/// The `XADD` command of an event that comes back to its position.
pub(super) fn recorded_xadd(key: &str, event: &RecordedEvent) -> Cmd {
    let ids = (event.event_id.as_str(), event.entity_id.as_str());
    let (version, at_us) = (event.version, event.published_at_us);
    let meta = Meta::of(ids, version, at_us, &event.correlation);
    let mut cmd = redis::cmd("XADD");
    cmd.arg(key).arg(event.position.to_string());
    add_fields(&mut cmd, &event.action, event.data.get(), &meta);
    cmd
}

fn pair(times: Times) -> (u64, u64) {
    (times.received_at_us, times.submitted_at_us)
}

fn add_fields(cmd: &mut Cmd, action: &str, data: &str, meta: &Meta<'_>) {
    cmd.arg(FIELDS[0]).arg(action);
    cmd.arg(FIELDS[1]).arg(data);
    cmd.arg(FIELDS[2]).arg(json(meta).get());
}

/// The `XADD` command of a dead letter: the event in fields that people read, its position and the reason.
pub(super) fn xadd_dead(key: &str, event: &RecordedEvent, reason: &str) -> Cmd {
    let mut cmd = xadd_dead_position(key, event.position, reason);
    let fields = &FIELDS_BEFORE;
    cmd.arg(fields[0]).arg(event.event_id.as_str());
    cmd.arg(fields[1]).arg(event.action.as_str());
    cmd.arg(fields[2]).arg(event.data.get());
    cmd.arg(fields[3]).arg(event.entity_id.as_str());
    cmd.arg(fields[4]).arg(event.version);
    cmd.arg(fields[5]).arg(event.published_at_us);
    cmd.arg(fields[6])
        .arg(event.correlation.correlation_id.as_str());
    cmd.arg(fields[7])
        .arg(event.correlation.causation_id.as_str());
    cmd
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
pub(super) fn entries(partition: Partition, reply: Value) -> Option<Vec<Entry>> {
    match reply {
        Value::Nil => Some(Vec::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| entry(partition, item))
            .collect(),
        _ => None,
    }
}

/// Parses the entries in a reply of `XREAD` or `XREADGROUP` for one stream: nil, or `[[key, entries]]`.
pub(super) fn entries_of_read(partition: Partition, reply: Value) -> Option<Vec<Entry>> {
    let Value::Array(mut streams) = reply else {
        return matches!(reply, Value::Nil).then(Vec::new);
    };
    match streams.pop() {
        None => Some(Vec::new()),
        Some(Value::Array(mut pair)) => entries(partition, pair.pop()?),
        Some(_) => None,
    }
}

fn entry(partition: Partition, item: Value) -> Option<Entry> {
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
    Some(match event(partition, position, fields) {
        Ok(event) => Entry::Event(event),
        Err(reason) => Entry::Foreign(Foreign { position, reason }),
    })
}

fn event(
    partition: Partition,
    position: Position,
    fields: Vec<Value>,
) -> Result<RecordedEvent, &'static str> {
    if fields.len() != 2 * FIELDS.len() {
        return event_before(partition, position, fields);
    }
    let mut fields = fields.into_iter();
    let action = text(value_of(&mut fields, FIELDS[0])?)?;
    let data = data(value_of(&mut fields, FIELDS[1])?)?;
    let meta = value_of(&mut fields, FIELDS[2])?;
    let Ok(Meta(
        META_FORM,
        event_id,
        entity_id,
        version,
        published_at_us,
        correlation_id,
        causation_id,
        times,
    )) = serde_json::from_slice(&meta)
    else {
        return Err("event_meta is not of a known form");
    };
    Ok(RecordedEvent {
        partition,
        position,
        event_id: event_id.into_owned().into(),
        action,
        data,
        entity_id: entity_id.into_owned().into(),
        version,
        published_at_us,
        correlation: Correlation {
            correlation_id: correlation_id.into_owned(),
            causation_id: causation_id.into_owned(),
            times: times.map(|(received_at_us, submitted_at_us)| Times {
                received_at_us,
                submitted_at_us,
            }),
        },
    })
}

/// Parses an event in the form before.
fn event_before(
    partition: Partition,
    position: Position,
    fields: Vec<Value>,
) -> Result<RecordedEvent, &'static str> {
    let timed = fields.len() == 2 * (FIELDS_BEFORE.len() + TIMES_BEFORE.len());
    if !timed && fields.len() != 2 * FIELDS_BEFORE.len() {
        return Err(NOT_AN_EVENT);
    }
    let mut fields = fields.into_iter();
    let mut next = |name| value_of(&mut fields, name);
    let number = |bytes: Vec<u8>| parse_number(&bytes).ok_or("a field is not a number");
    Ok(RecordedEvent {
        partition,
        position,
        event_id: text(next(FIELDS_BEFORE[0])?)?.into(),
        action: text(next(FIELDS_BEFORE[1])?)?,
        data: data(next(FIELDS_BEFORE[2])?)?,
        entity_id: text(next(FIELDS_BEFORE[3])?)?.into(),
        version: number(next(FIELDS_BEFORE[4])?)?,
        published_at_us: number(next(FIELDS_BEFORE[5])?)?,
        correlation: Correlation {
            correlation_id: text(next(FIELDS_BEFORE[6])?)?,
            causation_id: text(next(FIELDS_BEFORE[7])?)?,
            times: match timed {
                true => Some(Times {
                    received_at_us: number(next(TIMES_BEFORE[0])?)?,
                    submitted_at_us: number(next(TIMES_BEFORE[1])?)?,
                }),
                false => None,
            },
        },
    })
}

/// The value of the next field, which must have this name.
fn value_of(fields: &mut impl Iterator<Item = Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    match (fields.next(), fields.next()) {
        (Some(Value::BulkString(field)), Some(Value::BulkString(value)))
            if field == name.as_bytes() =>
        {
            Ok(value)
        }
        _ => Err(NOT_AN_EVENT),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, &'static str> {
    String::from_utf8(bytes).map_err(|_| "a field is not UTF-8")
}

fn data(bytes: Vec<u8>) -> Result<Box<RawValue>, &'static str> {
    RawValue::from_string(text(bytes)?).map_err(|_| "event_data is not JSON")
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
    use ordershop_contract::topic::Topic;

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

        let entries = entries(Topic::Order.into(), Value::Array(vec![item])).unwrap();

        let [Entry::Event(event)] = entries.as_slice() else {
            panic!("not one event");
        };
        assert_eq!(event.correlation.times, Some(times));
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let item = Value::Array(vec![bulk("5-1"), Value::Array(written(None))]);

        let entries = entries(Topic::Order.into(), Value::Array(vec![item])).unwrap();

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
    fn an_event_of_the_form_before_is_read_with_and_without_times() {
        let values = ["e1", "created", "{}", "o1", "7", "9", "c", "d"];
        let before = FIELDS_BEFORE.iter().zip(values);
        let before: Vec<Value> = before.flat_map(|(f, v)| [bulk(f), bulk(v)]).collect();
        let times = [
            bulk("received_at"),
            bulk("5"),
            bulk("submitted_at"),
            bulk("6"),
        ];
        let sampled = [before.clone(), times.to_vec()].concat();
        for (fields, expected) in [(before, None), (sampled, Some((5, 6)))] {
            let item = Value::Array(vec![bulk("5-1"), Value::Array(fields)]);

            let entries = entries(Topic::Order.into(), Value::Array(vec![item])).unwrap();

            let [Entry::Event(event)] = entries.as_slice() else {
                panic!("not one event");
            };
            assert_eq!(
                (event.event_id.as_str(), event.entity_id.as_str()),
                ("e1", "o1")
            );
            assert_eq!((event.version, event.published_at_us), (7, 9));
            assert_eq!(event.correlation.times.map(pair), expected);
        }
    }

    #[test]
    fn an_event_whose_meta_has_a_later_form_is_not_misread() {
        let mut fields = written(None);
        fields[5] = bulk(r#"[2,"e1","o1",7,9,"c","d",null]"#);
        let item = Value::Array(vec![bulk("5-1"), Value::Array(fields)]);

        let entries = entries(Topic::Order.into(), Value::Array(vec![item])).unwrap();

        assert!(matches!(entries[0], Entry::Foreign(_)));
    }

    #[test]
    fn an_entry_of_somebody_else_is_told_apart() {
        let mut fields = written(None);
        fields[2] = bulk("other");
        let items = vec![
            Value::Array(vec![bulk("5-1"), Value::Array(fields)]),
            Value::Array(vec![bulk("5-2"), Value::Nil]),
            Value::Array(vec![bulk("5-3"), Value::Array(vec![bulk("a"), bulk("b")])]),
        ];

        let entries = entries(Topic::Order.into(), Value::Array(items)).unwrap();

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
