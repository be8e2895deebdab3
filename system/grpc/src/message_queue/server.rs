//! Serves the message queue over its gRPC contract.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::functions::{FunctionError, KnownFunctions};
use super::{consuming, convert};
use crate::answering::answer;
use crate::message_size::MESSAGE_BYTES_MAX;
use crate::peer_clock::{self, NOW_HEADER, PeerClock};
use crate::proto::ordershop as proto;
use crate::status::of_queue;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueError, QueueName};
use ordershop_contract::open_queue::OpenQueue;

use proto::call_answer::Answer;
use proto::message_queue_server::{MessageQueue as Contract, MessageQueueServer};

/// The gRPC service of a message queue.
pub struct MessageQueueService {
    queue: Arc<dyn OpenQueue>,
    functions: Arc<KnownFunctions>,
    drain: CancellationToken,
}

impl MessageQueueService {
    /// Serves `queue`. `drain` is cancelled when the server is to stop; streams then end cleanly.
    #[must_use]
    pub fn new(queue: Arc<dyn OpenQueue>, drain: CancellationToken) -> Self {
        Self {
            queue,
            functions: Arc::new(KnownFunctions::new()),
            drain,
        }
    }

    /// The service for a server's routes.
    #[must_use]
    pub fn into_server(self) -> MessageQueueServer<Self> {
        MessageQueueServer::new(self)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

async fn call(
    queue: Arc<dyn OpenQueue>,
    functions: Arc<KnownFunctions>,
    call: proto::Call,
    age: Duration,
) -> proto::CallAnswer {
    let message = call
        .message
        .ok_or_else(|| convert::invalid("the call's message is missing".to_owned()))
        .and_then(|message| convert::to_message(message).map_err(convert::invalid));
    let checked = match message {
        Err(error) => Err(error),
        Ok(message) => match functions.check(&*queue, message.to).await {
            Ok(()) => Ok(message),
            Err(FunctionError::Queue(error)) => Err(convert::error(error)),
            Err(unknown) => Err(convert::invalid(unknown.to_string())),
        },
    };
    let answer = match checked {
        Err(error) => Answer::Error(error),
        Ok(message) => {
            let timeout = Duration::from_millis(call.timeout_ms.into());
            // What it was on its way is gone of its time.
            match queue.call(message, timeout.saturating_sub(age)).await {
                Ok(reply) => Answer::Reply(Box::<str>::from(reply).into_string()),
                Err(error) => Answer::Error(convert::error(error)),
            }
        }
    };
    proto::CallAnswer {
        number: call.number,
        answer: Some(answer),
    }
}

/// An answer's approximate size on the wire, bytes.
fn size(answer: &proto::CallAnswer) -> usize {
    match &answer.answer {
        Some(Answer::Reply(reply)) => 16 + reply.len(),
        _ => 100,
    }
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn failed(error: QueueError) -> Status {
    of_queue(&error)
}

fn to_queue_names(queues: Vec<proto::QueueName>) -> Result<Vec<QueueName>, Status> {
    let queues = queues.into_iter();
    queues
        .map(|queue| convert::to_queue_name(Some(queue)))
        .collect::<Result<_, _>>()
        .map_err(Status::invalid_argument)
}

impl MessageQueueService {
    /// A message that may be sent: well formed, to a function that exists.
    async fn checked(&self, message: proto::Message) -> Result<OutgoingMessage, Status> {
        let message = convert::to_message(message).map_err(Status::invalid_argument)?;
        let checked = self.functions.check(&*self.queue, message.to).await;
        checked.map_err(|error| match error {
            FunctionError::Queue(error) => failed(error),
            unknown @ FunctionError::Unknown(_) => Status::not_found(unknown.to_string()),
        })?;
        Ok(message)
    }
}

#[tonic::async_trait]
impl Contract for MessageQueueService {
    type CallStream = Outgoing<proto::CallAnswers>;
    type ConsumeStream = Outgoing<proto::Deliveries>;

    async fn call(
        &self,
        request: Request<Streaming<proto::Calls>>,
    ) -> Result<Response<Self::CallStream>, Status> {
        let (queue, functions) = (Arc::clone(&self.queue), Arc::clone(&self.functions));
        let mut clock = PeerClock::default();
        let begin = move |message: proto::Calls| {
            let now_ms = peer_clock::now_ms();
            let calls: Vec<_> = message
                .calls
                .into_iter()
                .map(|one| {
                    let age = clock.arrived(one.made_at_ms, now_ms);
                    call(Arc::clone(&queue), Arc::clone(&functions), one, age)
                })
                .collect();
            calls
        };
        let answers = answer(request.into_inner(), self.drain.clone(), begin, size);
        let answers = answers.map(|answers| Ok(proto::CallAnswers { answers: answers? }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn send(
        &self,
        request: Request<proto::SendRequest>,
    ) -> Result<Response<proto::SendReply>, Status> {
        let sent = request.into_inner().messages;
        let mut messages = Vec::with_capacity(sent.len());
        for message in sent {
            messages.push(self.checked(message).await?);
        }
        self.queue.send(messages).await.map_err(failed)?;
        Ok(Response::new(proto::SendReply {}))
    }

    async fn submit(
        &self,
        request: Request<proto::Message>,
    ) -> Result<Response<proto::SendReply>, Status> {
        let message = self.checked(request.into_inner()).await?;
        self.queue.submit(message).await.map_err(failed)?;
        Ok(Response::new(proto::SendReply {}))
    }

    async fn outcome(
        &self,
        request: Request<proto::OutcomeRequest>,
    ) -> Result<Response<proto::OutcomeReply>, Status> {
        let asked = request.into_inner();
        let queues = to_queue_names(asked.queues)?;
        let outcome = self.queue.outcome(&queues, &asked.message_id).await;
        Ok(Response::new(convert::outcome(outcome.map_err(failed)?)))
    }

    async fn consume(
        &self,
        request: Request<Streaming<proto::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let queue: Arc<dyn MessageQueue> = self.queue.clone();
        let (functions, drain) = (Arc::clone(&self.functions), self.drain.clone());
        let batches = consuming::consume(queue, functions, request.into_inner(), drain).await?;
        let mut response: Response<Self::ConsumeStream> = Response::new(Box::pin(batches));
        let now = MetadataValue::from(peer_clock::now_ms());
        response.metadata_mut().insert(NOW_HEADER, now);
        Ok(response)
    }

    async fn dead_letters(
        &self,
        request: Request<proto::DeadLettersRequest>,
    ) -> Result<Response<proto::DeadLettersReply>, Status> {
        let request = convert::to_dead_letter_request(request.into_inner());
        let request = request.map_err(Status::invalid_argument)?;
        let letters = self.queue.dead_letters(request).await.map_err(failed)?;
        Ok(Response::new(convert::dead_letters(letters)))
    }

    async fn status(
        &self,
        request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusReply>, Status> {
        let queues = to_queue_names(request.into_inner().queues)?;
        let statuses = self.queue.status(&queues).await.map_err(failed)?;
        let queues = statuses
            .into_iter()
            .map(|status| proto::status_reply::Queue {
                queue: status.queue,
                depth: status.depth,
                held: status.held,
                dead_letters: status.dead_letters,
            });
        Ok(Response::new(proto::StatusReply {
            queues: queues.collect(),
        }))
    }
}
