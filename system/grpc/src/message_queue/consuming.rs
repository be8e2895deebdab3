//! Serves one client's worker: each exchange answers the previous batch and requests the next. Messages that are unanswered when the
//! stream ends go back to the queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::convert;
use super::functions::KnownFunctions;
use crate::proto::ordershop as proto;
use crate::status::of_queue;
use ordershop_contract::message_queue::{Answer, MessageQueue, QueueConsumer};

use proto::consume_request::Request;

/// How long a client may take to send its first message.
const OPEN_MS_MAX: u64 = 10_000;
/// How long the last batch may take to be answered once the server is to stop.
const DRAIN_MS_MAX: u64 = 2_000;
/// Most messages per batch.
const BATCH_MAX: u32 = 10_000;

struct Consuming {
    consumer: Box<dyn QueueConsumer>,
    requests: Streaming<proto::ConsumeRequest>,
    drain: CancellationToken,
    /// Deliveries that the client has not answered yet.
    held: usize,
}

/// Opens the worker that the stream's first message names.
pub(super) async fn consume(
    queue: Arc<dyn MessageQueue>,
    functions: Arc<KnownFunctions>,
    mut requests: Streaming<proto::ConsumeRequest>,
    drain: CancellationToken,
) -> Result<impl Stream<Item = Result<proto::Deliveries, Status>>, Status> {
    let first = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), requests.message());
    let first = first
        .await
        .map_err(|_| Status::deadline_exceeded("consuming starts with `open`"))??;
    let Some(Request::Open(open)) = first.and_then(|message| message.request) else {
        return Err(Status::failed_precondition("consuming starts with `open`"));
    };
    if !(1..=BATCH_MAX).contains(&open.batch_max) {
        return Err(Status::invalid_argument(format!(
            "batch_max must be 1 to {BATCH_MAX}"
        )));
    }
    let name = convert::to_queue_name(open.queue).map_err(Status::invalid_argument)?;
    functions.add(name);
    let consumer = queue
        .consume(name, open.batch_max as usize)
        .await
        .map_err(|error| of_queue(&error))?;
    let consuming = Consuming {
        consumer,
        requests,
        drain,
        held: 0,
    };
    // An error ends the worker: its unanswered messages are delivered again.
    Ok(stream::try_unfold(consuming, |mut consuming| async move {
        let next = consuming.next().await?;
        Ok(next.map(|deliveries| (deliveries, consuming)))
    }))
}

impl Consuming {
    /// The next batch; `None` when the client has ended its stream.
    async fn next(&mut self) -> Result<Option<proto::Deliveries>, Status> {
        match self.request().await? {
            Some(Request::Exchange(exchange)) => {
                let answers = self.answers(exchange.answers)?;
                self.exchange(answers).await
            }
            Some(Request::Finish(finish)) => {
                let answers = self.answers(finish.answers)?;
                self.finish(answers).await?;
                Ok(None)
            }
            Some(Request::Open(_)) => Err(Status::failed_precondition(
                "`open` may only be the first message",
            )),
            None => Ok(None),
        }
    }

    /// The client's next request; `None` when it has ended its stream.
    async fn request(&mut self) -> Result<Option<Request>, Status> {
        let message = tokio::select! {
            biased;
            message = self.requests.message() => message?,
            () = drained(&self.drain, self.held > 0) => return Err(shutting_down()),
        };
        match message {
            None => Ok(None),
            Some(message) => match message.request {
                None => Err(Status::invalid_argument("the request has no field set")),
                request => Ok(request),
            },
        }
    }

    fn answers(&self, answers: Vec<proto::Answer>) -> Result<Vec<Answer>, Status> {
        if answers.len() != self.held {
            return Err(Status::failed_precondition(format!(
                "{} answers were sent for {} deliveries; send one answer per delivery",
                answers.len(),
                self.held
            )));
        }
        convert::to_answers(answers).map_err(Status::invalid_argument)
    }

    async fn exchange(
        &mut self,
        answers: Vec<Answer>,
    ) -> Result<Option<proto::Deliveries>, Status> {
        if self.drain.is_cancelled() {
            self.finish(answers).await?;
            return Err(shutting_down());
        }
        self.held = 0;
        // If it is dropped below, it still delivers its answers to the queue; a batch that arrives goes back.
        let exchanging = self.consumer.exchange(answers);
        tokio::select! {
            biased;
            batch = exchanging => {
                let batch = batch.map_err(|error| of_queue(&error))?;
                self.held = batch.len();
                Ok(Some(convert::deliveries(batch)))
            }
            message = self.requests.message() => match message {
                Ok(None) => Ok(None),
                Ok(Some(_)) => Err(Status::failed_precondition("the previous exchange has not been answered yet")),
                Err(status) => Err(status),
            },
            () = self.drain.cancelled() => Err(shutting_down()),
        }
    }

    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), Status> {
        self.consumer
            .finish(answers)
            .await
            .map_err(|error| of_queue(&error))
    }
}

/// Returns once the server is to stop and a batch in hand has had its time to be answered.
async fn drained(drain: &CancellationToken, has_batch: bool) {
    drain.cancelled().await;
    if has_batch {
        let limit = Duration::from_millis(DRAIN_MS_MAX);
        tokio::time::sleep_until(Instant::now() + limit).await;
    }
}

fn shutting_down() -> Status {
    Status::unavailable("the message queue is shutting down")
}
