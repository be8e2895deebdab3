//! Many calls over one stream, seen from who answers: every request is begun as it comes, and the answers that are ready go back together,
//! in any order. No task a request. Knows nothing of what is asked.

use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use futures_util::{FutureExt, Stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// Requests of one stream that are under way at once; more wait in the stream.
const UNDER_WAY_MAX: usize = 100_000;
/// Answers that go together.
const ANSWERS_MAX: usize = 1_024;
/// Bytes after which no more answers join, well below the largest message.
const BYTES_MAX: usize = 1024 * 1024;
/// What is still under way so long after the server was told to stop stays unanswered.
const DRAIN_MS_MAX: u64 = 3_000;

struct Answering<I, F, Fut> {
    requests: Option<Streaming<I>>,
    begin: F,
    under_way: FuturesUnordered<Fut>,
    drain: CancellationToken,
    /// Set when `drain` was seen.
    ends_at: Option<Instant>,
}

/// Answers a stream's requests. `begin` splits a message into what is to be done for it; `bytes` is an answer's size, roughly. Once `drain` is
/// cancelled no more is begun, and the stream ends when what is under way is answered, after a few seconds at the latest.
pub(super) fn answer<I, A, F, It, Fut>(
    requests: Streaming<I>,
    drain: CancellationToken,
    begin: F,
    bytes: fn(&A) -> usize,
) -> impl Stream<Item = Result<Vec<A>, Status>>
where
    I: Send + 'static,
    F: FnMut(I) -> It + Send,
    It: IntoIterator<Item = Fut>,
    Fut: Future<Output = A> + Send,
{
    let answering = Answering {
        requests: Some(requests),
        begin,
        under_way: FuturesUnordered::new(),
        drain,
        ends_at: None,
    };
    stream::unfold(answering, move |mut answering| async move {
        let answers = answering.next(bytes).await.transpose()?;
        Some((answers, answering))
    })
}

impl<I, A, F, It, Fut> Answering<I, F, Fut>
where
    F: FnMut(I) -> It,
    It: IntoIterator<Item = Fut>,
    Fut: Future<Output = A>,
{
    /// The next answers; none when the stream is at its end.
    async fn next(&mut self, bytes: fn(&A) -> usize) -> Result<Option<Vec<A>>, Status> {
        loop {
            if self.ends_at.is_none() && self.drain.is_cancelled() {
                self.requests = None;
                self.ends_at = Some(Instant::now() + Duration::from_millis(DRAIN_MS_MAX));
            }
            let first = match &mut self.requests {
                None if self.under_way.is_empty() => return Ok(None),
                None => tokio::select! {
                    biased;
                    Some(first) = self.under_way.next() => first,
                    () = at(self.ends_at) => return Err(Status::unavailable("shutting down")),
                    () = self.drain.cancelled(), if self.ends_at.is_none() => continue,
                },
                Some(requests) => {
                    let has_room = self.under_way.len() < UNDER_WAY_MAX;
                    tokio::select! {
                        biased;
                        message = requests.message(), if has_room => {
                            match message? {
                                Some(message) => self.under_way.extend((self.begin)(message)),
                                None => self.requests = None,
                            }
                            continue;
                        }
                        Some(first) = self.under_way.next() => first,
                        () = self.drain.cancelled() => continue,
                    }
                }
            };
            return Ok(Some(self.with_ready(first, bytes)));
        }
    }

    /// What else is ready joins.
    fn with_ready(&mut self, first: A, bytes: fn(&A) -> usize) -> Vec<A> {
        let mut size = bytes(&first);
        let mut answers = vec![first];
        while answers.len() < ANSWERS_MAX
            && size < BYTES_MAX
            && let Some(Some(answer)) = self.under_way.next().now_or_never()
        {
            size += bytes(&answer);
            answers.push(answer);
        }
        answers
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
