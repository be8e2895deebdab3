//! Requests that were delivered to clients of this server and are not settled. Each belongs to the connection that received it until
//! it is answered and acknowledged, the connection ends, or its deadline passes. Must not know Redis or the waiting callers.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use super::error;
use ordershop_contract::message_queue::{Delivery, QueueError};
use ordershop_grpc::connection::Connection;

/// A delivery's response, and the channel that reports when Redis has stored it.
pub(super) type Settlement = (Box<RawValue>, oneshot::Sender<Result<(), QueueError>>);
/// Sends a delivery's settlement to its worker. If dropped, the worker returns the delivery to the queue.
pub(super) type SettleSender = oneshot::Sender<Settlement>;
/// Resolves when Redis has stored a settlement; `None` if nothing was settled by this request.
pub(super) type Settled = Option<oneshot::Receiver<Result<(), QueueError>>>;

/// Connection number, `service.function`, message id.
pub(super) type Key = (u64, String, String);

/// Most deliveries remembered that were settled by acknowledgement alone (no caller waits): a late response to one is dropped without an error.
const SETTLED_MAX: usize = 10_000;

#[derive(Debug)]
struct Held {
    number: u64,
    wants_reply: bool,
    acknowledged: bool,
    responded: bool,
    /// The response, until the delivery is settled.
    response: Option<Box<RawValue>>,
    /// The worker's channel, until the delivery is settled.
    outcome: Option<SettleSender>,
    /// When dropped, ends the task that watches the connection and the deadline.
    _watch: DropGuard,
}

#[derive(Debug, Default)]
struct DeliveryTable {
    accepted: u64,
    /// How many of the held deliveries are settled.
    settled: usize,
    /// Several per key if a message was sent more than once.
    held: FxHashMap<Key, Vec<Held>>,
}

/// A server's deliveries: the unsettled ones, and those settled by acknowledgement alone.
#[derive(Debug)]
pub(super) struct Deliveries {
    table: Mutex<DeliveryTable>,
    deadline: Duration,
    drain: CancellationToken,
}

impl Deliveries {
    pub fn new(deadline: Duration, drain: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            deadline,
            drain,
        })
    }

    fn lock(&self) -> MutexGuard<'_, DeliveryTable> {
        self.table
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Adds a delivery that a connection has received, and watches its connection and deadline.
    pub fn accept(
        self: &Arc<Self>,
        connection: &Connection,
        function: String,
        delivery: &Delivery,
        outcome: SettleSender,
    ) {
        let key = (connection.number, function, delivery.message_id.clone());
        let watch = CancellationToken::new();
        let mut table = self.lock();
        table.accepted += 1;
        let number = table.accepted;
        table.held.entry(key.clone()).or_default().push(Held {
            number,
            wants_reply: delivery.wants_reply,
            acknowledged: false,
            responded: false,
            response: None,
            outcome: Some(outcome),
            _watch: watch.clone().drop_guard(),
        });
        drop(table);
        let (deliveries, ended) = (Arc::clone(self), connection.ended.clone());
        tokio::spawn(async move {
            let why = tokio::select! {
                biased;
                () = watch.cancelled() => return,
                () = ended.cancelled() => "the connection of the service ended before it responded",
                () = deliveries.drain.cancelled() => "the server stopped before the service responded",
                () = tokio::time::sleep(deliveries.deadline) => "the service did not respond in time",
            };
            deliveries.give_up(&key, number, why);
        });
    }

    /// Records the connection's response to a message.
    pub fn respond(&self, key: &Key, response: Box<RawValue>) -> Result<Settled, Status> {
        let mut table = self.lock();
        let held = table.held.get_mut(key).ok_or_else(|| not_held(key))?;
        let open = held.iter_mut().find(|held| !held.responded);
        let Some(open) = open else {
            return Err(Status::already_exists(format!(
                "message {} of {} already has a response",
                key.2, key.1
            )));
        };
        open.responded = true;
        open.response = Some(response);
        let number = open.number;
        Ok(table.settle(key, number))
    }

    /// Records the connection's acknowledgement of a message.
    pub fn acknowledge(&self, key: &Key) -> Result<Settled, Status> {
        let mut table = self.lock();
        let held = table.held.get_mut(key).ok_or_else(|| not_held(key))?;
        let open = held.iter_mut().find(|held| !held.acknowledged);
        let Some(open) = open else {
            return Err(Status::failed_precondition(format!(
                "message {} of {} is already acknowledged; send its response",
                key.2, key.1
            )));
        };
        open.acknowledged = true;
        let number = open.number;
        Ok(table.settle(key, number))
    }

    /// Takes a delivery from its connection: it is delivered again, or, if it was acknowledged, its sender gets an error.
    fn give_up(&self, key: &Key, number: u64, why: &str) {
        let removed = self.lock().remove(key, number);
        if let Some(Held {
            acknowledged: true,
            outcome: Some(outcome),
            ..
        }) = removed
        {
            let (told, _) = oneshot::channel();
            let _ = outcome.send((error::payload(why), told));
        }
    }
}

fn not_held(key: &Key) -> Status {
    Status::failed_precondition(format!(
        "message {} of {} does not belong to this connection: it was never received over it, is settled, or was redelivered after its deadline",
        key.2, key.1
    ))
}

impl DeliveryTable {
    /// Settles a delivery, if it has all it needs: sends the response to the worker.
    fn settle(&mut self, key: &Key, number: u64) -> Settled {
        let all = self.held.get_mut(key)?;
        let held = all.iter_mut().find(|held| held.number == number)?;
        if !held.acknowledged || held.wants_reply && !held.responded {
            return None;
        }
        let complete = held.responded;
        let settled = held.outcome.take().map(|outcome| {
            let response = held.response.take();
            let response = response.unwrap_or_else(|| error::payload("nobody waits for it"));
            let (told, settled) = oneshot::channel();
            // If the worker has ended, the client gets an error: correct, because the message is not answered.
            let _ = outcome.send((response, told));
            settled
        });
        if settled.is_some() {
            self.settled += 1;
        }
        if complete || self.settled > SETTLED_MAX {
            self.remove(key, number);
        }
        settled
    }

    fn remove(&mut self, key: &Key, number: u64) -> Option<Held> {
        let all = self.held.get_mut(key)?;
        let place = all.iter().position(|held| held.number == number)?;
        let held = all.swap_remove(place);
        if all.is_empty() {
            self.held.remove(key);
        }
        if held.outcome.is_none() {
            self.settled -= 1;
        }
        Some(held)
    }
}
