//! A client that implements the message queue's trait over gRPC. All calls share one stream; each worker has its own.
//! Must not know what the queue runs on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::consumer::{Client, GrpcConsumer};
use super::convert;
use crate::exchange::Exchange;
use crate::message_size::MESSAGE_BYTES_MAX;
use crate::number::number;
use crate::outstanding::OUTSTANDING_MAX;
use crate::peer::PeerChannel;
use crate::peer_clock;
use crate::proto::ordershop as proto;
use crate::protocol::{CallFailure, Protocol};
use crate::status::{put_error, queue_error};
use ordershop_contract::admission::Admission;
use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::{
    MessageOutcome, MessageQueue, OutgoingMessage, QueueConsumer, QueueError, QueueName,
    QueueStatus,
};

use proto::call_answer::Answer;

/// Timeout of a request that doesn't wait for anything.
const ANSWER_MS_MAX: u64 = 10_000;
/// How much longer than the caller's timeout an answer is waited for: the queue needs a moment to say whether the message was begun.
const GRACE_MS_MAX: u64 = 1_000;
/// Most bytes of messages in one request, well below the largest message.
const SEND_BYTES_MAX: usize = 8 * 1024 * 1024;

struct Calling(Client);

impl Protocol for Calling {
    type Request = proto::Call;
    type Requests = proto::Calls;
    type Answer = Option<Answer>;
    type Answers = proto::CallAnswers;

    fn bundle(calls: Vec<Self::Request>) -> Self::Requests {
        proto::Calls { calls }
    }

    fn unbundle(answers: Self::Answers) -> impl Iterator<Item = (u64, Self::Answer)> {
        answers.answers.into_iter().map(|a| (a.number, a.answer))
    }

    fn open(
        &self,
        requests: impl Stream<Item = Self::Requests> + Send + 'static,
    ) -> BoxFuture<'static, Result<Streaming<Self::Answers>, Status>> {
        let mut client = self.0.clone();
        async move { Ok(client.call(requests).await?.into_inner()) }.boxed()
    }
}

/// The message queue behind a gRPC connection. The peer need not be up yet: requests wait a few seconds for it, then fail.
pub struct GrpcMessageQueue {
    client: Client,
    calls: Exchange<Calling>,
    /// Refuses here what the queue would refuse, without asking it.
    admission: Admission,
    closed: CancellationToken,
}

impl GrpcMessageQueue {
    /// Creates the client. Must be called in a tokio runtime.
    #[must_use]
    pub fn start(channel: PeerChannel) -> Arc<Self> {
        let client = Client::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Arc::new(Self {
            calls: Exchange::start(Calling(client.clone())),
            admission: Admission::default(),
            client,
            closed: CancellationToken::new(),
        })
    }

    /// Sends a request that doesn't wait for anything; `meaning` makes an error of the peer's status.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
        meaning: fn(&Status) -> QueueError,
    ) -> Result<T, QueueError> {
        let answer = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), answer);
        match self.closed.run_until_cancelled(answer).await {
            None => Err(QueueError::Closed),
            Some(Ok(answer)) => answer
                .map(tonic::Response::into_inner)
                .map_err(|status| meaning(&status)),
            Some(Err(_)) => Err(meaning(&Status::deadline_exceeded(format!(
                "no answer within {ANSWER_MS_MAX} ms"
            )))),
        }
    }

    async fn send_together(&self, messages: Vec<proto::Message>) -> Result<(), QueueError> {
        let mut client = self.client.clone();
        let sent = client.send(proto::SendRequest { messages });
        // If the connection breaks, it is unknown whether they are in the queue.
        self.ask(sent, put_error).await.map(drop)
    }
}

impl Drop for GrpcMessageQueue {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

fn failed(failure: CallFailure, queue: QueueName) -> QueueError {
    match failure {
        CallFailure::Overloaded => QueueError::Overloaded {
            queue: queue.to_string(),
            depth: OUTSTANDING_MAX as u64,
            depth_max: OUTSTANDING_MAX as u64,
        },
        CallFailure::Unsent(reason) => QueueError::Unavailable(reason),
        CallFailure::Broken(reason) => QueueError::Indeterminate(reason),
        CallFailure::Closed => QueueError::Closed,
    }
}

/// A message's approximate size on the wire, bytes, if it may be sent.
fn size(message: &OutgoingMessage) -> Result<usize, QueueError> {
    let bytes = convert::size(message);
    if bytes < MESSAGE_BYTES_MAX {
        return Ok(bytes);
    }
    Err(QueueError::Invalid(format!(
        "the message has about {bytes} bytes; send less than {MESSAGE_BYTES_MAX}"
    )))
}

#[async_trait]
impl MessageQueue for GrpcMessageQueue {
    async fn call(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<Box<RawValue>, QueueError> {
        let (to, bytes) = (message.to, size(&message)?);
        let admitted = self.admission.admit(to, timeout)?;
        let timeout_ms = number("timeout_ms", timeout.as_millis()).map_err(QueueError::Invalid)?;
        let request = |number| proto::Call {
            number,
            message: Some(convert::message(message)),
            timeout_ms,
            made_at_ms: peer_clock::now_ms(),
        };
        let patience = timeout.saturating_add(Duration::from_millis(GRACE_MS_MAX));
        let asked = tokio::time::timeout(patience, self.calls.ask(bytes, request));
        let Ok(answered) = asked.await else {
            return Err(QueueError::Timeout {
                queue: to.to_string(),
                timeout_ms: timeout_ms.into(),
            });
        };
        match answered.map_err(|failure| failed(failure, to))? {
            Some(Answer::Reply(reply)) => {
                admitted.answered();
                RawValue::from_string(reply)
                    .map_err(|error| QueueError::Unavailable(format!("bad JSON reply: {error}")))
            }
            Some(Answer::Error(mut error)) => {
                // The queue knows what was left of it when the call arrived.
                error.timeout_ms = timeout_ms.into();
                Err(convert::to_error(error))
            }
            None => Err(QueueError::Unavailable("the answer is empty".to_owned())),
        }
    }

    async fn send(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let (mut together, mut bytes) = (Vec::new(), 0);
        for message in messages {
            let size = size(&message)?;
            if bytes + size > SEND_BYTES_MAX && !together.is_empty() {
                self.send_together(std::mem::take(&mut together)).await?;
                bytes = 0;
            }
            bytes += size;
            together.push(convert::message(message));
        }
        if together.is_empty() {
            return Ok(());
        }
        self.send_together(together).await
    }

    async fn submit(&self, message: OutgoingMessage) -> Result<(), QueueError> {
        size(&message)?;
        let mut client = self.client.clone();
        let put = client.submit(convert::message(message));
        self.ask(put, put_error).await.map(drop)
    }

    async fn outcome(
        &self,
        queues: &[QueueName],
        message_id: &str,
    ) -> Result<Option<MessageOutcome>, QueueError> {
        let mut client = self.client.clone();
        let asked = client.outcome(proto::OutcomeRequest {
            queues: queues.iter().copied().map(convert::queue_name).collect(),
            message_id: message_id.to_owned(),
        });
        convert::to_outcome(self.ask(asked, queue_error).await?)
    }

    async fn consume(
        &self,
        queue: QueueName,
        batch_max: usize,
    ) -> Result<Box<dyn QueueConsumer>, QueueError> {
        let closed = self.closed.clone();
        let opening = GrpcConsumer::open(self.client.clone(), queue, batch_max, closed);
        Ok(Box::new(opening.await?))
    }

    async fn dead_letters(
        &self,
        request: DeadLetterRequest,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let mut client = self.client.clone();
        let asked = client.dead_letters(convert::dead_letter_request(request));
        Ok(convert::to_dead_letters(
            self.ask(asked, queue_error).await?,
        ))
    }

    async fn status(&self, queues: &[QueueName]) -> Result<Vec<QueueStatus>, QueueError> {
        let mut client = self.client.clone();
        let asked = client.status(proto::StatusRequest {
            queues: queues.iter().copied().map(convert::queue_name).collect(),
        });
        let reply = self.ask(asked, queue_error).await?;
        let statuses = reply.queues.into_iter().map(|queue| QueueStatus {
            queue: queue.queue,
            depth: queue.depth,
            held: queue.held,
            dead_letters: queue.dead_letters,
        });
        Ok(statuses.collect())
    }

    async fn close(&self) {
        self.closed.cancel();
        self.calls.close();
    }
}
