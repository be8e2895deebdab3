//! The transactions that wait for a topic's writer. Knows how long they may wait and how many fit a batch, not how they are written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use ordershop_contract::event_store::{Appended, EventStoreError, Transaction};

/// Interval at which transactions that waited too long are answered.
const EXPIRY_TICK_MS: u64 = 50;

/// The result that the caller of `append` waits for.
pub(super) type AppendAnswer = Result<Vec<Appended>, EventStoreError>;

/// Transactions of one topic that go into the same batch: of one call, or of those that another store sent together.
#[derive(Debug)]
pub(super) struct Job {
    pub transactions: Vec<Transaction>,
    /// How many transactions each call has.
    pub calls: Vec<usize>,
    /// The number of events in all transactions.
    pub events: usize,
    /// Answered as unavailable if no writer leads until then.
    pub deadline: Instant,
    /// The only fence under which it may be written, if another store has sent it: that store looks after it under any other.
    pub only_under: Option<u64>,
    pub reply: oneshot::Sender<AppendAnswer>,
}

impl Job {
    /// The transactions of each call.
    pub fn by_call(&self) -> impl Iterator<Item = &[Transaction]> {
        let mut rest = &*self.transactions;
        self.calls.iter().map(move |count| {
            let (call, behind) = rest.split_at(rest.len().min(*count));
            rest = behind;
            call
        })
    }

    pub fn answer(self, answer: AppendAnswer) {
        // The caller may have stopped waiting; the answer is dropped then.
        let _ = self.reply.send(answer);
    }
}

/// The queue of one topic's waiting transactions.
#[derive(Debug)]
pub(super) struct Inbox {
    arriving: mpsc::UnboundedReceiver<Job>,
    waiting: VecDeque<Job>,
    /// The number of waiting events, shared with `append`, which limits it.
    depth: Arc<AtomicUsize>,
}

impl Inbox {
    pub fn new(arriving: mpsc::UnboundedReceiver<Job>, depth: Arc<AtomicUsize>) -> Self {
        Self {
            arriving,
            waiting: VecDeque::new(),
            depth,
        }
    }

    /// Accepts no more jobs; those that wait stay.
    pub fn close(&mut self) {
        self.arriving.close();
    }

    /// Waits for a job; `false` if the inbox is closed and empty.
    pub async fn wait(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.arriving.recv().await {
                Some(job) => self.waiting.push_back(job),
                None => return false,
            }
        }
        true
    }

    /// Takes the waiting jobs, up to `events_max` events; a larger job is taken alone.
    pub fn next_batch(&mut self, events_max: usize) -> Vec<Job> {
        self.take_in();
        let mut batch = Vec::new();
        let mut events = 0;
        while let Some(job) = self.waiting.front() {
            if !batch.is_empty() && events + job.events > events_max {
                break;
            }
            events += job.events;
            batch.extend(self.waiting.pop_front());
        }
        self.depth.fetch_sub(events, Ordering::Relaxed);
        batch
    }

    /// Puts a batch of which nothing was written back to the front.
    pub fn put_back(&mut self, batch: Vec<Job>) {
        for job in batch.into_iter().rev() {
            self.depth.fetch_add(job.events, Ordering::Relaxed);
            self.waiting.push_front(job);
        }
    }

    /// Answers all waiting jobs with an error.
    pub fn refuse_all(&mut self, error: &EventStoreError) {
        self.take_in();
        for job in self.waiting.drain(..) {
            self.depth.fetch_sub(job.events, Ordering::Relaxed);
            job.answer(Err(error.clone()));
        }
    }

    /// Runs `work` while no writer leads. Jobs whose deadline passes meanwhile are answered as unavailable, with the reason `why`.
    pub async fn expiring_while<F: Future>(&mut self, why: &str, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        loop {
            self.expire(why);
            let tick = Duration::from_millis(EXPIRY_TICK_MS);
            if let Ok(output) = tokio::time::timeout(tick, &mut work).await {
                return output;
            }
        }
    }

    fn take_in(&mut self) {
        while let Ok(job) = self.arriving.try_recv() {
            self.waiting.push_back(job);
        }
    }

    /// Answers the jobs whose deadline has passed as unavailable, with the reason `why`.
    pub fn expire(&mut self, why: &str) {
        self.take_in();
        let now = Instant::now();
        // A batch that was put back is older than the jobs behind it, so the front is always the oldest.
        while self.waiting.front().is_some_and(|job| job.deadline <= now) {
            if let Some(job) = self.waiting.pop_front() {
                self.depth.fetch_sub(job.events, Ordering::Relaxed);
                job.answer(Err(EventStoreError::Unavailable(why.to_owned())));
            }
        }
    }
}
