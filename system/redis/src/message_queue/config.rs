//! The limits and intervals of the Redis message queue. Knows numbers, not their use.

use crate::replicas::ReplicasAsked;

/// All limits of the queue. The defaults fit a machine of a few cores; tests shorten the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The maximum length of a queue, messages. A longer queue refuses new messages.
    pub depth_max: u64,
    /// How long a queue that was too long refuses messages before its length is checked again, ms.
    pub overload_ms: u64,
    /// The maximum number of messages in this process that wait to be sent.
    pub outbox_messages_max: usize,
    /// The maximum number of messages in one pipeline to Redis.
    pub flush_messages_max: usize,
    /// The maximum number of replies taken from the reply list at once.
    pub reply_batch_max: usize,
    /// A reply list that no process reads expires after this, s. Must be longer than any call's timeout.
    pub reply_ttl_s: u64,
    /// How many workers may die while they hold a message; at the next death it becomes a dead letter.
    pub deaths_max: u32,
    /// After this many deaths a message is delivered alone, so that the next death tells it from its neighbours.
    pub alone_after_deaths: u32,
    /// The delay of the first retry, ms; doubles with each.
    pub retry_delay_ms: u64,
    /// The maximum delay of a retry, ms.
    pub retry_delay_ms_max: u64,
    /// The interval of this process's heartbeats, ms.
    pub heartbeat_ms: u64,
    /// A process without a heartbeat for this long is dead, ms: its workers' messages go to others. Several heartbeats.
    pub dead_after_ms: u64,
    /// The interval at which dead processes are looked for, and what they have left behind, ms.
    pub recover_ms: u64,
    /// A dead worker without messages is forgotten after this, ms.
    pub forget_after_ms: u64,
    /// The maximum duration of a blocking read, ms.
    pub block_ms: u64,
    /// How much longer than its blocking time an answer may take before the connection counts as broken, ms.
    pub response_timeout_ms: u64,
    /// The first delay before a broken connection is opened again, ms; doubles, with jitter.
    pub reconnect_ms: u64,
    /// The maximum delay before a broken connection is opened again, ms.
    pub reconnect_ms_max: u64,
    /// How long the outcome of an accepted message is kept, s.
    pub outcome_ttl_s: u64,
    /// How long the withdrawal of a message whose caller gives up may take, ms.
    pub withdraw_ms_max: u64,
    /// The replicas that must have a message before its sender is told that the queue has it.
    pub replicas: ReplicasAsked,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            depth_max: 100_000,
            overload_ms: 100,
            outbox_messages_max: 100_000,
            flush_messages_max: 1_024,
            reply_batch_max: 256,
            reply_ttl_s: 60,
            deaths_max: 5,
            alone_after_deaths: 2,
            retry_delay_ms: 100,
            retry_delay_ms_max: 1_000,
            heartbeat_ms: 1_000,
            dead_after_ms: 5_000,
            recover_ms: 2_000,
            forget_after_ms: 600_000,
            block_ms: 2_000,
            response_timeout_ms: 10_000,
            reconnect_ms: 20,
            reconnect_ms_max: 1_000,
            outcome_ttl_s: 24 * 3_600,
            withdraw_ms_max: 500,
            replicas: ReplicasAsked::default(),
        }
    }
}

impl QueueConfig {
    /// The delay before the `redeliveries`-th redelivery (1 is the first), ms.
    #[must_use]
    pub fn retry_delay_ms(&self, redeliveries: u32) -> u64 {
        let doublings = redeliveries.saturating_sub(1).min(32);
        self.retry_delay_ms
            .saturating_mul(1 << doublings)
            .min(self.retry_delay_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_of_a_retry_doubles_up_to_its_limit() {
        let config = QueueConfig::default();
        let delays: Vec<u64> = (1..=6).map(|n| config.retry_delay_ms(n)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(config.retry_delay_ms(u32::MAX), 1_000);
    }
}
