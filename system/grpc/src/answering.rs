//! The server side of many calls over one stream: every request starts as it arrives, and ready answers are sent together, in any
//! order. Requests don't get a task each. Must not know what is requested.

use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use futures_util::{FutureExt, Stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// Most requests of one stream in progress at once; further ones wait in the stream.
const UNDER_WAY_MAX: usize = 100_000;
/// Most answers in one message.
const ANSWERS_MAX: usize = 1_024;
/// A message of this many bytes gets no further answer; well below the largest message.
const BYTES_MAX: usize = 1024 * 1024;
/// How long requests in progress may take once the server is to stop; later ones stay unanswered.
const DRAIN_MS_MAX: u64 = 3_000;
/// How long a client that is told so may go on sending requests.
const HEAR_MS_MAX: u64 = 1_000;

struct ServerMultiplexer<I, F, Fut> {
    requests: Option<Streaming<I>>,
    begin: F,
    under_way: FuturesUnordered<Fut>,
    drain: CancellationToken,
    /// When no more requests are taken, and when the drain ends; `None` before it begins.
    ends: Option<(Instant, Instant)>,
}

/// Answers a stream's requests. `begin` splits a message into its requests' futures; `bytes` is an answer's approximate size. Once `drain`
/// is cancelled, a message without answers tells the client to send what comes next to another server. What was on its way is still
/// taken: until the client ends its requests, [`HEAR_MS_MAX`] at most. The stream ends when all is answered, after [`DRAIN_MS_MAX`] at most.
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
    let answering = ServerMultiplexer {
        requests: Some(requests),
        begin,
        under_way: FuturesUnordered::new(),
        drain,
        ends: None,
    };
    stream::unfold(answering, move |mut answering| async move {
        let answers = answering.next(bytes).await.transpose()?;
        Some((answers, answering))
    })
}

impl<I, A, F, It, Fut> ServerMultiplexer<I, F, Fut>
where
    F: FnMut(I) -> It,
    It: IntoIterator<Item = Fut>,
    Fut: Future<Output = A>,
{
    /// The next answers; `None` when the stream has ended.
    async fn next(&mut self, bytes: fn(&A) -> usize) -> Result<Option<Vec<A>>, Status> {
        loop {
            if self.ends.is_none() && self.drain.is_cancelled() {
                let in_ms = |ms| Instant::now() + Duration::from_millis(ms);
                self.ends = Some((in_ms(HEAR_MS_MAX), in_ms(DRAIN_MS_MAX)));
                return Ok(Some(Vec::new()));
            }
            let (hears_until, ends_at) = self.ends.unzip();
            let is_draining = self.ends.is_some();
            let first = match &mut self.requests {
                None if self.under_way.is_empty() => return Ok(None),
                None => tokio::select! {
                    biased;
                    Some(first) = self.under_way.next() => first,
                    () = at(ends_at) => return Err(Status::unavailable("the server is shutting down")),
                    () = self.drain.cancelled(), if !is_draining => continue,
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
                        () = at(hears_until) => {
                            self.requests = None;
                            continue;
                        }
                        () = self.drain.cancelled(), if !is_draining => continue,
                    }
                }
            };
            return Ok(Some(self.with_ready(first, bytes)));
        }
    }

    /// The first answer and all others that are ready, up to the limits of a message.
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
