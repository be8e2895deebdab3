//! `read_model`: the lists show what a replay of all events gives, entity by entity. It finds events that were skipped, applied twice or out
//! of order.

use std::collections::HashMap;

use serde_json::Value;

use super::super::event::{AuditEvent, EventAction};
use super::super::fingerprint::fingerprint;
use super::super::topic::ShopTopic;
use loadgen_report::audit::CheckReport;

#[derive(Debug)]
struct Replayed {
    fingerprint: u64,
    at_us: u64,
    seen: bool,
}

/// The expected content of the read model: one fingerprint for each entity.
#[derive(Debug)]
pub struct ReadModel {
    report: CheckReport,
    since_us: u64,
    entities: HashMap<(ShopTopic, Box<str>), Replayed>,
    /// How often each mail is still expected, by fingerprint, because mails are listed without ids.
    mails: HashMap<u64, i64>,
}

impl ReadModel {
    /// An empty model. Entities whose last event is older than `since_us` are not judged.
    pub fn new(since_us: u64) -> Self {
        Self {
            report: CheckReport::new("read_model", "entities"),
            since_us,
            entities: HashMap::new(),
            mails: HashMap::new(),
        }
    }

    /// Replays one event; events of a partition must come in order.
    pub fn take(&mut self, topic: ShopTopic, event: &AuditEvent<'_>) {
        let data = || serde_json::from_str(event.data.get()).map_or(0, |data| fingerprint(&data));
        let key = || (topic, Box::from(event.aggregate_id.as_ref()));
        if event.is_archived {
            self.entities.remove(&key());
            return;
        }
        match event.action() {
            // A mail is known by what it says.
            EventAction::Archived if topic == ShopTopic::Mail => {
                *self.mails.entry(data()).or_default() -= 1;
            }
            EventAction::MailSent => {
                *self.mails.entry(data()).or_default() += 1;
            }
            EventAction::Created | EventAction::Updated => {
                let replayed = Replayed {
                    fingerprint: data(),
                    at_us: event.published_at_us,
                    seen: false,
                };
                self.entities.insert(key(), replayed);
            }
            EventAction::Deleted | EventAction::Archived => drop(self.entities.remove(&key())),
            EventAction::StockReserved | EventAction::StockReleased | EventAction::Other => {}
        }
    }

    /// Checks an entity as a list shows it.
    pub fn shown(&mut self, topic: ShopTopic, entity: &Value) {
        let fingerprint = fingerprint(entity);
        if topic == ShopTopic::Mail {
            let left = self.mails.entry(fingerprint).or_default();
            *left -= 1;
            let surplus = *left < 0;
            let reason = surplus.then(|| "mail: shown more often than sent".to_owned());
            let to = entity["recipient"].as_str().unwrap_or("a mail");
            return self.report.look(to, reason);
        }
        let id = entity["entity_id"].as_str().unwrap_or_default();
        let outcome = match self.entities.get_mut(&(topic, Box::from(id))) {
            None => Some("shown, but does not exist by its events"),
            Some(replayed) if replayed.seen => Some("shown twice"),
            Some(replayed) => {
                replayed.seen = true;
                if replayed.at_us < self.since_us {
                    return;
                }
                (replayed.fingerprint != fingerprint)
                    .then_some("shown, but differs from its events")
            }
        };
        let outcome = outcome.map(|outcome| format!("{topic}: {outcome}"));
        self.report.look(id, outcome);
    }

    /// The outcome, after every listed entity was checked.
    pub fn finish(mut self) -> CheckReport {
        for ((topic, id), replayed) in &self.entities {
            if !replayed.seen && replayed.at_us >= self.since_us {
                let reason = format!("{topic}: not shown, but exists by its events");
                self.report.look(id, Some(reason));
            }
        }
        let missing: i64 = self.mails.values().filter(|left| **left > 0).sum();
        if missing > 0 {
            let reason = format!("{missing} sent, but not shown");
            self.report.fell("mail", reason);
        }
        self.report
    }
}
