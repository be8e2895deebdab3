//! What the target's side has told of the sampled journeys: their events and the read model's batches, kept within bounds.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

use super::chain::{self, ReportedEvent};
use super::critical_path::Projected;
use crate::feed::FeedFrame;
use crate::feed::partition::Partition;
use crate::feed::position::FeedPosition;

/// The most journeys followed at once; further ones are recorded without the target's side.
const JOURNEYS_MAX: usize = 20_000;
/// The most events kept of one journey.
const EVENTS_MAX: usize = 256;
/// The most batches of the read model kept per partition.
const BATCHES_MAX: usize = 4_096;

#[derive(Deserialize)]
struct SampledEvent<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(default)]
    partition: u32,
    position: FeedPosition,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    #[serde(borrow)]
    causation_id: Cow<'a, str>,
    published_at_us: i64,
    received_at_us: i64,
    submitted_at_us: i64,
}

/// What the target has reported.
#[derive(Default)]
pub struct TargetTimes {
    /// Whether there is a feed.
    pub(super) listens: bool,
    /// Events of current journeys, by trace id.
    events: HashMap<u128, Vec<ReportedEvent>>,
    /// Batches by the names of their partitions, each with its last event's position.
    batches: HashMap<String, VecDeque<(FeedPosition, Projected)>>,
}

impl TargetTimes {
    /// The events of a journey that led to the one at `last`.
    pub(super) fn chain(
        &self,
        trace: u128,
        of: Partition<'_>,
        last: FeedPosition,
    ) -> Vec<&ReportedEvent> {
        let events = self.events.get(&trace).map_or(&[][..], Vec::as_slice);
        chain::leading_to(events, of, last)
    }

    /// When the read model received and applied an event.
    pub(super) fn projected(&self, of: Partition<'_>, position: FeedPosition) -> Option<Projected> {
        let batches = self.batches.get(&*of.name())?;
        let at = batches.partition_point(|(to, _)| *to < position);
        batches.get(at).map(|(_, projected)| *projected)
    }

    /// A journey begins.
    pub(super) fn begin(&mut self, trace: u128) {
        if self.listens && self.events.len() < JOURNEYS_MAX {
            self.events.insert(trace, Vec::new());
        }
    }

    /// Whether a journey's events are kept.
    pub(super) fn is_followed(&self, trace: u128) -> bool {
        self.events.contains_key(&trace)
    }

    /// A journey is of no interest any more.
    pub(super) fn forget(&mut self, trace: u128) {
        self.events.remove(&trace);
    }

    /// Takes a message; whether it begins a feed of sampled requests.
    pub(super) fn take(&mut self, text: &str) -> Result<bool, String> {
        let frame: FeedFrame<'_, SampledEvent<'_>> = FeedFrame::parse(text)?;
        for event in frame.events {
            let trace = u128::from_str_radix(&event.correlation_id, 16).unwrap_or_default();
            // Events of other generators, or of journeys given up, are ignored.
            if let Some(events) = self.events.get_mut(&trace)
                && events.len() < EVENTS_MAX
            {
                events.push(ReportedEvent {
                    topic: event.topic.into_owned(),
                    partition: event.partition,
                    position: event.position,
                    event_id: event.event_id.into_owned(),
                    causation_id: event.causation_id.into_owned(),
                    received_at_us: event.received_at_us,
                    submitted_at_us: event.submitted_at_us,
                    published_at_us: event.published_at_us,
                });
            }
        }
        for batch in frame.batches {
            let partition = Partition {
                topic: &batch.topic,
                number: batch.partition,
            };
            let name = partition.name().into_owned();
            let batches = self.batches.entry(name).or_default();
            let to = batch.to;
            // Batches come in order; a repeated one is ignored.
            if batches.back().is_none_or(|(last, _)| *last < to) {
                if batches.len() == BATCHES_MAX {
                    batches.pop_front();
                }
                let (received_at_us, applied_at_us) = (batch.received_at_us, batch.applied_at_us);
                let projected = Projected {
                    received_at_us,
                    applied_at_us,
                };
                batches.push_back((to, projected));
            }
        }
        Ok(frame.kind == "hello" && frame.sampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_of_journeys_under_way_alone_and_batches_are_found_by_position() {
        let mut target_times = TargetTimes {
            listens: true,
            ..TargetTimes::default()
        };
        target_times.begin(10);
        let event = |trace: &str, position: &str| {
            format!(
                r#"{{"topic":"order","position":"{position}","event_id":"{position}","correlation_id":"{trace}",
               "causation_id":"m","published_at_us":3,"received_at_us":1,"submitted_at_us":2,"data":{{"x":[1]}},"version":1}}"#
            )
        };
        let (mine, others) = (event("0000000a", "5-1"), event("0000000b", "5-2"));
        let batch = |to: &str, at: i64| {
            format!(
                r#"{{"topic":"order","to":"{to}","received_at_us":{at},"applied_at_us":{}}}"#,
                at + 1
            )
        };
        let (one, two) = (batch("5-1", 10), batch("7-0", 20));
        target_times
            .take(&format!(
                r#"{{"type":"events","events":[{mine},{others}]}}"#
            ))
            .unwrap();
        target_times
            .take(&format!(
                r#"{{"type":"projected","batches":[{one},{two},{one}]}}"#
            ))
            .unwrap();

        let at = |text: &str| text.parse::<FeedPosition>().unwrap();
        let order = Partition::parse("order");
        assert_eq!(target_times.chain(10, order, at("5-1")).len(), 1);
        assert!(target_times.chain(11, order, at("5-2")).is_empty());
        let received = |position| {
            let projected = target_times.projected(order, at(position));
            projected.map(|p| p.received_at_us)
        };
        assert_eq!(received("5-1"), Some(10));
        assert_eq!(received("5-2"), Some(20));
        assert_eq!(received("7-1"), None);
    }

    #[test]
    fn events_and_batches_of_one_position_in_two_partitions_are_told_apart() {
        let mut target_times = TargetTimes {
            listens: true,
            ..TargetTimes::default()
        };
        target_times.begin(10);
        let event = |partition: u32, id: &str| {
            format!(
                r#"{{"topic":"order","partition":{partition},"position":"5-1","event_id":"{id}","correlation_id":"0a",
               "causation_id":"m","published_at_us":3,"received_at_us":1,"submitted_at_us":2}}"#
            )
        };
        let (one, two) = (event(0, "a"), event(3, "b"));
        let events = format!(r#"{{"type":"events","events":[{one},{two}]}}"#);
        target_times.take(&events).unwrap();
        // Number 3 is ahead of number 0, which would be a repeat in a single stream.
        let batches = r#"{"type":"projected","batches":[
            {"topic":"order","partition":3,"to":"9-0","received_at_us":30,"applied_at_us":31},
            {"topic":"order","to":"5-1","received_at_us":10,"applied_at_us":11}]}"#;
        target_times.take(batches).unwrap();

        let at = "5-1".parse().unwrap();
        let told = |name: &str| {
            let partition = Partition::parse(name);
            let chain = target_times.chain(10, partition, at);
            let ids: Vec<&str> = chain.iter().map(|event| event.event_id.as_str()).collect();
            let received = target_times.projected(partition, at);
            (ids.concat(), received.map(|p| p.received_at_us))
        };
        assert_eq!(told("order"), ("a".to_owned(), Some(10)));
        assert_eq!(told("order.3"), ("b".to_owned(), Some(30)));
        assert_eq!(told("order.1"), (String::new(), None));
    }

    #[test]
    fn only_a_feed_that_says_it_is_of_sampled_requests_is_one() {
        let said = |text| TargetTimes::default().take(text);
        assert_eq!(
            said(r#"{"type":"hello","sampled":true,"positions":{}}"#),
            Ok(true)
        );
        assert_eq!(
            said(r#"{"type":"hello","positions":{"order":"1-0"}}"#),
            Ok(false)
        );
        assert!(said("hello").is_err());
    }
}
