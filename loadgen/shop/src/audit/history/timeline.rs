//! The states of an entity over time, so that its state at any time can be looked up. Most entities never change and have one entry.

use super::super::event::{AuditEvent, EventAction};

/// The values of one entity in the order of time.
#[derive(Debug)]
pub struct StateTimeline<T> {
    states: Vec<(u64, T)>,
    /// Time of the deletion, in microseconds.
    pub deleted_us: Option<u64>,
}

impl<T> Default for StateTimeline<T> {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            deleted_us: None,
        }
    }
}

impl<T> StateTimeline<T> {
    /// Adds the value that an event sets; a deletion ends the timeline.
    pub fn take(&mut self, event: &AuditEvent<'_>, value: T) {
        if event.action() == EventAction::Deleted {
            self.deleted_us = Some(event.published_at_us);
            return;
        }
        self.states.push((event.published_at_us, value));
    }

    /// Every value that was valid at some time from `from_us` to `to_us`.
    pub fn within(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = &T> {
        // The value that is valid at `from_us` is the last one that began by then.
        let first = self.states.partition_point(|(at, _)| *at <= from_us);
        let states = &self.states[first.saturating_sub(1)..];
        states
            .iter()
            .take_while(move |(at, _)| *at <= to_us)
            .map(|(_, value)| value)
    }

    /// The value at this time; before the first one, the first one.
    pub fn at(&self, at_us: u64) -> Option<&T> {
        let after = self.states.partition_point(|(at, _)| *at <= at_us);
        let state = self.states.get(after.saturating_sub(1));
        state.map(|(_, value)| value)
    }

    /// The present value and the time from which it is valid, unless the entity is deleted.
    pub fn now(&self) -> Option<(u64, &T)> {
        let last = self.states.last().filter(|_| self.deleted_us.is_none());
        last.map(|(at, value)| (*at, value))
    }

    /// Every value in the order of time.
    pub fn ever(&self) -> impl Iterator<Item = &T> {
        self.states.iter().map(|(_, value)| value)
    }
}
