//! Acknowledges events and moves them to the dead letters. Retries while Redis is away: both may be repeated. Knows the group's keys, not
//! which events were delivered.

use std::fmt::Write as _;
use std::time::Duration;

use redis::{Cmd, RedisResult};

use super::entry::{Foreign, xadd_dead, xadd_dead_position};
use super::retrying::retrying;
use crate::refusal;
use crate::shared_connection::SharedConnection;
use ordershop_contract::event_store::{EventStoreError, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;

/// Acknowledges the events of one group in one topic.
pub(super) struct Acknowledger {
    pub events: String,
    pub group: String,
    pub dead_letters: String,
    pub shared: SharedConnection,
    /// The maximum duration of retries, in ms.
    pub retry_max_ms: u64,
}

impl Acknowledger {
    /// Acknowledges events with one `XACK`.
    pub async fn ack(&self, positions: &[Position]) -> Result<(), EventStoreError> {
        self.persist(|| self.send_acks(positions)).await
    }

    /// Adds an event to the group's dead letters and acknowledges it, in one transaction.
    pub async fn dead_letter(
        &self,
        event: &RecordedEvent,
        reason: &str,
    ) -> Result<(), EventStoreError> {
        let dead = || xadd_dead(&self.dead_letters, event, reason);
        self.persist(|| self.bury(dead(), event.position)).await
    }

    /// Adds a malformed entry to the group's dead letters and acknowledges it. Doesn't retry.
    pub async fn dead_letter_foreign(&self, foreign: &Foreign) -> RedisResult<()> {
        let dead = xadd_dead_position(&self.dead_letters, foreign.position, foreign.reason);
        self.bury(dead, foreign.position).await
    }

    /// Acknowledges events without a retry.
    pub async fn send_acks(&self, positions: &[Position]) -> RedisResult<()> {
        let xack = self.xack(positions);
        xack.query_async::<u64>(&mut self.shared.clone()).await?;
        Failpoint::EventsAcknowledged.pass();
        Ok(())
    }

    /// The command that acknowledges events.
    pub fn xack(&self, positions: &[Position]) -> Cmd {
        let mut cmd = Cmd::with_capacity(3 + positions.len(), 64 + 20 * positions.len());
        cmd.arg("XACK").arg(&self.events).arg(&self.group);
        let mut text = String::with_capacity(32);
        for position in positions {
            text.clear();
            // Writing to a String can't fail.
            let _ = write!(text, "{position}");
            cmd.arg(text.as_str());
        }
        cmd
    }

    async fn bury(&self, dead: Cmd, position: Position) -> RedisResult<()> {
        let mut pipe = redis::pipe();
        pipe.atomic()
            .add_command(dead)
            .add_command(self.xack(&[position]));
        pipe.query_async::<(String, u64)>(&mut self.shared.clone())
            .await?;
        Ok(())
    }

    async fn persist<F: Future<Output = RedisResult<()>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<(), EventStoreError> {
        let persisted = retrying(Duration::from_millis(self.retry_max_ms), call).await;
        persisted.map_err(|error| EventStoreError::Unavailable(refusal::words(&error)))
    }
}
