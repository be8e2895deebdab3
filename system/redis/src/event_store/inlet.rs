//! The entrance to one partition's writer: checks the form of transactions, enforces the limit on waiting events, and splits calls into jobs
//! that fit a batch. Knows how many events may wait, not what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::config::EventStoreConfig;
use super::inbox::{AppendAnswer, Inbox, Job};
use super::keys::CLAIM_PREFIX;
use ordershop_contract::event_store::{
    EVENTS_PER_TRANSACTION_MAX, EventStoreError, ExpectedVersion, Transaction,
};
use ordershop_contract::partition::Partition;

/// The sender's side of one partition's queue of jobs; clones share it.
#[derive(Clone)]
pub(super) struct Inlet {
    partition: Partition,
    config: Arc<EventStoreConfig>,
    jobs: mpsc::UnboundedSender<Job>,
    /// The number of waiting events; it bounds the channel.
    depth: Arc<AtomicUsize>,
}

/// Creates both sides of a partition's queue.
pub(super) fn open(partition: Partition, config: &Arc<EventStoreConfig>) -> (Inlet, Inbox) {
    let (jobs, arriving) = mpsc::unbounded_channel();
    let depth = Arc::new(AtomicUsize::new(0));
    let inbox = Inbox::new(arriving, Arc::clone(&depth));
    let inlet = Inlet {
        partition,
        config: Arc::clone(config),
        jobs,
        depth,
    };
    (inlet, inbox)
}

impl Inlet {
    /// Sends transactions of this partition to its writer and waits for the results, in their order.
    pub async fn append(&self, transactions: Vec<Transaction>) -> AppendAnswer {
        let events_max = self.config.batch_events_max;
        self.append_in_jobs(transactions, events_max, None).await
    }

    /// Writes transactions that another store sent, in one commit and only under this fence.
    pub async fn append_under(&self, fence: u64, transactions: Vec<Transaction>) -> AppendAnswer {
        self.append_in_jobs(transactions, usize::MAX, Some(fence))
            .await
    }

    /// Sends transactions in jobs of at most `events_max` events, and waits for the results.
    async fn append_in_jobs(
        &self,
        transactions: Vec<Transaction>,
        events_max: usize,
        only_under: Option<u64>,
    ) -> AppendAnswer {
        let mut all = Vec::new();
        for reply in self.send(transactions, events_max, only_under)? {
            // A writer that ended without an answer was closed.
            let mut answers = reply.await.unwrap_or(Err(EventStoreError::Closed))?;
            if all.is_empty() {
                all = answers;
            } else {
                all.append(&mut answers);
            }
        }
        Ok(all)
    }

    fn send(
        &self,
        transactions: Vec<Transaction>,
        events_max: usize,
        only_under: Option<u64>,
    ) -> Result<Vec<oneshot::Receiver<AppendAnswer>>, EventStoreError> {
        let events = self.admit(&transactions)?;
        let deadline = self.deadline();
        let mut replies = Vec::with_capacity(1);
        let mut chunk = Vec::new();
        let mut chunk_events = 0;
        let mut unsent = events;
        let mut transactions = transactions.into_iter().peekable();
        while let Some(transaction) = transactions.next() {
            chunk_events += transaction.events.len();
            chunk.push(transaction);
            let next = transactions.peek().map(|t| t.events.len());
            if next.is_some_and(|next| chunk_events + next <= events_max) {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            let job = Job {
                transactions: std::mem::take(&mut chunk),
                events: chunk_events,
                deadline,
                only_under,
                reply,
            };
            if self.jobs.send(job).is_err() {
                self.depth.fetch_sub(unsent, Ordering::Relaxed);
                return Err(EventStoreError::Closed);
            }
            unsent -= chunk_events;
            chunk_events = 0;
            replies.push(answer);
        }
        Ok(replies)
    }

    /// Counts the events as waiting; returns their number, or refuses them as too many.
    fn admit(&self, transactions: &[Transaction]) -> Result<usize, EventStoreError> {
        let events: usize = transactions.iter().map(|t| t.events.len()).sum();
        let waiting = self.depth.fetch_add(events, Ordering::Relaxed);
        // A call is accepted whatever its size if none waits: its events are in memory already.
        if waiting > 0 && waiting + events > self.config.waiting_events_max {
            self.depth.fetch_sub(events, Ordering::Relaxed);
            return Err(EventStoreError::Overloaded(format!(
                "{waiting} events of topic {} wait; at most {} may wait",
                self.partition, self.config.waiting_events_max
            )));
        }
        Ok(events)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.standby_wait_max_ms)
    }
}

/// Refuses transactions that are malformed, whatever the state.
pub(super) fn check_transaction(transaction: &Transaction) -> Result<(), EventStoreError> {
    let invalid = |why: String| Err(EventStoreError::Invalid(why));
    let count = transaction.events.len();
    if count == 0 || count > EVENTS_PER_TRANSACTION_MAX {
        return invalid(format!(
            "a transaction has 1 to {EVENTS_PER_TRANSACTION_MAX} events, this one has {count}"
        ));
    }
    for event in &transaction.events {
        if event.entity_id.is_empty() || event.entity_id.starts_with(CLAIM_PREFIX) {
            return invalid(format!(
                "an aggregate's id must not be empty or begin with a control character; it is {:?}",
                event.entity_id
            ));
        }
        if event.event_id.is_empty() {
            return invalid("an event's id must not be empty".into());
        }
        if event.expected == ExpectedVersion::Exact(0) {
            return invalid("expected version 0 must be given as NoStream".into());
        }
    }
    Ok(())
}
