//! The limits and intervals of the Redis message queue. Knows numbers, not what they are used for.

/// Every limit of the queue. The defaults fit a machine of a few cores; tests shorten the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// A queue longer than this refuses new messages.
    pub depth_max: u64,
    /// How long a queue that was too long refuses before it is asked again.
    pub overload_ms: u64,
    /// Messages that may wait in this process to be sent.
    pub outbox_messages_max: usize,
    /// Messages in one pipeline to Redis.
    pub flush_messages_max: usize,
    /// Replies taken from the reply list at once.
    pub reply_batch_max: usize,
    /// A reply list that nobody empties is gone after this; must be longer than any call's timeout.
    pub reply_ttl_s: u64,
    /// A message is delivered again at most so often, then it goes to the dead letters.
    pub retries_max: u32,
    /// Delay of the first retry; doubles with each.
    pub retry_delay_ms: u64,
    /// The longest delay of a retry.
    pub retry_delay_ms_max: u64,
    /// How often the workers of this process say that they live.
    pub heartbeat_ms: u64,
    /// A worker that was silent for this long is dead: its messages go to others. Several heartbeats.
    pub dead_after_ms: u64,
    /// How often dead workers are looked for.
    pub recover_ms: u64,
    /// A dead worker without messages is forgotten after this.
    pub forget_after_ms: u64,
    /// How long a blocking read waits in Redis.
    pub block_ms: u64,
    /// The same while delayed retries wait in the queue.
    pub block_delayed_ms: u64,
    /// Beyond its BLOCK, an answer that takes longer than this means a broken connection.
    pub response_timeout_ms: u64,
    /// First delay before a broken connection is opened again; doubles, with jitter.
    pub reconnect_ms: u64,
    /// The longest delay before a broken connection is opened again.
    pub reconnect_ms_max: u64,
    /// Dead letters kept per queue; the oldest go first.
    pub dead_letters_max: u64,
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
            retries_max: 5,
            retry_delay_ms: 100,
            retry_delay_ms_max: 1_000,
            heartbeat_ms: 1_000,
            dead_after_ms: 5_000,
            recover_ms: 2_000,
            forget_after_ms: 600_000,
            block_ms: 1_000,
            block_delayed_ms: 50,
            response_timeout_ms: 10_000,
            reconnect_ms: 20,
            reconnect_ms_max: 1_000,
            dead_letters_max: 100_000,
        }
    }
}

impl QueueConfig {
    /// Delay before a message is delivered for the `redeliveries`-th time again (1 the first time), ms.
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
