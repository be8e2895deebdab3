//! A bounded cache of a topic's versions and claims, in front of the hash in Redis. Knows the last written versions, not the rules.

use rustc_hash::FxHashMap;

/// A cache of two generations. Used entries move to the young one; when it holds half of the limit, the old one is dropped and the young
/// one becomes old. O(1) an entry, and recently used entries stay.
#[derive(Debug)]
pub(super) struct VersionCache {
    young: FxHashMap<Box<str>, u64>,
    old: FxHashMap<Box<str>, u64>,
    generation_max: usize,
    complete: bool,
}

impl VersionCache {
    /// Creates an empty cache of at most `entries_max` entries. `complete`: it will be filled with the whole hash, so an id that it doesn't
    /// have has no events, until an entry is dropped.
    pub fn new(entries_max: usize, complete: bool) -> Self {
        Self {
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            generation_max: (entries_max / 2).max(1),
            complete,
        }
    }

    /// The version (0: none), or `None` if only Redis knows it.
    pub fn get(&mut self, key: &str) -> Option<u64> {
        if let Some(version) = self.young.get(key) {
            return Some(*version);
        }
        if let Some((key, version)) = self.old.remove_entry(key) {
            self.insert(key, version);
            return Some(version);
        }
        self.complete.then_some(0)
    }

    pub fn insert(&mut self, key: Box<str>, version: u64) {
        // A complete cache needs no entry for an id without events.
        if version == 0 && self.complete {
            self.young.remove(&key);
            self.old.remove(&key);
            return;
        }
        self.young.insert(key, version);
        if self.young.len() >= self.generation_max {
            self.complete &= self.old.is_empty();
            self.old = std::mem::take(&mut self.young);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_cache_knows_what_does_not_exist() {
        let mut cache = VersionCache::new(10, true);
        cache.insert("a".into(), 3);
        assert_eq!(cache.get("a"), Some(3));
        assert_eq!(cache.get("b"), Some(0));
        cache.insert("a".into(), 0);
        assert_eq!(cache.get("a"), Some(0));
    }

    #[test]
    fn a_cache_that_forgot_something_admits_that_it_does_not_know() {
        let mut cache = VersionCache::new(10, true);
        for n in 0..10 {
            cache.insert(format!("k{n}").into(), 1);
        }
        for n in 10..15 {
            cache.insert(format!("k{n}").into(), 1);
        }
        assert_eq!(cache.get("k0"), None);
        assert_eq!(cache.get("never"), None);
        assert_eq!(cache.get("k14"), Some(1));
    }

    #[test]
    fn a_cache_stays_within_its_limit_and_keeps_what_is_used() {
        let mut cache = VersionCache::new(100, false);
        cache.insert("hot".into(), 9);
        for n in 0..1_000 {
            cache.insert(format!("k{n}").into(), 1);
            assert_eq!(cache.get("hot"), Some(9));
            assert!(cache.len() <= 100);
        }
    }

    #[test]
    fn an_incomplete_cache_remembers_that_there_is_none() {
        let mut cache = VersionCache::new(10, false);
        assert_eq!(cache.get("a"), None);
        cache.insert("a".into(), 0);
        assert_eq!(cache.get("a"), Some(0));
    }
}
