//! Who waits for a function's messages, and the workers that take them from the queue. A worker takes a message only while somebody
//! waits or did a moment ago, one at a time, and keeps it until it is settled. Knows neither connections nor what messages say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::deliveries::Outcome;
use super::error;
use crate::message_queue::redis::{RedisMessageQueue, SingleConsumer};
use crate::message_queue::{Answer, Delivery, QueueError, QueueName};

/// Messages of one function that are delivered and not settled. Each takes a worker.
const WORKERS_MAX: usize = 64;
/// Workers of all functions. Each has a connection to Redis.
pub(super) const ALL_WORKERS_MAX: usize = 256;
/// Clients that wait for one function.
const RECEIVERS_MAX: usize = 1_000;
/// A worker stays for so long after nobody waits any more: clients wait again and again.
const LINGER: Duration = Duration::from_secs(1);
/// A message that was taken and that nobody waits for any more is given back after this. Longer than [`LINGER`], so that by then no
/// other worker of this server takes it again.
const HOLD: Duration = Duration::from_secs(2);

/// A message on its way to a client. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Handed {
    pub delivery: Delivery,
    pub outcome: Outcome,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<oneshot::Sender<Handed>>,
    /// Taken, and nobody waited.
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
    queue: Arc<RedisMessageQueue>,
    state: Mutex<State>,
    /// Somebody has begun to wait.
    demand: Notify,
    permits: Arc<Semaphore>,
    drain: CancellationToken,
}

impl State {
    /// Whether anybody waits. Those who gave up are forgotten.
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
        queue: Arc<RedisMessageQueue>,
        permits: Arc<Semaphore>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            name,
            queue,
            state: Mutex::new(State {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// A message that was taken and that nobody waited for.
    pub fn ready(&self) -> Option<Handed> {
        self.lock().ready.pop_front().map(|(_, handed)| handed)
    }

    /// Waits for a message. Cancelled, it has taken none.
    pub async fn receive(self: &Arc<Self>, wait: Duration) -> Result<Option<Handed>, Status> {
        let mut receiver = {
            let mut state = self.lock();
            if let Some((_, handed)) = state.ready.pop_front() {
                return Ok(Some(handed));
            }
            state.is_wanted();
            if state.waiting.len() >= RECEIVERS_MAX {
                return Err(Status::resource_exhausted(format!(
                    "{RECEIVERS_MAX} clients wait for {} already",
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

    /// Gives a message to who waits longest, else puts it where the next finds it: the place.
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

    /// Takes a message back that nobody has come for.
    fn withdraw(&self, place: Option<u64>) {
        self.lock()
            .ready
            .retain(|(number, _)| Some(*number) != place);
    }

    /// Takes messages and sees each to its end, as long as they are wanted.
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
                // Gives it back.
                _ => consumer = None,
            }
            self.lock().free += 1;
            if !self.is_wanted_soon().await && self.leave() {
                return;
            }
        }
    }

    async fn take(&self, consumer: &mut Option<SingleConsumer>) -> Result<Delivery, QueueError> {
        let consumer = match consumer {
            Some(consumer) => consumer,
            none => none.insert(self.queue.consume_singly(self.name).await?),
        };
        consumer.next().await
    }

    /// The right to a connection; `None` when nobody waits any more.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
            () = self.left() => None,
            () = self.drain.cancelled() => None,
        }
    }

    /// Goes, unless somebody waits.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        if state.is_wanted() {
            return false;
        }
        state.free -= 1;
        state.workers -= 1;
        true
    }

    /// Returns when this free worker has left, for nobody has waited for a while.
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

    /// Whether somebody waits now or within a moment. Nothing is taken meanwhile.
    async fn is_wanted_soon(&self) -> bool {
        let soon = async {
            loop {
                let mut demand = std::pin::pin!(self.demand.notified());
                // From here on no call is missed.
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
