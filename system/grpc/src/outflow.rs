//! The requests of an exchange as a stream for the transport: all waiting requests become one message, up to a limit.
//! Must not know when a stream is opened.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::outstanding::{Shared, Unsent};
use super::protocol::Protocol;

/// Most requests in one message.
const REQUESTS_MAX: usize = 1_024;
/// Most bytes of requests in one message (a larger single request goes alone); well below the largest message.
const BYTES_MAX: usize = 1024 * 1024;

/// The stream of messages of one exchange.
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
            // Yields once: other tasks that are ready can add their requests first.
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
            // A request without a waiting caller is not sent.
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
