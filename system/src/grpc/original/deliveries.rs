//! The requests that were delivered to clients of this server and are not settled. Each belongs to the connection that received it,
//! until it is both answered and acknowledged, the connection ends, or its deadline has passed. Knows neither Redis nor who waits.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use super::error;
use crate::grpc::connection::Connection;
use crate::message_queue::{Delivery, QueueError};

/// Answered and told when Redis has it.
pub(super) type Settlement = (Box<RawValue>, oneshot::Sender<Result<(), QueueError>>);
/// Where a delivery's worker hears how it went. Dropped: the delivery is to be given back.
pub(super) type Outcome = oneshot::Sender<Settlement>;
/// What is waited for before a request may be answered to the client.
pub(super) type Settled = Option<oneshot::Receiver<Result<(), QueueError>>>;

/// Connection, `service.function`, message id.
pub(super) type Key = (u64, String, String);

/// Settled by an acknowledgement alone, for nobody waits for their response: one that comes yet is dropped and is no error.
const SETTLED_MAX: usize = 10_000;

#[derive(Debug)]
struct Held {
    number: u64,
    wants_reply: bool,
    acknowledged: bool,
    responded: bool,
    /// Until it is acknowledged.
    response: Option<Box<RawValue>>,
    /// Until it is settled.
    outcome: Option<Outcome>,
    /// Ends the watch over the connection and the deadline.
    _watch: DropGuard,
}

#[derive(Debug, Default)]
struct Table {
    accepted: u64,
    /// Of those held, the settled ones.
    settled: usize,
    /// More than one where a message was sent more than once.
    held: FxHashMap<Key, Vec<Held>>,
}

/// All deliveries of a server.
#[derive(Debug)]
pub(super) struct Deliveries {
    table: Mutex<Table>,
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

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// A connection has received a message.
    pub fn accept(
        self: &Arc<Self>,
        connection: &Connection,
        function: String,
        delivery: &Delivery,
        outcome: Outcome,
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

    /// The connection's response to a message.
    pub fn respond(&self, key: &Key, response: Box<RawValue>) -> Result<Settled, Status> {
        let mut table = self.lock();
        let held = table.held.get_mut(key).ok_or_else(|| not_held(key))?;
        let open = held.iter_mut().find(|held| !held.responded);
        let Some(open) = open else {
            return Err(Status::already_exists(format!(
                "message {} of {} has a response already",
                key.2, key.1
            )));
        };
        open.responded = true;
        open.response = Some(response);
        let number = open.number;
        Ok(table.settle(key, number))
    }

    /// The connection's acknowledgement of a message.
    pub fn acknowledge(&self, key: &Key) -> Result<Settled, Status> {
        let mut table = self.lock();
        let held = table.held.get_mut(key).ok_or_else(|| not_held(key))?;
        let open = held.iter_mut().find(|held| !held.acknowledged);
        let Some(open) = open else {
            return Err(Status::failed_precondition(format!(
                "message {} of {} is acknowledged already; it waits for its response",
                key.2, key.1
            )));
        };
        open.acknowledged = true;
        let number = open.number;
        Ok(table.settle(key, number))
    }

    /// Whoever held it has lost it: delivered again, or where it was acknowledged, its sender is told.
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
        "message {} of {} is not this connection's: never received over it, settled, or given to others after its deadline",
        key.2, key.1
    ))
}

impl Table {
    /// Tells the worker when all is there that it waits for.
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
            // A worker that is gone tells nothing, which is an error to the client: right, for the message is not answered.
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
