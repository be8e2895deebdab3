//! Frames of the live feed, serialised once for all sockets.

use std::ops::Range;

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;

use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions, Projected};
use ordershop_contract::topic::Topic;

use crate::event_json::{event_json, is_first};

/// One text frame.
#[derive(Debug)]
pub(crate) enum FeedFrame {
    /// Events of one partition in stream order.
    Events(EventsFrame),
    /// The read model's progress: new positions of the partitions that moved.
    Applied(Positions),
    /// When the read model applied events of sampled requests; for clients that follow only those.
    Projected(Utf8Bytes),
}

/// A frame of events, and where each event is in its text.
#[derive(Debug)]
pub(crate) struct EventsFrame {
    pub(crate) partition: Partition,
    pub(crate) text: Utf8Bytes,
    places: Vec<(Position, Range<usize>)>,
}

#[derive(Serialize)]
struct PositionsFrame<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sampled: bool,
    positions: &'a Positions,
}

const OPEN: &str = r#"{"type":"events","events":["#;
const CLOSE: &str = "]}";

/// An `applied` frame: the read model's progress.
pub(crate) fn applied(positions: &Positions) -> Utf8Bytes {
    positions_frame("applied", false, positions)
}

/// A `hello` frame: the client gets the events after these positions, `sampled`: only those of sampled requests.
pub(crate) fn hello(positions: &Positions, sampled: bool) -> Utf8Bytes {
    positions_frame("hello", sampled, positions)
}

fn positions_frame(r#type: &str, sampled: bool, positions: &Positions) -> Utf8Bytes {
    let frame = PositionsFrame {
        r#type,
        sampled,
        positions,
    };
    serde_json::to_string(&frame)
        .expect("names and numbers always serialise")
        .into()
}

/// A `projected` frame: batches that the read model has applied.
pub(crate) fn projected(batches: &[Projected]) -> Utf8Bytes {
    #[derive(Serialize)]
    struct ProjectedFrame<'a> {
        r#type: &'a str,
        batches: Vec<ProjectedBatch>,
    }
    #[derive(Serialize)]
    struct ProjectedBatch {
        topic: Topic,
        #[serde(skip_serializing_if = "is_first")]
        partition: u8,
        to: Position,
        received_at_us: u64,
        applied_at_us: u64,
    }
    let batch = |batch: &Projected| ProjectedBatch {
        topic: batch.partition.topic,
        partition: batch.partition.number,
        to: batch.to,
        received_at_us: batch.received_at_us,
        applied_at_us: batch.applied_at_us,
    };
    let frame = ProjectedFrame {
        r#type: "projected",
        batches: batches.iter().map(batch).collect(),
    };
    serde_json::to_string(&frame)
        .expect("names and numbers always serialise")
        .into()
}

/// Splits a batch of one partition into frames of about `bytes_max` at most.
pub(crate) fn events<'a>(
    partition: Partition,
    batch: impl IntoIterator<Item = &'a RecordedEvent>,
    bytes_max: usize,
) -> Vec<EventsFrame> {
    let mut frames = Vec::new();
    let mut text = OPEN.to_owned();
    let mut places: Vec<(Position, Range<usize>)> = Vec::new();
    for event in batch {
        let json = event_json(event);
        if !places.is_empty() && text.len() + json.len() > bytes_max {
            let full = std::mem::replace(&mut text, OPEN.to_owned());
            frames.push(closed(partition, full, std::mem::take(&mut places)));
        }
        if !places.is_empty() {
            text.push(',');
        }
        let start = text.len();
        text.push_str(&json);
        places.push((event.position, start..text.len()));
    }
    if !places.is_empty() {
        frames.push(closed(partition, text, places));
    }
    frames
}

fn closed(
    partition: Partition,
    mut text: String,
    places: Vec<(Position, Range<usize>)>,
) -> EventsFrame {
    text.push_str(CLOSE);
    EventsFrame {
        partition,
        text: text.into(),
        places,
    }
}

impl EventsFrame {
    /// The last event's position.
    pub(crate) fn last(&self) -> Position {
        self.places.last().map(|(at, _)| *at).unwrap_or_default()
    }

    /// The frame's text without the events up to `sent`; `None` when none is left.
    pub(crate) fn after(&self, sent: Position) -> Option<Utf8Bytes> {
        let (first, range) = self.places.iter().find(|(at, _)| *at > sent)?;
        if *first == self.places[0].0 {
            return Some(self.text.clone());
        }
        let rest = &self.text.as_str()[range.start..];
        Some(format!("{OPEN}{rest}").into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use ordershop_contract::correlation::Correlation;

    fn batch(count: u64) -> Vec<RecordedEvent> {
        let event = |seq| RecordedEvent {
            partition: Topic::Order.into(),
            position: Position { ms: 7, seq },
            event_id: format!("e{seq}").into(),
            action: "entity_created".into(),
            entity_id: "a".into(),
            version: 1,
            data: RawValue::from_string("{}".into()).unwrap(),
            published_at_us: 1,
            correlation: Correlation {
                correlation_id: "c".into(),
                causation_id: "d".into(),
                times: None,
            },
        };
        (1..=count).map(event).collect()
    }

    fn positions_in(text: &str) -> Vec<String> {
        let frame: serde_json::Value = serde_json::from_str(text).unwrap();
        let events = frame["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["position"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn sent_events_are_left_out_and_the_rest_stays_whole() {
        let frame = events(Topic::Order.into(), &batch(3), usize::MAX).remove(0);
        let after = |seq| {
            frame
                .after(Position { ms: 7, seq })
                .map(|text| positions_in(&text))
        };
        assert_eq!(after(0).unwrap(), ["7-1", "7-2", "7-3"]);
        assert_eq!(after(2).unwrap(), ["7-3"]);
        assert_eq!(after(3), None);
        assert_eq!(frame.last(), Position { ms: 7, seq: 3 });
    }

    #[test]
    fn long_batches_are_parted_and_lose_nothing() {
        let frames = events(Topic::Order.into(), &batch(10), 600);
        assert!(frames.len() > 1);
        let all: Vec<String> = frames.iter().flat_map(|f| positions_in(&f.text)).collect();
        let expected: Vec<String> = (1..=10).map(|seq| format!("7-{seq}")).collect();
        assert_eq!(all, expected);
    }
}
