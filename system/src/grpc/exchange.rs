//! The client side of many calls over one stream: an answer carries its request's number. Waiting requests are sent together, without
//! a timer. The stream opens when there is something to send, and again after a break. Must not know what is requested.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::outflow::Outflow;
use crate::backoff::Backoff;

/// Most requests that may be unanswered at once.
pub(super) const OUTSTANDING_MAX: usize = 100_000;
/// A request that could not be sent within this fails.
const UNSENT_MS_MAX: u64 = 3_000;
/// A peer that doesn't accept a stream within this counts as unavailable.
const OPEN_MS_MAX: u64 = 2_000;

/// The messages of one kind of stream.
pub(super) trait Protocol: Sized + Send + Sync + 'static {
    /// One numbered request.
    type Request: Send + 'static;
    /// One message of several requests.
    type Requests: Send + 'static;
    /// The answer to one request.
    type Answer: Send + 'static;
    /// One message of several answers.
    type Answers: Send + 'static;

    /// Puts requests into one message.
    fn bundle(requests: Vec<Self::Request>) -> Self::Requests;
    /// Splits a message into answers, each with its request's number.
    fn unbundle(answers: Self::Answers) -> impl Iterator<Item = (u64, Self::Answer)>;
    /// Opens the stream.
    fn open(
        &self,
        requests: Outflow<Self>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Answers>, Status>>;
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Too many requests are unanswered; this one was not sent.
    Overloaded,
    /// The request was not sent.
    Unsent(String),
    /// The stream broke after the request was sent: it may or may not have been carried out.
    Broken(String),
    /// The exchange was closed.
    Closed,
}

pub(super) type Outcome<P> = Result<<P as Protocol>::Answer, Failure>;

/// A request that has not been sent yet.
pub(super) struct Unsent<P: Protocol> {
    pub(super) number: u64,
    pub(super) request: P::Request,
    /// Approximate size.
    pub(super) bytes: usize,
    since: Instant,
}

pub(super) struct State<P: Protocol> {
    pub(super) outbox: VecDeque<Unsent<P>>,
    /// Every request with a waiting caller. Those with lower numbers than the outbox's first have been sent.
    pub(super) waiting: FxHashMap<u64, oneshot::Sender<Outcome<P>>>,
    next_number: u64,
    /// The number of the stream that may take from the outbox; 0 means none.
    pub(super) stream: u64,
    /// Whether the peer has accepted the stream. Nothing is sent before, so that an unsent request is known not to be carried out.
    pub(super) is_open: bool,
    streams_begun: u64,
    /// Wakes the stream that has nothing to send.
    pub(super) idle: Option<Waker>,
    closed: bool,
}

pub(super) struct Shared<P: Protocol> {
    state: Mutex<State<P>>,
    filled: Notify,
    closed: CancellationToken,
}

impl<P: Protocol> Shared<P> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Begins a new stream: only this one takes from the outbox from now on.
    fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.streams_begun += 1;
        state.stream = state.streams_begun;
        state.stream
    }

    /// Notes that the peer has accepted the stream.
    fn opened(&self) {
        let mut state = self.lock();
        state.is_open = true;
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
    }

    /// Ends the stream; fails all requests that were sent over it.
    fn end(&self, failure: &Failure) {
        let mut state = self.lock();
        state.stream = 0;
        state.is_open = false;
        let unsent_from = state
            .outbox
            .front()
            .map_or(state.next_number, |first| first.number);
        let sent: Vec<_> = state
            .waiting
            .extract_if(|number, _| *number < unsent_from)
            .collect();
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
        for (_, waiter) in sent {
            let _ = waiter.send(Err(failure.clone()));
        }
    }

    /// Fails requests that have waited too long to be sent.
    fn expire(&self, reason: &str) {
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
            let _ = waiter.send(Err(Failure::Unsent(reason.to_owned())));
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.stream = 0;
        state.outbox.clear();
        let waiting = std::mem::take(&mut state.waiting);
        let idle = state.idle.take();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
        for (_, waiter) in waiting {
            let _ = waiter.send(Err(Failure::Closed));
        }
    }

    fn settle(&self, answers: P::Answers, due: &mut Vec<(oneshot::Sender<Outcome<P>>, P::Answer)>) {
        let mut state = self.lock();
        for (number, answer) in P::unbundle(answers) {
            // A request without a waiting caller is no longer in the map.
            due.extend(state.waiting.remove(&number).map(|waiter| (waiter, answer)));
        }
        drop(state);
        for (waiter, answer) in due.drain(..) {
            let _ = waiter.send(Ok(answer));
        }
    }
}

/// Sends requests over one stream and returns their answers. Dropping closes it.
pub(super) struct Exchange<P: Protocol> {
    shared: Arc<Shared<P>>,
}

/// Removes a request when its caller stops waiting.
struct Ticket<'a, P: Protocol> {
    shared: &'a Shared<P>,
    number: u64,
    answered: bool,
}

impl<P: Protocol> Drop for Ticket<'_, P> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.lock().waiting.remove(&self.number);
        }
    }
}

impl<P: Protocol> Exchange<P> {
    /// Starts the exchange. Must be called in a tokio runtime.
    pub(super) fn start(protocol: P) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                outbox: VecDeque::new(),
                waiting: FxHashMap::default(),
                next_number: 1,
                stream: 0,
                is_open: false,
                streams_begun: 0,
                idle: None,
                closed: false,
            }),
            filled: Notify::new(),
            closed: CancellationToken::new(),
        });
        let running = Arc::clone(&shared);
        tokio::spawn(async move {
            let closed = running.closed.clone();
            closed.run_until_cancelled(run(protocol, &running)).await;
            running.close();
        });
        Self { shared }
    }

    /// Sends a request of about `bytes` and waits for its answer.
    pub(super) async fn ask(
        &self,
        bytes: usize,
        request: impl FnOnce(u64) -> P::Request,
    ) -> Outcome<P> {
        let (waiter, answer) = oneshot::channel();
        let number = self.put(bytes, request, waiter)?;
        let mut ticket = Ticket {
            shared: &self.shared,
            number,
            answered: false,
        };
        let outcome = answer.await.unwrap_or(Err(Failure::Closed));
        ticket.answered = true;
        outcome
    }

    fn put(
        &self,
        bytes: usize,
        request: impl FnOnce(u64) -> P::Request,
        waiter: oneshot::Sender<Outcome<P>>,
    ) -> Result<u64, Failure> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Failure::Closed);
        }
        if state.waiting.len() >= OUTSTANDING_MAX {
            return Err(Failure::Overloaded);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.insert(number, waiter);
        state.outbox.push_back(Unsent {
            number,
            request: request(number),
            bytes,
            since: Instant::now(),
        });
        let (idle, first) = (state.idle.take(), state.stream == 0);
        drop(state);
        if first {
            self.shared.filled.notify_one();
        }
        idle.into_iter().for_each(Waker::wake);
        Ok(number)
    }

    /// Fails all unanswered and all further requests.
    pub(super) fn close(&self) {
        self.shared.closed.cancel();
        self.shared.close();
    }
}

impl<P: Protocol> Drop for Exchange<P> {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

async fn run<P: Protocol>(protocol: P, shared: &Arc<Shared<P>>) {
    let mut backoff = Backoff::default();
    loop {
        // A leftover permit only causes one more check.
        while shared.lock().outbox.is_empty() {
            shared.filled.notified().await;
        }
        let outflow = Outflow::new(Arc::clone(shared), shared.begin());
        let opening = protocol.open(outflow);
        let opened = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), opening).await;
        let reason = match opened {
            Ok(Ok(answers)) => {
                shared.opened();
                read(shared, answers, &mut backoff).await
            }
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => format!("no stream opened within {OPEN_MS_MAX} ms"),
        };
        shared.end(&Failure::Broken(reason.clone()));
        shared.expire(&reason);
        backoff.wait().await;
    }
}

/// Reads answers until the stream ends; returns why it ended.
async fn read<P: Protocol>(
    shared: &Shared<P>,
    mut stream: Streaming<P::Answers>,
    backoff: &mut Backoff,
) -> String {
    let mut due = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(answers)) => {
                backoff.reset();
                shared.settle(answers, &mut due);
            }
            Ok(None) => return "the peer ended the stream".to_owned(),
            Err(status) => return status.message().to_owned(),
        }
    }
}
