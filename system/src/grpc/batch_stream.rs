//! A client's stream of batches: one is asked for, one comes. What was asked for and not waited for is not asked for again. Ended, it
//! ends behind what was sent. Knows nothing of what is in a batch.

use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Response, Status, Streaming};

/// A peer that takes so long to accept a stream is away.
const OPEN_MS_MAX: u64 = 10_000;
/// How long the last requests of a dropped stream have to arrive.
const CLOSE_MS_MAX: u64 = 1_000;

/// See the module.
pub(super) struct BatchStream<Q: Send + 'static, B: Send + 'static>(Option<Open<Q, B>>);

struct Open<Q, B> {
    /// Unbounded, yet short: a request or two a batch.
    requests: UnboundedSender<Q>,
    batches: Streaming<B>,
    awaits_batch: bool,
}

impl<Q: Send + 'static, B: Send + 'static> BatchStream<Q, B> {
    /// Opens a stream that begins with `first`.
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
            .map_err(|_| Status::unavailable(format!("no stream within {OPEN_MS_MAX} ms")))??
            .into_inner();
        Ok(Self(Some(Open {
            requests,
            batches,
            awaits_batch: false,
        })))
    }

    /// Whether a batch was asked for and has not come.
    pub(super) fn awaits_batch(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.awaits_batch)
    }

    /// Sends what asks for no batch; `false` where it can't go any more.
    pub(super) fn send(&self, request: Q) -> bool {
        let open = self.0.as_ref();
        open.is_some_and(|open| open.requests.send(request).is_ok())
    }

    /// Sends what asks for a batch. Where it can't go, [`BatchStream::next`] says why.
    pub(super) fn ask(&mut self, request: Q) {
        if let Some(open) = &mut self.0 {
            let _ = open.requests.send(request);
            open.awaits_batch = true;
        }
    }

    /// Waits for the batch that was asked for; none when the peer has ended the stream. Cancelled, it is waited for by the next call.
    pub(super) async fn next(&mut self) -> Result<Option<B>, Status> {
        let Some(open) = &mut self.0 else {
            return Ok(None);
        };
        let batch = open.batches.message().await?;
        open.awaits_batch = false;
        Ok(batch)
    }

    /// Sends no more, and waits until the peer has ended the stream too. Batches on their way are given up.
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
    /// Ends it in the background, so that what was sent arrives.
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
