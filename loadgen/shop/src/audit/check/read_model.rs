//! `read_model`: all events replayed give what the lists show, entity by entity. What was not applied, applied twice or out of order shows here.

use std::collections::HashMap;

use serde_json::Value;

use super::super::event::{Action, Event};
use super::super::fingerprint::fingerprint;
use super::super::topic::Topic;
use loadgen_report::audit::CheckReport;

#[derive(Debug)]
struct Replayed {
    fingerprint: u64,
    at_us: u64,
    seen: bool,
}

/// What the read model must hold: a fingerprint an entity.
#[derive(Debug)]
pub struct ReadModel {
    report: CheckReport,
    since_us: u64,
    entities: HashMap<(Topic, Box<str>), Replayed>,
    /// Mails are listed without their ids: how often each is still expected.
    mails: HashMap<u64, i64>,
}

impl ReadModel {
    /// Nothing replayed. Entities whose last event is older than `since_us` are not judged.
    pub fn new(since_us: u64) -> Self {
        Self {
            report: CheckReport::new("read_model", "entities"),
            since_us,
            entities: HashMap::new(),
            mails: HashMap::new(),
        }
    }

    /// One more event, in its topic's order.
    pub fn take(&mut self, topic: Topic, event: &Event<'_>) {
        let data = || serde_json::from_str(event.data.get()).map_or(0, |data| fingerprint(&data));
        let key = || (topic, Box::from(event.aggregate_id.as_ref()));
        match event.action() {
            Action::MailSent => {
                *self.mails.entry(data()).or_default() += 1;
            }
            Action::Created | Action::Updated => {
                let replayed = Replayed {
                    fingerprint: data(),
                    at_us: event.published_at_us,
                    seen: false,
                };
                self.entities.insert(key(), replayed);
            }
            Action::Deleted => drop(self.entities.remove(&key())),
            Action::StockReserved | Action::StockReleased | Action::Other => {}
        }
    }

    /// An entity as a list shows it.
    pub fn shown(&mut self, topic: Topic, entity: &Value) {
        let fingerprint = fingerprint(entity);
        if topic == Topic::Mail {
            let left = self.mails.entry(fingerprint).or_default();
            *left -= 1;
            let surplus = *left < 0;
            let reason =
                surplus.then(|| "mail: shown, but never sent (or not so often)".to_owned());
            let to = entity["recipient"].as_str().unwrap_or("a mail");
            return self.report.look(to, reason);
        }
        let id = entity["entity_id"].as_str().unwrap_or_default();
        let outcome = match self.entities.get_mut(&(topic, Box::from(id))) {
            None => Some("shown, but by its events it is not there"),
            Some(replayed) if replayed.seen => Some("shown twice"),
            Some(replayed) => {
                replayed.seen = true;
                if replayed.at_us < self.since_us {
                    return;
                }
                (replayed.fingerprint != fingerprint)
                    .then_some("shown otherwise than its events tell")
            }
        };
        let outcome = outcome.map(|outcome| format!("{topic}: {outcome}"));
        self.report.look(id, outcome);
    }

    /// The outcome, when everything that is listed has been shown.
    pub fn finish(mut self) -> CheckReport {
        for ((topic, id), replayed) in &self.entities {
            if !replayed.seen && replayed.at_us >= self.since_us {
                let reason = format!("{topic}: not shown, but by its events it is there");
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
