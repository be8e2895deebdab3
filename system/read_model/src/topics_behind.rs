//! The topics whose projection was found to be behind a moment ago. Queries that ask for a later position of one of them don't wait where
//! they would delay others. Knows topics and times, no positions.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ordershop_contract::topic::Topic;

/// How long a topic counts as behind; then one batch of queries waits for it again.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The topics that are behind.
#[derive(Debug, Default)]
pub(super) struct TopicsBehind(Mutex<Vec<(Topic, Instant)>>);

impl TopicsBehind {
    /// Records topics that were not applied in time.
    pub(super) fn found(&self, topics: impl Iterator<Item = Topic>, now: Instant) {
        let mut behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        behind.retain(|(_, until)| *until > now);
        behind.extend(topics.map(|topic| (topic, now + REMEMBERED)));
    }

    /// Whether one of the topics was found to be behind less than a second ago.
    pub(super) fn has(&self, mut topics: impl Iterator<Item = Topic>, now: Instant) -> bool {
        let behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        topics.any(|topic| {
            let mut found = behind.iter();
            found.any(|(other, until)| *other == topic && *until > now)
        })
    }
}
