//! A writer that stands by: it waits for the lease, and hands what it is given on to the store that leads. Knows when to send and when to
//! look, not the form of what is sent.

use std::time::Duration;

use redis::RedisResult;
use tokio::time::Instant;

use super::forwarder::Settled;
use super::inbox::Job;
use super::lease::Lease;
use super::writer::{ANOTHER_LEADS, Writer, refuse};
use crate::refusal;
use ordershop_contract::backoff::{Backoff, jittered};

/// How long a store that stands by waits for an answer before it looks at its other work, ms.
const FORWARD_TICK_MS: u64 = 50;

impl Writer {
    /// Waits for the lease; `None` if the store is closed.
    pub async fn stand_by(&mut self) -> Option<Lease> {
        let mut backoff = Backoff::default();
        let mut why = String::from("its writer is starting");
        loop {
            self.look_after_sent(&why).await;
            if self.closing.is_cancelled() && !self.forwarder.is_waiting() {
                return None;
            }
            let attempt = self.share.take(&self.owner);
            match self.inbox.expiring_while(&why, attempt).await {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {
                    backoff.reset();
                    why = "another event store leads this topic, and doesn't answer".into();
                    let wait = jittered(self.config.standby_poll());
                    self.hand_on(&why, wait).await;
                }
                Err(error) => {
                    if backoff.is_fresh() {
                        tracing::warn!(topic = %self.partition, %error, "the writer can't reach Redis");
                    }
                    why = refusal::words(&error);
                    self.pause(&why, backoff.next_wait()).await;
                }
            }
        }
    }

    /// Hands what waits on to the store that leads, for about `wait`.
    async fn hand_on(&mut self, why: &str, wait: Duration) {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            self.inbox.expire(why);
            if let Err(error) = self.hand_on_next(until).await {
                tracing::debug!(topic = %self.partition, %error, "nothing can be handed on to the store that leads");
                self.pause(why, Duration::from_millis(FORWARD_TICK_MS))
                    .await;
            }
        }
    }

    /// Waits a moment for the answer to what was sent; or sends what waits, and waits for it until `until`.
    async fn hand_on_next(&mut self, until: Instant) -> RedisResult<()> {
        let tick = Duration::from_millis(FORWARD_TICK_MS);
        if self.forwarder.is_waiting() {
            let settled = self.forwarder.answer(tick).await?;
            if !settled.unwritten.is_empty() {
                tokio::time::sleep(tick).await;
            }
            self.settle_sent(settled);
            return Ok(());
        }
        let closing = self.closing.clone();
        let waiting = closing.run_until_cancelled(self.inbox.wait());
        if !matches!(
            tokio::time::timeout_at(until, waiting).await,
            Ok(Some(true))
        ) {
            if closing.is_cancelled() {
                tokio::time::sleep_until(until).await;
            }
            return Ok(());
        }
        let jobs = self.inbox.next_batch(self.config.batch_events_max);
        let (own, others): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| job.only_under.is_none());
        refuse(others, ANOTHER_LEADS);
        if own.is_empty() {
            return Ok(());
        }
        self.forwarder.send(own).await.map_err(|(jobs, error)| {
            self.inbox.put_back(jobs);
            error
        })
    }

    /// Finds out about what was sent to a store that doesn't lead any more.
    async fn look_after_sent(&mut self, why: &str) {
        match self.forwarder.look().await {
            Ok(settled) => self.settle_sent(settled),
            Err(error) => {
                tracing::debug!(topic = %self.partition, %error, "it is not known yet what became of what was handed on")
            }
        }
        self.forwarder.give_up_late(why);
    }

    pub fn settle_sent(&mut self, settled: Settled) {
        for (job, answer) in settled.answered {
            job.answer(answer);
        }
        self.inbox.put_back(settled.unwritten);
    }

    /// Waits for `wait` or until the store closes. Jobs whose deadline passes meanwhile are answered with `why`.
    async fn pause(&mut self, why: &str, wait: Duration) {
        let closing = self.closing.clone();
        let sleep = closing.run_until_cancelled(tokio::time::sleep(wait));
        self.inbox.expiring_while(why, sleep).await;
    }
}
