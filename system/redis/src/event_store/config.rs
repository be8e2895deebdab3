//! The limits of the Redis event store, each with its unit. Plain data: doesn't know how they are enforced.

use std::time::Duration;

use crate::replicas::ReplicasAsked;
use ordershop_contract::partition::Partitions;

/// Every limit of a [`super::RedisEventStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStoreConfig {
    /// How many partitions each topic has: the shop's, in every process.
    pub partitions: Partitions,
    /// Maximum events of calls that go into one group commit, 1–10,000. A larger call is committed alone.
    pub batch_events_max: usize,
    /// Maximum events of a partition that may wait; beyond it the answer is [`ordershop_contract::event_store::EventStoreError::Overloaded`].
    pub waiting_events_max: usize,
    /// How long a transaction waits while no writer leads (a takeover, Redis away) before it is answered as unavailable, ms. Longer than
    /// `lease_ttl_ms`, so that a dead writer is replaced in time.
    pub standby_wait_max_ms: u64,
    /// How long a transaction whose connection broke may stay undecided before it is answered as indeterminate, ms.
    pub indeterminate_after_ms: u64,
    /// Timeout of one call to Redis (a commit, a takeover), ms.
    pub call_timeout_ms: u64,
    /// A writer or consumer that is silent for this long is replaced, ms, at least 200.
    pub lease_ttl_ms: u64,
    /// Interval at which a standby checks whether the lease is free, ms.
    pub standby_poll_ms: u64,
    /// Maximum versions and claims of a partition that are kept in memory (some 100 bytes each).
    pub cache_entries_max: usize,
    /// A hash of versions with at most this many entries is loaded whole at a takeover; a larger one is read id by id.
    pub cache_load_max: usize,
    /// Maximum duration of a blocking group read, ms; limited to half of `lease_ttl_ms`.
    pub block_ms: u64,
    /// How long an acknowledgement is retried before it fails, ms.
    pub ack_retry_max_ms: u64,
    /// How long a read is retried over broken connections before it fails, ms.
    pub read_retry_max_ms: u64,
    /// Maximum idle connections kept for followers, for each partition that a topic has.
    pub follow_connections_max: usize,
    /// The replicas that must have an event before its append is answered.
    pub replicas: ReplicasAsked,
}

impl Default for EventStoreConfig {
    fn default() -> Self {
        Self {
            partitions: Partitions::ONE,
            batch_events_max: 512,
            waiting_events_max: 200_000,
            standby_wait_max_ms: 4_000,
            indeterminate_after_ms: 6_000,
            call_timeout_ms: 10_000,
            lease_ttl_ms: 2_000,
            standby_poll_ms: 200,
            cache_entries_max: 500_000,
            cache_load_max: 100_000,
            block_ms: 1_000,
            ack_retry_max_ms: 3_000,
            read_retry_max_ms: 1_000,
            follow_connections_max: 16,
            replicas: ReplicasAsked::default(),
        }
    }
}

impl EventStoreConfig {
    pub(super) fn lease_ttl(&self) -> Duration {
        Duration::from_millis(self.lease_ttl_ms.max(200))
    }

    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    pub(super) fn read_retry_max(&self) -> Duration {
        Duration::from_millis(self.read_retry_max_ms)
    }

    pub(super) fn standby_poll(&self) -> Duration {
        Duration::from_millis(self.standby_poll_ms)
    }

    pub(super) fn follow_connections(&self) -> usize {
        self.follow_connections_max * usize::from(self.partitions.count())
    }

    /// A blocking read must end before another consumer can hold the lease.
    pub(super) fn block(&self) -> Duration {
        Duration::from_millis(self.block_ms).min(self.lease_ttl() / 2)
    }
}
