//! The event lag of every group that subscribes in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ordershop_contract::clock::now_us;
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::partition::Partition;

/// One group's event lag in one partition; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupLag(Arc<Mutex<LagHistogram>>);

impl GroupLag {
    /// Records that events with these times of publication, µs, have been handled now.
    pub fn handled(&self, published_at_us: impl Iterator<Item = u64>) {
        let now_us = now_us();
        let mut lag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for published_at_us in published_at_us {
            lag.observe(published_at_us, now_us);
        }
    }

    fn now(&self) -> LagHistogram {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The event lags of all groups.
#[derive(Debug, Default)]
pub(super) struct Lags(Mutex<BTreeMap<(String, Partition), GroupLag>>);

impl Lags {
    /// Returns the recorder of a group's lag in a partition.
    pub fn of(&self, group: &str, partition: Partition) -> GroupLag {
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lags.entry((group.to_owned(), partition))
            .or_default()
            .clone()
    }

    /// Returns a copy of a group's lag in a partition.
    pub fn now(&self, group: &str, partition: Partition) -> LagHistogram {
        let lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lags.get(&(group.to_owned(), partition))
            .map(GroupLag::now)
            .unwrap_or_default()
    }
}
