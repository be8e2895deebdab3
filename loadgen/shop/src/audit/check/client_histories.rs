//! `client_histories`: what the clients of the run were told agrees with the events. A change that was answered as done is there, one that was
//! refused is not, a change that named a version in `If-Match` follows that version, and no client read an entity in an older version than
//! before.

use std::collections::{HashMap, HashSet};

use super::super::event::{AuditEvent, EventAction};
use super::super::fingerprint::content_of;
use super::super::topic::ShopTopic;
use super::Stock;
use loadgen_engine::record::ledger::{Changes, Ledger};
use loadgen_report::audit::CheckReport;

/// What the events say of the entities that the run changed.
#[derive(Debug, Default)]
pub struct ClientHistories<'a> {
    ledger: Option<&'a Ledger>,
    entities: HashMap<ShopTopic, HashMap<&'a str, Told<'a>>>,
}

/// One changed entity: what clients were told, and what the events say.
#[derive(Debug)]
struct Told<'a> {
    changes: &'a Changes,
    contents: HashSet<u64>,
    updates: u32,
    removals: u32,
}

impl<'a> ClientHistories<'a> {
    /// Watches the entities that the run changed.
    pub fn new(ledger: Option<&'a Ledger>) -> Self {
        let mut entities: HashMap<ShopTopic, HashMap<&str, Told<'_>>> = HashMap::new();
        for (kind, id, changes) in ledger.into_iter().flat_map(Ledger::changes) {
            let Some(topic) = ShopTopic::named(kind) else {
                continue;
            };
            let told = Told {
                changes,
                contents: HashSet::new(),
                updates: 0,
                removals: 0,
            };
            entities.entry(topic).or_default().insert(id, told);
        }
        Self { ledger, entities }
    }

    /// Looks at one event.
    pub fn take(&mut self, topic: ShopTopic, event: &AuditEvent<'_>) {
        let of_topic = self.entities.get_mut(&topic);
        let Some(told) = of_topic.and_then(|told| told.get_mut(event.aggregate_id.as_ref())) else {
            return;
        };
        match event.action() {
            EventAction::Deleted => told.removals += u32::from(event.is_request()),
            EventAction::Updated => told.updates += u32::from(event.is_request()),
            _ => {}
        }
        told.contents.extend(content_of(topic, event.data.get()));
    }

    /// The outcome. `from_nothing` says that nobody but the run writes to the target.
    pub fn finish(self, stock: &Stock, from_nothing: bool) -> CheckReport {
        let mut report = CheckReport::new("client_histories", "changed entities and versions read");
        let Some(ledger) = self.ledger else {
            report.skipped = Some("there are no clients' histories without a run".to_owned());
            return report;
        };
        for (topic, entities) in &self.entities {
            for (id, told) in entities {
                let fault = told.fault(from_nothing);
                let fault = fault.or_else(|| match topic {
                    ShopTopic::Inventory => overwritten(stock, id, told.changes),
                    _ => None,
                });
                report.look(id, fault.map(|fault| format!("{topic}: {fault}")));
            }
        }
        report.checked += ledger.versions_read;
        for back in ledger.went_back() {
            report.fell(
                back.entity.id.as_str(),
                format!(
                    "{}: version {} was read after version {}",
                    back.entity.kind, back.after, back.before
                ),
            );
        }
        report
    }
}

impl Told<'_> {
    fn fault(&self, from_nothing: bool) -> Option<String> {
        let (puts, removals) = (self.changes.puts, self.changes.removals);
        let contents = self.changes.contents.iter();
        let lost = contents.filter(|content| !self.contents.contains(content));
        let lost = lost.count();
        if lost > 0 {
            return Some(format!(
                "{lost} of {} changes that were answered as done are nowhere",
                puts.accepted
            ));
        }
        if removals.accepted > 0 && self.removals == 0 {
            return Some("its removal was answered as done, but it was not removed".to_owned());
        }
        if !from_nothing {
            return None;
        }
        if self.updates > puts.accepted + puts.unknown {
            return Some(format!(
                "it was changed {} times by requests, but only {} can have been carried out; the others were refused",
                self.updates,
                puts.accepted + puts.unknown
            ));
        }
        let refused = self.removals > removals.accepted + removals.unknown;
        refused.then(|| "it was removed, although that was refused".to_owned())
    }
}

/// A change of an inventory that was decided on a version before a reservation, and that wrote over it.
fn overwritten(stock: &Stock, inventory: &str, changes: &Changes) -> Option<String> {
    let mut decided_on = changes.decided_on.iter();
    let version = decided_on.find(|version| stock.reserved_at(inventory, *version + 1))?;
    Some(format!(
        "a change that was decided on version {version} wrote over the reservation in version {}",
        version + 1
    ))
}
