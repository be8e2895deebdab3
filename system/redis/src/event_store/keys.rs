//! The names of the keys in Redis. The literal hash tag puts all keys of one topic partition into one slot. Knows names, no commands.

use crate::partitions::versions_key;
use ordershop_contract::partition::Partition;
use ordershop_contract::topic::Topic;

/// The prefix of a claim in the hash of versions. `append` refuses aggregate ids that begin with it.
pub(super) const CLAIM_PREFIX: char = '\u{1}';

/// A name that no consumer group may have: its lease is the writer's.
pub(super) const WRITER: &str = "writer";

/// The keys of one topic partition.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    tag: String,
    pub events: String,
    pub versions: String,
    pub fence: String,
    /// What stores that stand by ask of the leader.
    pub forward: String,
}

impl Keys {
    /// The tag is the partition's name.
    pub fn new(partition: impl Into<Partition>) -> Self {
        let partition = partition.into();
        let tag = format!("{{{partition}}}");
        Self {
            events: format!("events:{tag}"),
            versions: versions_key(partition),
            fence: format!("fence:{tag}"),
            forward: format!("forward:{tag}"),
            tag,
        }
    }

    pub fn group_lease(&self, group: &str) -> String {
        format!("lease:{}:{group}", self.tag)
    }

    /// Who shares all of the topic's partitions, consumers of a group or stores ([`WRITER`]): a set beside the first one's leases.
    pub fn members(topic: Topic, group: &str) -> String {
        format!("{}:members", Self::new(topic).group_lease(group))
    }

    /// The leader's answers to one store.
    pub fn forwarded(&self, owner: &str) -> String {
        format!("forwarded:{}:{owner}", self.tag)
    }

    /// The stream with the archived events put back, until it takes the place of the topic's.
    pub fn restoring(&self) -> String {
        format!("restoring:{}", self.tag)
    }

    pub fn dead_letters(&self, group: &str) -> String {
        format!("dead:{}:{group}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_topic_share_one_hash_tag() {
        let keys = Keys::new(Topic::Order);
        assert_eq!(keys.events, "events:{order}");
        assert_eq!(keys.versions, "versions:{order}");
        assert_eq!(keys.fence, "fence:{order}");
        assert_eq!(keys.group_lease(WRITER), "lease:{order}:writer");
        assert_eq!(keys.group_lease("crm-service"), "lease:{order}:crm-service");
        assert_eq!(keys.forward, "forward:{order}");
        assert_eq!(keys.forwarded("x"), "forwarded:{order}:x");
        assert_eq!(keys.dead_letters("crm-service"), "dead:{order}:crm-service");
    }

    #[test]
    fn another_partition_has_another_tag() {
        assert_eq!(
            Keys::new(Partition::new(Topic::Order, 3)).events,
            "events:{order.3}"
        );
    }
}
