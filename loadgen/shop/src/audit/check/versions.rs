//! `versions`: the events of each aggregate count from 1 without gaps or repeats, event ids are unique, positions increase. It finds events
//! that were written twice, lost or removed, independent of their meaning. Positions and versions count within a partition: an aggregate that
//! goes on in another one lacks its first versions there.

use std::collections::{HashMap, HashSet};

use super::super::event::{AuditEvent, EventPosition};
use super::super::fingerprint::fingerprint_text;
use super::super::topic::{ShopPartition, ShopTopic};
use loadgen_report::audit::{CheckReport, Offender};

/// The versions and event ids so far: one record for each aggregate and 8 bytes for each event.
#[derive(Debug)]
pub struct Versions {
    report: CheckReport,
    since_us: u64,
    last: HashMap<ShopPartition, EventPosition>,
    /// The last version of each aggregate; `None` if it began before `since_us`.
    aggregates: HashMap<(ShopPartition, Box<str>), Option<u64>>,
    event_ids: HashSet<u64>,
}

impl Versions {
    /// The state before any event. Aggregates that began before `since_us` are not judged.
    pub fn new(since_us: u64) -> Self {
        Self {
            report: CheckReport::new("versions", "events"),
            since_us,
            last: HashMap::new(),
            aggregates: HashMap::new(),
            event_ids: HashSet::new(),
        }
    }

    /// Checks one event; events of a partition must come in order.
    pub fn take(&mut self, partition: ShopPartition, event: &AuditEvent<'_>) {
        let position = EventPosition::parse(&event.position);
        let ascends = position.is_some() && position > self.last.get(&partition).copied();
        if let Some(position) = position {
            self.last.insert(partition, position);
        }
        let is_new = self.event_ids.insert(fingerprint_of_id(partition, event));
        let key = (partition, Box::from(event.aggregate_id.as_ref()));
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
            Some(format!("event id {} is not unique", event.event_id))
        } else if event.version < expected {
            Some(format!(
                "version {} is repeated at {}",
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
        let fault = fault.map(|fault| format!("{partition}: {fault}"));
        self.report.look(&event.aggregate_id, fault);
    }

    /// The outcome; `unreadable` are the events whose data can't be parsed.
    pub fn finish(mut self, unreadable: &[Offender]) -> CheckReport {
        for offender in unreadable {
            self.report
                .fell(offender.id.as_str(), offender.reason.as_str());
        }
        self.report
    }
}

/// The fingerprint of what must be unique. One event has the same effect on the stock of several partitions, so there the number belongs to it.
fn fingerprint_of_id(partition: ShopPartition, event: &AuditEvent<'_>) -> u64 {
    let is_shared = partition.topic == ShopTopic::Inventory && event.is_reaction();
    match partition.number {
        number @ 1.. if is_shared => fingerprint_text(&[&event.event_id, &number.to_string()]),
        _ => fingerprint_text(&[&event.event_id]),
    }
}
