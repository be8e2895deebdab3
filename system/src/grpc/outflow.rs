//! The requests of an exchange as the stream that its transport sends: whatever waits when there is room is one message.
//! Knows how much goes together, not when a stream is opened.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::exchange::{Protocol, Shared, Unsent};

/// Requests that go together.
const REQUESTS_MAX: usize = 1_024;
/// Bytes up to which requests join, well below the largest message.
const BYTES_MAX: usize = 1024 * 1024;

/// See the module.
pub(super) struct Outflow<P: Protocol> {
    shared: Arc<Shared<P>>,
    stream: u64,
    has_yielded: bool,
}

impl<P: Protocol> Outflow<P> {
    pub(super) fn new(shared: Arc<Shared<P>>, stream: u64) -> Self {
        Self {
            shared,
            stream,
            has_yielded: false,
        }
    }
}

impl<P: Protocol> Stream for Outflow<P> {
    type Item = P::Requests;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut state = this.shared.lock();
        if state.stream != this.stream {
            return Poll::Ready(None);
        }
        if !state.is_open || state.outbox.is_empty() {
            state.idle = Some(context.waker().clone());
            return Poll::Pending;
        }
        if !std::mem::replace(&mut this.has_yielded, true) {
            // Whoever else is ready to ask gets its turn first.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.has_yielded = false;
        let (mut requests, mut bytes) = (Vec::new(), 0);
        while requests.len() < REQUESTS_MAX {
            let joins = |next: &Unsent<P>| requests.is_empty() || bytes + next.bytes <= BYTES_MAX;
            if !state.outbox.front().is_some_and(joins) {
                break;
            }
            let Some(unsent) = state.outbox.pop_front() else {
                break;
            };
            // Nobody waits for it any more: it need not be sent.
            if state.waiting.contains_key(&unsent.number) {
                bytes += unsent.bytes;
                requests.push(unsent.request);
            }
        }
        if requests.is_empty() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(P::bundle(requests)))
    }
}
