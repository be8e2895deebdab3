//! What a saga has learned and will likely want again within a second. Bounded: when it is full it starts anew. Knows nothing of what is
//! kept, nor for how long it is true.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Values by id. Clones share the memory.
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
    /// An empty memory for so many values.
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

    /// What is remembered of these ids.
    pub fn recall(&self, ids: &[&str]) -> HashMap<String, V> {
        let values = self.lock();
        ids.iter()
            .filter_map(|id| Some(((*id).to_owned(), values.get(*id)?.clone())))
            .collect()
    }

    /// Remembers a value.
    pub fn remember(&self, id: &str, value: V) {
        let mut values = self.lock();
        if values.len() >= self.values_max {
            values.clear();
        }
        values.insert(id.to_owned(), value);
    }

    /// What was remembered isn't true any more.
    pub fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}
