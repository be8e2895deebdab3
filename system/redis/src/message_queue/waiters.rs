//! The calls of this process that wait for a reply, by message id. Knows neither how they were sent nor where replies come from.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use ordershop_contract::message_queue::QueueError;

pub(super) type CallResult = Result<Box<RawValue>, QueueError>;

#[derive(Debug)]
struct Waiter {
    call: u64,
    answer: oneshot::Sender<CallResult>,
}

#[derive(Debug)]
struct WaiterSlot {
    first: Waiter,
    /// More calls of the same message, sent again while the first still waits. Usually empty (no allocation).
    more: Vec<Waiter>,
}

#[derive(Debug, Default)]
struct WaiterTable {
    calls: u64,
    closed: bool,
    slots: FxHashMap<Arc<str>, WaiterSlot>,
}

/// All waiting calls.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    table: Mutex<WaiterTable>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, WaiterTable> {
        self.table
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Registers a call. Dropping the ticket removes it.
    pub(super) fn wait(
        &self,
        id: Arc<str>,
    ) -> Result<(Ticket<'_>, oneshot::Receiver<CallResult>), QueueError> {
        let (answer, receiver) = oneshot::channel();
        let mut table = self.lock();
        if table.closed {
            return Err(QueueError::Closed);
        }
        table.calls += 1;
        let call = table.calls;
        let waiter = Waiter { call, answer };
        match table.slots.entry(Arc::clone(&id)) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(WaiterSlot {
                    first: waiter,
                    more: Vec::new(),
                });
            }
            std::collections::hash_map::Entry::Occupied(mut occupied) => {
                occupied.get_mut().more.push(waiter)
            }
        }
        drop(table);
        let ticket = Ticket {
            waiters: self,
            id,
            call,
            waits: true,
        };
        Ok((ticket, receiver))
    }

    /// Answers all calls of these messages. Replies without a waiting call (late or repeated) are dropped.
    pub(super) fn answer<'a>(
        &self,
        replies: impl Iterator<Item = (std::borrow::Cow<'a, str>, &'a RawValue)>,
    ) {
        let mut table = self.lock();
        for (id, payload) in replies {
            if let Some(slot) = table.slots.remove(id.as_ref()) {
                for waiter in slot.more {
                    let _ = waiter.answer.send(Ok(payload.to_owned()));
                }
                let _ = slot.first.answer.send(Ok(payload.to_owned()));
            }
        }
    }

    /// Fails all calls of a message.
    pub(super) fn fail(&self, id: &str, error: &QueueError) {
        if let Some(slot) = self.lock().slots.remove(id) {
            slot.fail(error);
        }
    }

    /// Fails all calls.
    pub(super) fn fail_all(&self, error: &QueueError) {
        let slots = std::mem::take(&mut self.lock().slots);
        for slot in slots.into_values() {
            slot.fail(error);
        }
    }

    /// Fails all calls, and all later ones.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.fail_all(&QueueError::Closed);
    }

    /// The number of messages that calls wait for.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().slots.len()
    }
}

impl WaiterSlot {
    fn fail(self, error: &QueueError) {
        for waiter in self.more {
            let _ = waiter.answer.send(Err(error.clone()));
        }
        let _ = self.first.answer.send(Err(error.clone()));
    }
}

/// One waiting call. If it is dropped before the reply (a timeout, a caller that is gone), the call is removed.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    waiters: &'a Waiters,
    id: Arc<str>,
    call: u64,
    waits: bool,
}

impl Ticket<'_> {
    /// Marks the call as answered: it is removed already.
    fn answered(mut self) {
        self.waits = false;
    }

    /// Waits for the reply; `None` if it doesn't come within `timeout`.
    pub(super) async fn reply(
        self,
        answer: oneshot::Receiver<CallResult>,
        timeout: Duration,
    ) -> Option<CallResult> {
        let answer = tokio::time::timeout(timeout, answer).await.ok()?;
        self.answered();
        Some(answer.unwrap_or(Err(QueueError::Closed)))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        let mut table = self.waiters.lock();
        let Some(slot) = table.slots.get_mut(&self.id) else {
            return;
        };
        slot.more.retain(|waiter| waiter.call != self.call);
        if slot.first.call == self.call {
            match slot.more.pop() {
                Some(other) => slot.first = other,
                None => {
                    table.slots.remove(&self.id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(waiters: &Waiters, id: &str) {
        let payload = RawValue::from_string("1".into()).unwrap();
        waiters.answer(std::iter::once((id.into(), &*payload)));
    }

    #[test]
    fn a_call_that_gives_up_leaves_nothing_behind() {
        let waiters = Waiters::default();
        let (ticket, receiver) = waiters.wait("a".into()).unwrap();
        drop((ticket, receiver));
        assert_eq!(waiters.len(), 0);
        reply(&waiters, "a");
    }

    #[test]
    fn two_calls_of_one_message_get_the_same_reply_even_if_one_gives_up() {
        let waiters = Waiters::default();
        let (first, _gone) = waiters.wait("a".into()).unwrap();
        let (second, mut second_receiver) = waiters.wait("a".into()).unwrap();
        let (third, mut third_receiver) = waiters.wait("a".into()).unwrap();
        drop(first);
        reply(&waiters, "a");
        assert_eq!(second_receiver.try_recv().unwrap().unwrap().get(), "1");
        assert_eq!(third_receiver.try_recv().unwrap().unwrap().get(), "1");
        second.answered();
        third.answered();
        assert_eq!(waiters.len(), 0);
    }

    #[test]
    fn closing_fails_waiting_and_later_calls() {
        let waiters = Waiters::default();
        let (_ticket, mut receiver) = waiters.wait("a".into()).unwrap();
        waiters.close();
        assert!(matches!(
            receiver.try_recv().unwrap(),
            Err(QueueError::Closed)
        ));
        assert!(matches!(waiters.wait("b".into()), Err(QueueError::Closed)));
    }
}
