//! `client_histories`: what the clients of the run were told agrees with the events. A change that was answered as done is there, one that was
//! refused is not, a change that named a version in `If-Match` follows that version, a key made the same entities each time that it was sent,
//! and no client read an entity in an older version than before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::event::{AuditEvent, EventAction};
use super::super::fingerprint::content_of;
use super::super::topic::ShopTopic;
use loadgen_engine::record::ledger::{Changes, Decided, Ledger};
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
    /// How often requests made each content of it.
    made: HashMap<u64, u32>,
    /// Its versions, if a change named one.
    versions: HashMap<u64, Version>,
    updates: u32,
    removals: u32,
}

/// One version of an entity.
#[derive(Debug)]
struct Version {
    content: Option<u64>,
    by_request: bool,
    removed: bool,
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
                made: HashMap::new(),
                versions: HashMap::new(),
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
        let (content, by_request) = (content_of(topic, event.data.get()), event.is_request());
        match event.action() {
            EventAction::Deleted => told.removals += u32::from(by_request),
            EventAction::Updated if by_request => {
                told.updates += 1;
                if let Some(content) = content {
                    *told.made.entry(content).or_default() += 1;
                }
            }
            _ => {}
        }
        told.contents.extend(content);
        if !told.changes.decided.is_empty() {
            let version = Version {
                content,
                by_request,
                removed: event.action() == EventAction::Deleted,
            };
            told.versions.insert(event.version, version);
        }
    }

    /// The outcome. `from_nothing` says that nobody but the run writes to the target.
    pub fn finish(self, from_nothing: bool) -> CheckReport {
        let what = "changed entities, the scenario's keys and versions read";
        let mut report = CheckReport::new("client_histories", what);
        let Some(ledger) = self.ledger else {
            report.skipped = Some("there are no clients' histories without a run".to_owned());
            return report;
        };
        for (topic, entities) in &self.entities {
            for (id, told) in entities {
                let fault = told.fault(from_nothing);
                report.look(id, fault.map(|fault| format!("{topic}: {fault}")));
            }
        }
        for ((topic, key), answers) in answers_to_keys(ledger) {
            let ids: Vec<&str> = answers.iter().flat_map(|ids| ids.iter()).copied().collect();
            let fault = || format!("{topic}: the key made {}", ids.join(" and "));
            report.look(key, (answers.len() > 1).then(fault));
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
        let mut decided = self.changes.decided.iter();
        if let Some(other) = decided.find(|decided| !self.follows(decided)) {
            return Some(format!(
                "a change that was decided on version {} was answered as done, but version {} is not that change",
                other.on,
                other.on + 1
            ));
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
        if let Some((made, asked)) = self.made_unasked() {
            return Some(format!(
                "requests made the same of it {made} times, but only {asked} of them can have been carried out; the others were refused"
            ));
        }
        let refused = self.removals > removals.accepted + removals.unknown;
        refused.then(|| "it was removed, although that was refused".to_owned())
    }

    /// Whether the version after the one that the change was decided on is the change, or the change left everything as it was.
    fn follows(&self, decided: &Decided) -> bool {
        let next = self.versions.get(&(decided.on + 1));
        if decided.change.removes {
            return next.is_some_and(|next| next.removed && next.by_request);
        }
        let Some(content) = decided.change.content else {
            return true;
        };
        let is_it = |version: Option<&Version>| {
            version.is_some_and(|version| version.content == Some(content))
        };
        is_it(self.versions.get(&decided.on))
            || is_it(next) && next.is_some_and(|next| next.by_request)
    }

    /// How often requests made the same of the entity, and how many of the run's requests can have done so, where these are fewer. Nothing is
    /// known where a request's content isn't.
    fn made_unasked(&self) -> Option<(u32, u32)> {
        let (puts, accepted, open) = (
            self.changes.puts,
            &self.changes.contents,
            &self.changes.open,
        );
        let (all_accepted, all_open) = (u32::try_from(accepted.len()), u32::try_from(open.len()));
        if all_accepted != Ok(puts.accepted) || all_open != Ok(puts.unknown) {
            return None;
        }
        let made = self.made.iter();
        let mut made = made.map(|(content, made)| {
            let asked = accepted
                .iter()
                .chain(open)
                .filter(|asked| *asked == content);
            (*made, u32::try_from(asked.count()).unwrap_or(u32::MAX))
        });
        made.find(|(made, asked)| made > asked)
    }
}

/// What was answered to each key of the scenario. A key counts for a topic, whichever path it was sent to.
fn answers_to_keys(ledger: &Ledger) -> BTreeMap<(ShopTopic, &str), BTreeSet<Vec<&str>>> {
    let mut all: BTreeMap<(ShopTopic, &str), BTreeSet<Vec<&str>>> = BTreeMap::new();
    for (kind, writes) in ledger.kinds() {
        let Some(topic) = ShopTopic::named(kind) else {
            continue;
        };
        for (key, answers) in writes.keys() {
            let answers = answers
                .iter()
                .map(|ids| ids.iter().map(String::as_str).collect());
            all.entry((topic, key)).or_default().extend(answers);
        }
    }
    all
}
