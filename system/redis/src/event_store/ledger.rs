//! The versions and claims of one group commit. Checks each transaction against them, all or none; later transactions see the changes of
//! earlier ones. What a call decided on a change of its own that was refused is refused, too, whatever the version is: it is somebody else's.
//! Pure; its changes are discarded if the commit fails.

use rustc_hash::{FxHashMap, FxHashSet};

use super::keys::CLAIM_PREFIX;
use super::version_cache::VersionCache;
use ordershop_contract::event_store::{Claim, ExpectedVersion, Transaction};

#[derive(Clone, Copy, Debug)]
struct VersionSlot {
    version: u64,
    /// Whether this commit changes it.
    dirty: bool,
}

/// The version or claim that caused a transaction's conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The aggregate or the claim.
    pub key: String,
    /// The aggregate's version; 1 for a claim that is taken.
    pub version: u64,
}

/// The versions and claims that the transactions of one commit name.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    slots: FxHashMap<Box<str>, VersionSlot>,
    /// The new version for each event of the admitted transactions, in their order.
    pub versions: Vec<u64>,
    /// The aggregates of this call's transactions that were refused.
    refused: FxHashSet<Box<str>>,
    /// The time that is written with a claim that is taken, s since the Unix epoch: by its age an archive finds those of old keys.
    claimed_at_s: u64,
}

/// A claim's field in the hash of versions.
pub(super) fn claim_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 1);
    key.push(CLAIM_PREFIX);
    key.push_str(name);
    key
}

impl Ledger {
    /// An empty ledger of a commit at this time, s since the Unix epoch.
    pub fn at(claimed_at_s: u64) -> Self {
        Self {
            claimed_at_s,
            ..Self::default()
        }
    }

    /// Reads a transaction's versions and claims from the cache; adds those that the cache doesn't have to `unknown`.
    pub fn open(
        &mut self,
        transaction: &Transaction,
        cache: &mut VersionCache,
        unknown: &mut Vec<Box<str>>,
    ) {
        for event in &transaction.events {
            self.open_key(&event.entity_id, cache, unknown);
        }
        for claim in &transaction.claims {
            let (Claim::Take(name) | Claim::Release(name)) = claim;
            self.open_key(&claim_key(name), cache, unknown);
        }
    }

    fn open_key(&mut self, key: &str, cache: &mut VersionCache, unknown: &mut Vec<Box<str>>) {
        if self.slots.contains_key(key) {
            return;
        }
        let known = cache.get(key);
        if known.is_none() {
            unknown.push(key.into());
        }
        self.learn(key.into(), known.unwrap_or(0));
    }

    /// Sets the version of an unknown key as Redis has it (0: none).
    pub fn learn(&mut self, key: Box<str>, version: u64) {
        let slot = VersionSlot {
            version,
            dirty: false,
        };
        self.slots.insert(key, slot);
    }

    /// The transactions that follow are another call's.
    pub fn begin_call(&mut self) {
        self.refused.clear();
    }

    /// Checks a transaction whose keys are open; admits it by changing their versions, or refuses it.
    pub fn admit(&mut self, transaction: &Transaction) -> Result<(), Obstacle> {
        let mut undo = Vec::new();
        let versions_before = self.versions.len();
        let single = transaction.events.len() == 1 && transaction.claims.is_empty();
        let result = self.try_admit(transaction, (!single).then_some(&mut undo));
        if result.is_err() {
            self.versions.truncate(versions_before);
            for (key, slot) in undo.into_iter().rev() {
                self.slots.insert(key, slot);
            }
            let aggregates = transaction.events.iter();
            self.refused
                .extend(aggregates.map(|event| event.entity_id.as_str().into()));
        }
        result
    }

    fn try_admit(
        &mut self,
        transaction: &Transaction,
        mut undo: Option<&mut Vec<(Box<str>, VersionSlot)>>,
    ) -> Result<(), Obstacle> {
        for event in &transaction.events {
            let slot = slot_of(&mut self.slots, &event.entity_id);
            let as_expected = match event.expected {
                ExpectedVersion::NoStream => slot.version == 0,
                ExpectedVersion::Exact(version) => {
                    slot.version == version && !self.refused.contains(event.entity_id.as_str())
                }
                ExpectedVersion::Any => true,
            };
            if !as_expected {
                return Err(Obstacle {
                    key: event.entity_id.as_str().to_owned(),
                    version: slot.version,
                });
            }
            if let Some(undo) = undo.as_deref_mut() {
                undo.push((event.entity_id.as_str().into(), *slot));
            }
            slot.version += 1;
            slot.dirty = true;
            self.versions.push(slot.version);
        }
        for claim in &transaction.claims {
            let (name, taken) = match claim {
                // 0 would say that it is free.
                Claim::Take(name) => (name, self.claimed_at_s.max(1)),
                Claim::Release(name) => (name, 0),
            };
            let key = claim_key(name);
            let slot = slot_of(&mut self.slots, &key);
            if taken != 0 && slot.version != 0 {
                return Err(Obstacle {
                    key: name.clone(),
                    version: 1,
                });
            }
            let before = *slot;
            slot.dirty |= slot.version != taken;
            slot.version = taken;
            if let Some(undo) = undo.as_deref_mut() {
                undo.push((key.into(), before));
            }
        }
        Ok(())
    }

    /// The keys that the commit changes, with their new versions; 0 for a claim that is released.
    pub fn changes(&self) -> impl Iterator<Item = (&str, u64)> {
        let dirty = self.slots.iter().filter(|(_, slot)| slot.dirty);
        dirty.map(|(key, slot)| (&**key, slot.version))
    }

    /// Copies everything that was read or changed into the cache, once the commit is written (or nothing had to be).
    pub fn close(self, cache: &mut VersionCache) {
        for (key, slot) in self.slots {
            cache.insert(key, slot.version);
        }
    }
}

fn slot_of<'a>(slots: &'a mut FxHashMap<Box<str>, VersionSlot>, key: &str) -> &'a mut VersionSlot {
    slots
        .get_mut(key)
        .expect("open() was called for every transaction before admit()")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::correlation::Correlation;
    use ordershop_contract::event_store::NewEvent;
    use ordershop_contract::topic::Topic;
    use serde_json::value::RawValue;

    fn event(entity_id: &str, expected: ExpectedVersion) -> NewEvent {
        NewEvent {
            event_id: "e".into(),
            action: "entity_updated".into(),
            entity_id: entity_id.into(),
            expected,
            data: RawValue::from_string("{}".into()).unwrap(),
            correlation: Correlation {
                correlation_id: String::new(),
                causation_id: String::new(),
                times: None,
            },
        }
    }

    fn transaction(events: Vec<NewEvent>, claims: Vec<Claim>) -> Transaction {
        Transaction {
            claims,
            ..Transaction::of(Topic::Order, events)
        }
    }

    /// Admits transactions in turn against a cache that knows `a` at version 2 and the claim `x`.
    fn admit(transactions: &[Transaction]) -> (Vec<Result<(), Obstacle>>, Ledger) {
        let mut cache = VersionCache::new(100, true);
        cache.insert("a".into(), 2);
        cache.insert(claim_key("x").into(), 1);
        let mut ledger = Ledger::default();
        let mut unknown = Vec::new();
        for transaction in transactions {
            ledger.open(transaction, &mut cache, &mut unknown);
        }
        assert!(unknown.is_empty());
        let results = transactions.iter().map(|t| ledger.admit(t)).collect();
        (results, ledger)
    }

    fn changes(ledger: &Ledger) -> Vec<(String, u64)> {
        let mut changes: Vec<_> = ledger
            .changes()
            .map(|(key, version)| (key.to_owned(), version))
            .collect();
        changes.sort();
        changes
    }

    #[test]
    fn expected_versions_are_checked_as_a_table_says() {
        use ExpectedVersion::{Any, Exact, NoStream};
        for (id, expected, ok) in [
            ("a", NoStream, false),
            ("a", Exact(1), false),
            ("a", Exact(2), true),
            ("a", Exact(3), false),
            ("a", Any, true),
            ("b", NoStream, true),
            ("b", Exact(1), false),
            ("b", Any, true),
        ] {
            let (results, _) = admit(&[transaction(vec![event(id, expected)], vec![])]);
            assert_eq!(results[0].is_ok(), ok, "{id} {expected:?}");
        }
    }

    #[test]
    fn a_refused_transaction_leaves_nothing_behind() {
        let (results, ledger) = admit(&[transaction(
            vec![
                event("b", ExpectedVersion::NoStream),
                event("a", ExpectedVersion::Any),
                event("a", ExpectedVersion::Exact(2)),
            ],
            vec![],
        )]);
        assert_eq!(
            results[0],
            Err(Obstacle {
                key: "a".into(),
                version: 3
            })
        );
        assert_eq!(changes(&ledger), []);
        assert!(ledger.versions.is_empty());
    }

    #[test]
    fn later_transactions_see_what_earlier_ones_leave() {
        let create = || transaction(vec![event("b", ExpectedVersion::NoStream)], vec![]);
        let (results, ledger) = admit(&[
            create(),
            transaction(vec![event("b", ExpectedVersion::Exact(1))], vec![]),
            create(),
        ]);
        assert!(results[0].is_ok() && results[1].is_ok() && results[2].is_err());
        assert_eq!(ledger.versions, [1, 2]);
        assert_eq!(changes(&ledger), [("b".into(), 2)]);
    }

    #[test]
    fn what_follows_from_a_refused_change_of_the_same_call_is_refused() {
        let change = |id, version| {
            let expected = ExpectedVersion::Exact(version);
            transaction(vec![event(id, expected)], vec![])
        };
        // Somebody else has made version 2.
        let call = [change("a", 1), change("a", 2), change("a", 3)];
        let (results, mut ledger) = admit(&call);
        assert!(results.iter().all(Result::is_err), "{results:?}");
        assert_eq!(changes(&ledger), []);
        ledger.begin_call();
        assert!(ledger.admit(&call[1]).is_ok());
    }

    #[test]
    fn claims_are_taken_released_and_refused() {
        let any = || vec![event("b", ExpectedVersion::Any)];
        let (results, ledger) = admit(&[
            transaction(any(), vec![Claim::Take("x".into())]),
            transaction(any(), vec![Claim::Release("x".into())]),
            transaction(any(), vec![Claim::Take("y".into())]),
            transaction(any(), vec![Claim::Take("y".into())]),
            transaction(any(), vec![Claim::Release("z".into())]),
        ]);
        let ok: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(ok, [false, true, true, false, true]);
        assert_eq!(
            changes(&ledger),
            [(claim_key("x"), 0), (claim_key("y"), 1), ("b".into(), 3)]
        );
    }
}
