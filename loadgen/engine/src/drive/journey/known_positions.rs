//! Up to where a journey has written and seen each topic. Its next request tells that: behind a load balancer another gateway may answer it than
//! the one that answered before, or whose feed showed what was awaited.

use std::fmt::Write as _;

use super::JourneyRun;
use crate::feed::position::FeedPosition;

impl JourneyRun<'_> {
    /// Notes that a topic is known up to a position.
    pub(super) fn sees(&mut self, topic: &str, position: FeedPosition) {
        match self.seen.iter_mut().find(|(known, _)| **known == *topic) {
            Some((_, seen)) => *seen = position.max(*seen),
            None => self.seen.push((topic.into(), position)),
        }
    }

    /// Notes the positions that an answer tells; what isn't one is left out.
    pub(super) fn sees_all(&mut self, positions: &str) {
        for part in positions.split(',') {
            if let Some((topic, position)) = part.split_once('=')
                && let Ok(position) = position.parse()
            {
                self.sees(topic, position);
            }
        }
    }

    /// What is known, for the next request.
    pub(super) fn at_least(&self) -> Option<String> {
        let mut known = String::new();
        for (topic, position) in &self.seen {
            let comma = if known.is_empty() { "" } else { "," };
            // Writing to a String can't fail.
            let _ = write!(known, "{comma}{topic}={position}");
        }
        (!known.is_empty()).then_some(known)
    }
}
