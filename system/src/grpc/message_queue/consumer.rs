//! A worker of another process's queue. Answers and the wish for more are one message. A broken stream is said once; who goes on asking
//! gets a new one, and what it held is delivered again.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::client::Client;
use super::convert;
use crate::grpc::proto::ordershop as proto;
use crate::grpc::status::queue_error;
use crate::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};

use proto::consume_request::{Exchange, Finish, Open, Request};

/// A peer that takes so long to accept a stream is away.
const OPEN_MS_MAX: u64 = 10_000;
/// How long the last answers have to be with the queue.
const FINISH_MS_MAX: u64 = 10_000;
/// How long a dropped worker's last answers have to arrive.
const CLOSE_MS_MAX: u64 = 1_000;

/// See the module.
pub(super) struct GrpcConsumer {
    client: Client,
    queue: QueueName,
    batch_max: usize,
    closed: CancellationToken,
    stream: Option<Stream>,
    finished: bool,
}

struct Stream {
    /// Unbounded, yet short: one request at a time is unanswered.
    requests: UnboundedSender<proto::ConsumeRequest>,
    batches: Streaming<proto::Deliveries>,
    /// A batch was asked for and has not come.
    awaits_batch: bool,
    /// Deliveries that are to be answered.
    held: usize,
}

impl GrpcConsumer {
    pub(super) async fn open(
        client: Client,
        queue: QueueName,
        batch_max: usize,
        closed: CancellationToken,
    ) -> Result<Self, QueueError> {
        let mut consumer = Self {
            client,
            queue,
            batch_max: batch_max.max(1),
            closed,
            stream: None,
            finished: false,
        };
        consumer.reopen().await?;
        Ok(consumer)
    }

    async fn reopen(&mut self) -> Result<(), QueueError> {
        let (requests, outflow) = mpsc::unbounded_channel();
        let _ = requests.send(message(Request::Open(Open {
            queue: Some(convert::queue_name(self.queue)),
            batch_max: u32::try_from(self.batch_max).unwrap_or(u32::MAX),
        })));
        let opening = self.client.consume(UnboundedReceiverStream::new(outflow));
        let opening = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), opening);
        let opened = self.closed.run_until_cancelled(opening).await;
        let batches = opened
            .ok_or(QueueError::Closed)?
            .map_err(|_| lost("no stream of deliveries in time"))?
            .map_err(|status| queue_error(&status))?
            .into_inner();
        self.stream = Some(Stream {
            requests,
            batches,
            awaits_batch: false,
            held: 0,
        });
        Ok(())
    }
}

fn message(request: Request) -> proto::ConsumeRequest {
    proto::ConsumeRequest {
        request: Some(request),
    }
}

fn lost(reason: &str) -> QueueError {
    QueueError::Unavailable(reason.to_owned())
}

fn closed_or(closed: &CancellationToken, error: QueueError) -> QueueError {
    if closed.is_cancelled() {
        QueueError::Closed
    } else {
        error
    }
}

#[async_trait]
impl QueueConsumer for GrpcConsumer {
    async fn exchange(&mut self, answers: Vec<Answer>) -> Result<Vec<Delivery>, QueueError> {
        if self.finished {
            return Err(QueueError::Closed);
        }
        if self.closed.is_cancelled() {
            // They are still answered, as far as the server hears of it.
            return self
                .finish(answers)
                .await
                .and(Err(QueueError::Closed))
                .map_err(|error| closed_or(&self.closed, error));
        }
        let mut answers = Some(answers);
        if self.stream.is_none() {
            // The batch that they answer is delivered again.
            answers = Some(Vec::new());
            self.reopen().await?;
        }
        let Some(stream) = &mut self.stream else {
            return Err(lost("the stream of deliveries broke"));
        };
        // An exchange that was dropped half-way has been sent: only its batch is missing.
        if !stream.awaits_batch {
            let answers = answers.take().unwrap_or_default();
            let exchange = Exchange {
                answers: convert::answers(answers),
            };
            // Where it can't go, the stream says why.
            let _ = stream.requests.send(message(Request::Exchange(exchange)));
            stream.awaits_batch = true;
            stream.held = 0;
        }
        let arrived = self
            .closed
            .run_until_cancelled(stream.batches.message())
            .await
            .ok_or(QueueError::Closed)?;
        let error = match arrived {
            Ok(Some(deliveries)) => {
                stream.awaits_batch = false;
                stream.held = deliveries.deliveries.len();
                return convert::to_deliveries(deliveries);
            }
            Ok(None) => lost("the message queue ended the stream of deliveries"),
            Err(status) => queue_error(&status),
        };
        self.stream = None;
        Err(error)
    }

    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), QueueError> {
        self.finished = true;
        let Some(mut stream) = self.stream.take() else {
            return Ok(());
        };
        // With a batch on its way there is nothing to answer: ending the stream gives it back.
        let answers_matter = !stream.awaits_batch;
        if answers_matter {
            let finish = Finish {
                answers: convert::answers(answers),
            };
            let _ = stream.requests.send(message(Request::Finish(finish)));
        }
        drop(stream.requests);
        let ended = async {
            loop {
                match stream.batches.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    Err(status) => return Err(queue_error(&status)),
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(FINISH_MS_MAX), ended).await {
            Ok(ended) if answers_matter && stream.held > 0 => ended,
            Ok(_) => Ok(()),
            Err(_) => Err(lost("the last answers were not confirmed in time")),
        }
    }
}

impl Drop for GrpcConsumer {
    /// Ends the stream behind what was sent, so that the last answers arrive.
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Stream {
            requests,
            mut batches,
            ..
        } = stream;
        drop(requests);
        runtime.spawn(async move {
            let ended = async { while let Ok(Some(_)) = batches.message().await {} };
            let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), ended).await;
        });
    }
}
