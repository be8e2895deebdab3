//! A client's stream of batches, each sent on request. A requested batch whose wait was cancelled is not requested again. Ending the
//! stream still delivers everything that was sent. Must not know what is in a batch.

use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Response, Status, Streaming};

/// A peer that doesn't accept a stream within this counts as unavailable.
const OPEN_MS_MAX: u64 = 10_000;
/// How long the last requests of a dropped stream may take to arrive.
const CLOSE_MS_MAX: u64 = 1_000;

/// A stream of batches `B` in answer to requests `Q`.
pub(super) struct BatchStream<Q: Send + 'static, B: Send + 'static>(Option<Open<Q, B>>);

struct Open<Q, B> {
    /// Unbounded but short: one or two requests per batch.
    requests: UnboundedSender<Q>,
    batches: Streaming<B>,
    awaits_batch: bool,
}

impl<Q: Send + 'static, B: Send + 'static> BatchStream<Q, B> {
    /// Opens a stream; its first request is `first`.
    pub(super) async fn open<F>(
        first: Q,
        open: impl FnOnce(UnboundedReceiverStream<Q>) -> F,
    ) -> Result<Self, Status>
    where
        F: Future<Output = Result<Response<Streaming<B>>, Status>>,
    {
        let (requests, outflow) = mpsc::unbounded_channel();
        let _ = requests.send(first);
        let opening = open(UnboundedReceiverStream::new(outflow));
        let opened = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), opening).await;
        let batches = opened
            .map_err(|_| Status::unavailable(format!("no stream opened within {OPEN_MS_MAX} ms")))??
            .into_inner();
        Ok(Self(Some(Open {
            requests,
            batches,
            awaits_batch: false,
        })))
    }

    /// Whether a requested batch has not arrived yet.
    pub(super) fn awaits_batch(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.awaits_batch)
    }

    /// Sends a request that isn't answered with a batch; `false` if the stream is broken.
    pub(super) fn send(&self, request: Q) -> bool {
        let open = self.0.as_ref();
        open.is_some_and(|open| open.requests.send(request).is_ok())
    }

    /// Sends a request that is answered with a batch. If the stream is broken, [`BatchStream::next`] returns the error.
    pub(super) fn ask(&mut self, request: Q) {
        if let Some(open) = &mut self.0 {
            let _ = open.requests.send(request);
            open.awaits_batch = true;
        }
    }

    /// Waits for the requested batch; `None` when the peer has ended the stream. After a cancelled wait, the next call returns the batch.
    pub(super) async fn next(&mut self) -> Result<Option<B>, Status> {
        let Some(open) = &mut self.0 else {
            return Ok(None);
        };
        let batch = open.batches.message().await?;
        open.awaits_batch = false;
        Ok(batch)
    }

    /// Ends the sending side, and waits until the peer has ended the stream too. Batches on their way are discarded.
    pub(super) async fn end(mut self) -> Result<(), Status> {
        match self.0.take() {
            Some(open) => open.end().await,
            None => Ok(()),
        }
    }
}

impl<Q, B> Open<Q, B> {
    async fn end(self) -> Result<(), Status> {
        let Self {
            requests,
            mut batches,
            ..
        } = self;
        drop(requests);
        while batches.message().await?.is_some() {}
        Ok(())
    }
}

impl<Q: Send + 'static, B: Send + 'static> Drop for BatchStream<Q, B> {
    /// Ends the stream in the background, so that everything sent arrives.
    fn drop(&mut self) {
        let Some(open) = self.0.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let limit = Duration::from_millis(CLOSE_MS_MAX);
        runtime.spawn(async move {
            let _ = tokio::time::timeout(limit, open.end()).await;
        });
    }
}
