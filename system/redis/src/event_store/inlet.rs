//! The entrance to one partition's writer: checks the form of transactions, and enforces the limit on waiting events. Knows how many events may
//! wait, not what is written.

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
    /// Sends the transactions of a call to the partition's writer and waits for the results, in their order.
    pub async fn append(&self, transactions: Vec<Transaction>) -> AppendAnswer {
        let calls = vec![transactions.len()];
        self.send(transactions, calls, None).await
    }

    /// Writes the transactions of calls that another store sent, in one commit and only under this fence.
    pub async fn append_under(
        &self,
        fence: u64,
        transactions: Vec<Transaction>,
        calls: Vec<usize>,
    ) -> AppendAnswer {
        self.send(transactions, calls, Some(fence)).await
    }

    async fn send(
        &self,
        transactions: Vec<Transaction>,
        calls: Vec<usize>,
        only_under: Option<u64>,
    ) -> AppendAnswer {
        let events = self.admit(&transactions)?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            transactions,
            calls,
            events,
            deadline: self.deadline(),
            only_under,
            reply,
        };
        if self.jobs.send(job).is_err() {
            self.depth.fetch_sub(events, Ordering::Relaxed);
            return Err(EventStoreError::Closed);
        }
        // A writer that ended without an answer was closed.
        answer.await.unwrap_or(Err(EventStoreError::Closed))
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
