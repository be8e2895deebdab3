//! `versions`: each aggregate's events count from 1 without a gap or a repeat, event ids are unique, positions go up. What is written
//! twice, lost or taken out shows here, whatever it meant.

use std::collections::{HashMap, HashSet};

use super::super::event::{Event, Position};
use super::super::fingerprint::fingerprint_text;
use super::super::topic::Topic;
use loadgen_report::audit::{CheckReport, Offender};

/// What has been seen so far: a record an aggregate, 8 bytes an event.
#[derive(Debug)]
pub struct Versions {
    report: CheckReport,
    since_us: u64,
    last: HashMap<Topic, Position>,
    /// The last version of an aggregate; none where it began before `since_us`.
    aggregates: HashMap<(Topic, Box<str>), Option<u64>>,
    event_ids: HashSet<u64>,
}

impl Versions {
    /// Nothing seen. Aggregates that began before `since_us` are not judged.
    pub fn new(since_us: u64) -> Self {
        Self {
            report: CheckReport::new("versions", "events"),
            since_us,
            last: HashMap::new(),
            aggregates: HashMap::new(),
            event_ids: HashSet::new(),
        }
    }

    /// One more event, in its topic's order.
    pub fn take(&mut self, topic: Topic, event: &Event<'_>) {
        let position = Position::parse(&event.position);
        let ascends = position.is_some() && position > self.last.get(&topic).copied();
        if let Some(position) = position {
            self.last.insert(topic, position);
        }
        let is_new = self.event_ids.insert(fingerprint_text(&[&event.event_id]));
        let key = (topic, Box::from(event.aggregate_id.as_ref()));
        let judged = event.published_at_us >= self.since_us;
        let last = self.aggregates.entry(key).or_insert(judged.then_some(0));
        let Some(before) = last else { return };
        let expected = *before + 1;
        *last = Some(event.version);
        let fault = if !ascends {
            Some(format!(
                "position {} is not above the one before it",
                event.position
            ))
        } else if !is_new {
            Some(format!("event id {} was there before", event.event_id))
        } else if event.version < expected {
            Some(format!(
                "version {} comes again at {}",
                event.version, event.position
            ))
        } else {
            let gap = event.version != expected;
            gap.then(|| {
                format!(
                    "version {expected} is missing: {} follows at {}",
                    event.version, event.position
                )
            })
        };
        let fault = fault.map(|fault| format!("{topic}: {fault}"));
        self.report.look(&event.aggregate_id, fault);
    }

    /// The outcome; `unreadable` are events whose data nobody could read.
    pub fn finish(mut self, unreadable: &[Offender]) -> CheckReport {
        for offender in unreadable {
            self.report
                .fell(offender.id.as_str(), offender.reason.as_str());
        }
        self.report
    }
}
