//! A worker of a message queue over gRPC. One message carries the answers and requests the next batch. A broken stream is reported
//! once as an error; the next call opens a new stream, and unanswered messages are delivered again.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::convert;
use crate::batch_stream::BatchStream;
use crate::message_size::REPLIES_BYTES_MAX;
use crate::number::number;
use crate::peer::PeerChannel;
use crate::peer_clock::{self, NOW_HEADER, PeerClock};
use crate::proto::ordershop as proto;
use crate::status::queue_error;
use ordershop_contract::message_queue::{Answer, Delivery, QueueConsumer, QueueError, QueueName};
use ordershop_contract::reply::{ReplyStatus, error_reply};

use proto::consume_request::{Exchange, Finish, Open, Request};

/// The generated client.
pub(super) type Client = proto::message_queue_client::MessageQueueClient<PeerChannel>;

/// How long the queue may take to confirm the last answers.
const FINISH_MS_MAX: u64 = 10_000;

/// A worker of another process's message queue.
pub(super) struct GrpcConsumer {
    client: Client,
    queue: QueueName,
    batch_max: u32,
    closed: CancellationToken,
    stream: Option<Stream>,
    /// The server's clock, as this stream shows it.
    clock: PeerClock,
    /// Deliveries of the stream that are not answered yet.
    held: usize,
    finished: bool,
}

type Stream = BatchStream<proto::ConsumeRequest, proto::Deliveries>;

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
            batch_max: number("batch_max", batch_max).map_err(QueueError::Invalid)?,
            closed,
            stream: None,
            clock: PeerClock::default(),
            held: 0,
            finished: false,
        };
        consumer.stream = Some(consumer.reopen().await?);
        Ok(consumer)
    }

    async fn reopen(&mut self) -> Result<Stream, QueueError> {
        let first = message(Request::Open(Open {
            queue: Some(convert::queue_name(self.queue)),
            batch_max: self.batch_max,
        }));
        let mut clock = PeerClock::default();
        let (client, seen) = (&mut self.client, &mut clock);
        let opening = Stream::open(first, |requests| async {
            let response = client.consume(requests).await?;
            let told = response.metadata().get(NOW_HEADER);
            let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
            seen.arrived(told.unwrap_or_default(), peer_clock::now_ms());
            Ok(response)
        });
        let opened = self.closed.run_until_cancelled(opening).await;
        let opened = opened
            .ok_or(QueueError::Closed)?
            .map_err(|status| queue_error(&status))?;
        self.clock = clock;
        Ok(opened)
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

/// What one message can carry: a reply that is too long by itself is an error, and one that is too long beside the others is made again.
fn that_fit(mut answers: Vec<Answer>) -> Vec<Answer> {
    let mut bytes = 0;
    for answer in &mut answers {
        let Answer::Reply(reply) = answer else {
            continue;
        };
        let length = reply.get().len();
        if length > REPLIES_BYTES_MAX {
            let problem = format!(
                "the answer has {length} bytes; at most {REPLIES_BYTES_MAX} can be sent: ask for less"
            );
            *answer = Answer::Reply(error_reply(&problem, ReplyStatus::Failed));
        } else if bytes + length > REPLIES_BYTES_MAX {
            *answer = Answer::Retry("the replies beside it were long".to_owned());
        } else {
            bytes += length;
        }
    }
    answers
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
            // Still try to send the answers.
            return self
                .finish(answers)
                .await
                .and(Err(QueueError::Closed))
                .map_err(|error| closed_or(&self.closed, error));
        }
        let (mut stream, answers) = match self.stream.take() {
            Some(stream) => (stream, answers),
            // The answers' batch belonged to the broken stream: it is delivered again.
            None => (self.reopen().await?, Vec::new()),
        };
        // An exchange that was cancelled has already been sent: only its batch is missing.
        if !stream.awaits_batch() {
            let answers = convert::answers(that_fit(answers));
            stream.ask(message(Request::Exchange(Exchange { answers })));
            self.held = 0;
        }
        let stream = self.stream.insert(stream);
        let arrived = self
            .closed
            .run_until_cancelled(stream.next())
            .await
            .ok_or(QueueError::Closed)?;
        let error = match arrived {
            Ok(Some(deliveries)) => {
                self.held = deliveries.deliveries.len();
                return convert::to_deliveries(deliveries, &mut self.clock);
            }
            Ok(None) => lost("the message queue ended the stream of deliveries"),
            Err(status) => queue_error(&status),
        };
        self.stream = None;
        Err(error)
    }

    async fn finish(&mut self, answers: Vec<Answer>) -> Result<(), QueueError> {
        self.finished = true;
        let Some(stream) = self.stream.take() else {
            return Ok(());
        };
        // While a batch is on its way there is nothing to answer; ending the stream returns that batch.
        let answers_matter = !stream.awaits_batch();
        if answers_matter {
            let answers = convert::answers(that_fit(answers));
            stream.send(message(Request::Finish(Finish { answers })));
        }
        let limit = Duration::from_millis(FINISH_MS_MAX);
        match tokio::time::timeout(limit, stream.end()).await {
            Ok(Err(status)) if answers_matter && self.held > 0 => Err(queue_error(&status)),
            Ok(_) => Ok(()),
            Err(_) => Err(lost("the last answers were not confirmed in time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(length: usize) -> Answer {
        let text = format!("\"{}\"", "x".repeat(length - 2));
        Answer::Reply(serde_json::value::RawValue::from_string(text).unwrap())
    }

    #[test]
    fn a_reply_that_no_message_can_carry_is_an_error_and_ends_no_worker() {
        let half = REPLIES_BYTES_MAX / 2;
        let answers = vec![
            reply(half),
            reply(REPLIES_BYTES_MAX + 1),
            reply(half),
            reply(half),
        ];
        let fit = that_fit(answers);
        let Answer::Reply(refused) = &fit[1] else {
            panic!("{:?}", fit[1]);
        };
        assert!(refused.get().contains("ask for less"), "{refused}");
        assert!(matches!(&fit[0], Answer::Reply(_)) && matches!(&fit[2], Answer::Reply(_)));
        assert!(matches!(&fit[3], Answer::Retry(_)), "{:?}", fit[3]);
    }
}
