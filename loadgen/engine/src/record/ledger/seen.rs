//! The newest version of each entity that one client has seen. A driver is one client: its requests go the same way, so a request that is
//! sent after an answer has come must not be answered with an older version.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::entity_path::EntityPath;

/// An entity that was answered in an older version than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentBack {
    /// The entity.
    pub entity: EntityPath,
    /// The newest version that an answer had before the request was sent.
    pub before: u64,
    /// The version in the answer.
    pub after: u64,
}

/// The newest version of each entity that was seen.
#[derive(Debug, Default)]
pub struct SeenVersions {
    newest: HashMap<EntityPath, u64>,
}

impl SeenVersions {
    /// The version that an answer must have at least, if the request is sent now.
    pub fn newest(&self, entity: &EntityPath) -> u64 {
        self.newest.get(entity).copied().unwrap_or(0)
    }

    /// Compares the version in an answer with the newest one that was known when the request was sent.
    pub fn answered(
        &mut self,
        entity: EntityPath,
        at_least: u64,
        version: u64,
    ) -> Option<WentBack> {
        let went_back = (version < at_least).then(|| WentBack {
            entity: entity.clone(),
            before: at_least,
            after: version,
        });
        let newest = self.newest.entry(entity).or_default();
        *newest = version.max(*newest);
        went_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_a_request_that_was_sent_later_can_go_back() {
        let mut seen = SeenVersions::default();
        let order = EntityPath {
            kind: "order".into(),
            id: "a".into(),
        };
        let early = seen.newest(&order);
        assert_eq!(seen.answered(order.clone(), seen.newest(&order), 5), None);
        // This request was under way when version 5 was answered.
        assert_eq!(seen.answered(order.clone(), early, 4), None);
        let went_back = seen.answered(order.clone(), seen.newest(&order), 4);
        assert_eq!(went_back.map(|w| (w.before, w.after)), Some((5, 4)));
        assert_eq!(seen.answered(order.clone(), seen.newest(&order), 5), None);
    }
}
