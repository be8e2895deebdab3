//! A saga's cache of values that it will likely need again within a second. Bounded: it is cleared when it is full. Knows nothing of the
//! values, nor how long they are valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A cache of values by id. Clones share it.
#[derive(Debug)]
pub struct Memory<V> {
    values: Arc<Mutex<HashMap<String, V>>>,
    values_max: usize,
}

impl<V> Clone for Memory<V> {
    fn clone(&self) -> Self {
        Self {
            values: Arc::clone(&self.values),
            values_max: self.values_max,
        }
    }
}

impl<V: Clone> Memory<V> {
    /// Creates an empty cache for at most `values_max` values.
    pub fn of(values_max: usize) -> Self {
        Self {
            values: Arc::default(),
            values_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, V>> {
        self.values
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Returns the cached values of these ids.
    pub fn recall(&self, ids: &[&str]) -> HashMap<String, V> {
        let values = self.lock();
        ids.iter()
            .filter_map(|id| Some(((*id).to_owned(), values.get(*id)?.clone())))
            .collect()
    }

    /// Caches a value.
    pub fn remember(&self, id: &str, value: V) {
        let mut values = self.lock();
        if values.len() >= self.values_max {
            values.clear();
        }
        values.insert(id.to_owned(), value);
    }

    /// Removes all values.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    /// Removes a value that is no longer valid.
    pub fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}
