//! The requests of an exchange that have no answer yet: those that wait to be sent, and those that were. Knows no stream.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::protocol::{CallFailure, Outcome, Protocol};

/// Most requests that may be unanswered at once.
pub(super) const OUTSTANDING_MAX: usize = 100_000;
/// A request that could not be sent within this fails.
const UNSENT_MS_MAX: u64 = 3_000;

/// A request that has not been sent yet.
pub(super) struct Unsent<P: Protocol> {
    pub(super) number: u64,
    pub(super) request: P::Request,
    /// Approximate size.
    pub(super) bytes: usize,
    pub(super) since: Instant,
}

pub(super) struct State<P: Protocol> {
    pub(super) outbox: VecDeque<Unsent<P>>,
    /// Every request with a waiting caller. Those with lower numbers than the outbox's first have been sent.
    pub(super) waiting: FxHashMap<u64, oneshot::Sender<Outcome<P>>>,
    pub(super) next_number: u64,
    /// The number of the stream that may take from the outbox; 0 means none.
    pub(super) stream: u64,
    /// The first number that this stream may send.
    pub(super) sent_from: u64,
    /// Whether the peer has accepted the stream. Nothing is sent before, so that an unsent request is known not to be carried out.
    pub(super) is_open: bool,
    pub(super) streams_begun: u64,
    /// Wakes the stream that has nothing to send.
    pub(super) idle: Option<Waker>,
    pub(super) closed: bool,
}

pub(super) struct Shared<P: Protocol> {
    pub(super) state: Mutex<State<P>>,
    pub(super) filled: Notify,
    pub(super) closed: CancellationToken,
}

impl<P: Protocol> State<P> {
    /// The first number that has not been sent.
    fn unsent_from(&self) -> u64 {
        let first = self.outbox.front();
        first.map_or(self.next_number, |first| first.number)
    }
}

impl<P: Protocol> Shared<P> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Begins a new stream: only this one takes from the outbox from now on.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.streams_begun += 1;
        state.stream = state.streams_begun;
        state.sent_from = state.unsent_from();
        state.stream
    }

    /// Notes that the peer has accepted the stream.
    pub(super) fn opened(&self) {
        let mut state = self.lock();
        state.is_open = true;
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
    }

    /// Sends nothing more over the stream; returns the numbers of the requests that were sent over it.
    pub(super) fn leave(&self) -> Range<u64> {
        let mut state = self.lock();
        state.stream = 0;
        state.is_open = false;
        let sent = state.sent_from..state.unsent_from();
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
        sent
    }

    /// Fails those of the requests that have no answer yet.
    pub(super) fn fail(&self, sent: &Range<u64>, failure: &CallFailure) {
        let mut state = self.lock();
        let failed = state.waiting.extract_if(|number, _| sent.contains(number));
        let failed: Vec<_> = failed.collect();
        drop(state);
        for (_, waiter) in failed {
            let _ = waiter.send(Err(failure.clone()));
        }
    }

    /// Fails requests that have waited too long to be sent.
    pub(super) fn expire(&self, reason: &str) {
        let mut state = self.lock();
        let limit = Duration::from_millis(UNSENT_MS_MAX);
        let mut given_up = Vec::new();
        while state
            .outbox
            .front()
            .is_some_and(|unsent| unsent.since.elapsed() >= limit)
            && let Some(unsent) = state.outbox.pop_front()
        {
            given_up.extend(state.waiting.remove(&unsent.number));
        }
        drop(state);
        for waiter in given_up {
            let _ = waiter.send(Err(CallFailure::Unsent(reason.to_owned())));
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.stream = 0;
        state.outbox.clear();
        let waiting = std::mem::take(&mut state.waiting);
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
        for (_, waiter) in waiting {
            let _ = waiter.send(Err(CallFailure::Closed));
        }
    }

    /// Passes answers on; returns whether there were any.
    pub(super) fn settle(
        &self,
        answers: P::Answers,
        due: &mut Vec<(oneshot::Sender<Outcome<P>>, P::Answer)>,
    ) -> bool {
        let mut answered = false;
        let mut state = self.lock();
        for (number, answer) in P::unbundle(answers) {
            answered = true;
            // A request without a waiting caller is no longer in the map.
            due.extend(state.waiting.remove(&number).map(|waiter| (waiter, answer)));
        }
        drop(state);
        for (waiter, answer) in due.drain(..) {
            let _ = waiter.send(Ok(answer));
        }
        answered
    }
}
