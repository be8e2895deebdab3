//! A request's body that tells whether it was read to its end. hyper closes a connection on which the rest of one is still to come, after the
//! answer and without a word: a client that has sent its next request by then gets none.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use axum::http::{HeaderValue, Response, header};
use hyper::body::{Frame, SizeHint};

/// The body.
pub(super) struct WatchedBody<B> {
    body: B,
    /// `None` if nothing is to be read.
    unread: Option<Arc<AtomicBool>>,
}

/// Whether a body was read, when it is no longer at hand.
pub(super) struct Unread(Option<Arc<AtomicBool>>);

impl<B: HttpBody> WatchedBody<B> {
    pub(super) fn new(body: B) -> Self {
        let has_some = !body.is_end_stream();
        Self {
            body,
            unread: has_some.then(|| Arc::new(AtomicBool::new(true))),
        }
    }

    pub(super) fn unread(&self) -> Unread {
        Unread(self.unread.clone())
    }
}

impl Unread {
    /// Says in the answer that the connection ends with it, if it does.
    pub(super) fn tell<B>(&self, answer: &mut Response<B>) {
        let unread = self.0.as_ref();
        if unread.is_some_and(|unread| unread.load(Ordering::Relaxed)) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

impl<B: HttpBody + Unpin> HttpBody for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(unread) = &self.unread
            && (self.body.is_end_stream() || matches!(frame, Poll::Ready(None)))
        {
            unread.store(false, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
