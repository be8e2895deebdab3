//! The client side of many calls over one stream: an answer carries its request's number. Waiting requests are sent together, without
//! a timer. The stream opens when there is something to send, and again after a break. A message without answers says that the peer will
//! stop: what is sent later goes over another stream. Must not know what is requested.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::outflow::Outflow;
use super::outstanding::{OUTSTANDING_MAX, Shared, State, Unsent};
use super::protocol::{CallFailure, Outcome, Protocol};
use ordershop_contract::backoff::Backoff;

/// A peer that doesn't accept a stream within this counts as unavailable.
const OPEN_MS_MAX: u64 = 2_000;

/// Sends requests over one stream and returns their answers. Dropping closes it.
pub(super) struct Exchange<P: Protocol> {
    shared: Arc<Shared<P>>,
}

/// Removes a request when its caller stops waiting.
struct CallGuard<'a, P: Protocol> {
    shared: &'a Shared<P>,
    number: u64,
    answered: bool,
}

impl<P: Protocol> Drop for CallGuard<'_, P> {
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
                sent_from: 1,
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
        let mut ticket = CallGuard {
            shared: &self.shared,
            number,
            answered: false,
        };
        let outcome = answer.await.unwrap_or(Err(CallFailure::Closed));
        ticket.answered = true;
        outcome
    }

    fn put(
        &self,
        bytes: usize,
        request: impl FnOnce(u64) -> P::Request,
        waiter: oneshot::Sender<Outcome<P>>,
    ) -> Result<u64, CallFailure> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(CallFailure::Closed);
        }
        if state.waiting.len() >= OUTSTANDING_MAX {
            return Err(CallFailure::Overloaded);
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
        let ended = match opened {
            Ok(Ok(mut answers)) => {
                shared.opened();
                match read(shared, &mut answers, &mut backoff).await {
                    StreamEnd::Stops => Ok(answers),
                    StreamEnd::Broken(reason) => Err(reason),
                }
            }
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err(format!("no stream opened within {OPEN_MS_MAX} ms")),
        };
        let sent = shared.leave();
        match ended {
            Ok(answers) => {
                tokio::spawn(take_last_answers(Arc::clone(shared), sent, answers));
            }
            Err(reason) => {
                shared.fail(&sent, &CallFailure::Broken(reason.clone()));
                shared.expire(&reason);
            }
        }
        backoff.wait().await;
    }
}

/// Why no more is sent over a stream.
enum StreamEnd {
    /// The peer will stop. It answers what it has been sent.
    Stops,
    Broken(String),
}

/// Reads the last answers of a peer that stops; fails those of the requests `sent` that get none.
async fn take_last_answers<P: Protocol>(
    shared: Arc<Shared<P>>,
    sent: Range<u64>,
    mut answers: Streaming<P::Answers>,
) {
    let closed = shared.closed.clone();
    let reading = async {
        let mut backoff = Backoff::default();
        loop {
            if let StreamEnd::Broken(reason) = read(&shared, &mut answers, &mut backoff).await {
                return shared.fail(&sent, &CallFailure::Broken(reason));
            }
        }
    };
    closed.run_until_cancelled(reading).await;
}

/// Reads answers until the peer stops or the stream ends.
async fn read<P: Protocol>(
    shared: &Shared<P>,
    stream: &mut Streaming<P::Answers>,
    backoff: &mut Backoff,
) -> StreamEnd {
    let mut due = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(answers)) => {
                if !shared.settle(answers, &mut due) {
                    return StreamEnd::Stops;
                }
                backoff.reset();
            }
            Ok(None) => return StreamEnd::Broken("the peer ended the stream".to_owned()),
            Err(status) => return StreamEnd::Broken(status.message().to_owned()),
        }
    }
}
