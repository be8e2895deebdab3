//! The clients that wait for a function's messages, and the workers that take these from the queue. A worker takes one message at a
//! time, only while a client waits or did a moment ago, and holds it until it is settled. Must not know connections or payloads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::deliveries::SettleSender;
use super::error;
use ordershop_contract::message_queue::{Answer, Delivery, QueueError, QueueName};
use ordershop_contract::open_queue::{OpenQueue, SingleConsumer};

/// Most workers of one function, and so most messages of it that are delivered and not settled.
const WORKERS_MAX: usize = 64;
/// Most workers of all functions; each has a connection to Redis.
pub(super) const ALL_WORKERS_MAX: usize = 256;
/// Most clients that wait for one function.
const RECEIVERS_MAX: usize = 1_000;
/// How long a worker stays after the last client stopped waiting: clients usually wait again.
const LINGER: Duration = Duration::from_secs(1);
/// A message that was taken while no client waits goes back to the queue after this. Longer than [`LINGER`], so that by then no
/// worker of this server is left to take it again.
const HOLD: Duration = Duration::from_secs(2);

/// A message on its way to a client. If dropped, it goes back to the queue.
#[derive(Debug)]
pub(super) struct Handed {
    pub delivery: Delivery,
    pub outcome: SettleSender,
}

#[derive(Debug)]
struct ReceiverState {
    waiting: VecDeque<oneshot::Sender<Handed>>,
    /// Messages that were taken while no client waited, each with its number.
    ready: VecDeque<(u64, Handed)>,
    offered: u64,
    workers: usize,
    /// Workers that hold no message.
    free: usize,
    wanted_at: Instant,
}

/// One function's side of this server.
pub(super) struct Function {
    name: QueueName,
    queue: Arc<dyn OpenQueue>,
    state: Mutex<ReceiverState>,
    /// Signals that a client has begun to wait.
    demand: Notify,
    permits: Arc<Semaphore>,
    drain: CancellationToken,
}

impl ReceiverState {
    /// Whether a client waits. Removes clients that have given up.
    fn is_wanted(&mut self) -> bool {
        self.waiting.retain(|receiver| !receiver.is_closed());
        if self.waiting.is_empty() {
            return false;
        }
        self.wanted_at = Instant::now();
        true
    }
}

impl Function {
    pub fn new(
        name: QueueName,
        queue: Arc<dyn OpenQueue>,
        permits: Arc<Semaphore>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            name,
            queue,
            state: Mutex::new(ReceiverState {
                waiting: VecDeque::new(),
                ready: VecDeque::new(),
                offered: 0,
                workers: 0,
                free: 0,
                wanted_at: Instant::now(),
            }),
            demand: Notify::new(),
            permits,
            drain,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReceiverState> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// A message that was taken while no client waited, if any.
    pub fn ready(&self) -> Option<Handed> {
        self.lock().ready.pop_front().map(|(_, handed)| handed)
    }

    /// Waits for a message. If cancelled, no message is lost.
    pub async fn receive(self: &Arc<Self>, wait: Duration) -> Result<Option<Handed>, Status> {
        let mut receiver = {
            let mut state = self.lock();
            if let Some((_, handed)) = state.ready.pop_front() {
                return Ok(Some(handed));
            }
            state.is_wanted();
            if state.waiting.len() >= RECEIVERS_MAX {
                return Err(Status::resource_exhausted(format!(
                    "{RECEIVERS_MAX} clients already wait for {}",
                    self.name
                )));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            state.wanted_at = Instant::now();
            if state.free < state.waiting.len() && state.workers < WORKERS_MAX {
                state.workers += 1;
                state.free += 1;
                tokio::spawn(Arc::clone(self).work());
            }
            receiver
        };
        self.demand.notify_waiters();
        tokio::select! {
            biased;
            handed = &mut receiver => Ok(handed.ok()),
            () = self.drain.cancelled() => Err(error::stopping()),
            () = tokio::time::sleep(wait) => {
                receiver.close();
                Ok(receiver.try_recv().ok())
            }
        }
    }

    /// Gives a message to the client that has waited longest, else makes it ready for the next one and returns its number.
    fn offer(&self, mut handed: Handed) -> Option<u64> {
        let mut state = self.lock();
        state.free -= 1;
        while let Some(receiver) = state.waiting.pop_front() {
            match receiver.send(handed) {
                Ok(()) => return None,
                Err(back) => handed = back,
            }
        }
        state.offered += 1;
        let place = state.offered;
        state.ready.push_back((place, handed));
        Some(place)
    }

    /// Removes a ready message that no client has taken.
    fn withdraw(&self, place: Option<u64>) {
        self.lock()
            .ready
            .retain(|(number, _)| Some(*number) != place);
    }

    /// A worker: takes messages and waits until each is settled, as long as clients wait.
    async fn work(self: Arc<Self>) {
        let Some(_permit) = self.permit().await else {
            return;
        };
        let mut consumer = None;
        loop {
            let taken = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                taken = self.take(&mut consumer) => taken,
                () = self.left() => return,
            };
            let Ok(delivery) = taken else { return };
            let (outcome, mut settlement) = oneshot::channel();
            let place = self.offer(Handed { delivery, outcome });
            let settled = tokio::select! {
                biased;
                settled = &mut settlement => settled,
                () = self.drain.cancelled() => {
                    self.withdraw(place);
                    settlement.await
                }
                () = tokio::time::sleep(HOLD), if place.is_some() => {
                    self.withdraw(place);
                    settlement.await
                }
            };
            match (settled, &mut consumer) {
                (Ok((response, told)), Some(consumer)) => {
                    let _ = told.send(consumer.answer(Answer::Reply(response)).await);
                }
                // Dropping the consumer returns the message to the queue.
                _ => consumer = None,
            }
            self.lock().free += 1;
            if !self.is_wanted_soon().await && self.leave() {
                return;
            }
        }
    }

    async fn take(
        &self,
        consumer: &mut Option<Box<dyn SingleConsumer>>,
    ) -> Result<Delivery, QueueError> {
        let consumer = match consumer {
            Some(consumer) => consumer,
            none => none.insert(self.queue.consume_singly(self.name).await?),
        };
        consumer.next().await
    }

    /// A permit for a connection to Redis; `None` if the worker has left because no client waits.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
            () = self.left() => None,
            () = self.drain.cancelled() => None,
        }
    }

    /// Removes a free worker from the count, unless a client waits; returns whether it did.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        if state.is_wanted() {
            return false;
        }
        state.free -= 1;
        state.workers -= 1;
        true
    }

    /// Returns when this free worker has left because no client has waited for [`LINGER`].
    async fn left(&self) {
        loop {
            tokio::time::sleep(LINGER / 4).await;
            let is_idle = {
                let mut state = self.lock();
                !state.is_wanted() && state.wanted_at.elapsed() >= LINGER
            };
            if is_idle && self.leave() {
                return;
            }
        }
    }

    /// Whether a client waits now or within [`LINGER`]. No message is taken in the meantime.
    async fn is_wanted_soon(&self) -> bool {
        let soon = async {
            loop {
                let mut demand = std::pin::pin!(self.demand.notified());
                // From here on no notification is missed.
                demand.as_mut().enable();
                if self.lock().is_wanted() {
                    return;
                }
                demand.await;
            }
        };
        tokio::select! {
            () = soon => true,
            () = self.drain.cancelled() => false,
            () = tokio::time::sleep(LINGER) => false,
        }
    }
}
