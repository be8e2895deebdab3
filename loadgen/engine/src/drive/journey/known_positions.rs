//! Up to where a journey has written and seen each partition. Its next request tells that: behind a load balancer another gateway may answer it
//! than the one that answered before, or whose feed showed what was awaited.

use std::fmt::Write as _;

use super::JourneyRun;
use crate::feed::position::FeedPosition;

impl JourneyRun<'_> {
    /// Notes that the partition of this name is known up to a position.
    pub(super) fn sees(&mut self, partition: &str, position: FeedPosition) {
        let mut known = self.seen.iter_mut();
        match known.find(|(known, _)| **known == *partition) {
            Some((_, seen)) => *seen = position.max(*seen),
            None => self.seen.push((partition.into(), position)),
        }
    }

    /// Notes the positions that an answer tells; what isn't one is left out.
    pub(super) fn sees_all(&mut self, positions: &str) {
        for part in positions.split(',') {
            if let Some((partition, position)) = part.split_once('=')
                && let Ok(position) = position.parse()
            {
                self.sees(partition, position);
            }
        }
    }

    /// What is known, for the next request.
    pub(super) fn at_least(&self) -> Option<String> {
        let mut known = String::new();
        for (partition, position) in &self.seen {
            let comma = if known.is_empty() { "" } else { "," };
            // Writing to a String can't fail.
            let _ = write!(known, "{comma}{partition}={position}");
        }
        (!known.is_empty()).then_some(known)
    }
}
