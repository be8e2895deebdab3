//! The first OrderShop's message queue. The response to a request that is sent here is kept in this server; a message that is received
//! here belongs to its connection. An acknowledgement that precedes its response is kept only in this server, not in Redis.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::deliveries::{Deliveries, Key, Settled};
use super::receivers::{ALL_WORKERS_MAX, Function, Handed};
use super::replies::{Awaited, Replies, RequestKey};
use super::{error, request};
use crate::proto::messagequeue::message_queue_server::{self, MessageQueueServer};
use crate::proto::messagequeue::{
    AckRequest, AckResponse, GetRequest, ReceiveRequest, ReceiveResponse, SendRequest, SendResponse,
};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{OutgoingMessage, QueueName};
use ordershop_contract::open_queue::{OpenQueue, PendingReply};
use ordershop_grpc::connection::Connection;
use ordershop_grpc::message_size::MESSAGE_BYTES_MAX;

/// Most functions that clients of this server may receive from.
const FUNCTIONS_MAX: usize = 1_000;
/// How long a request without waiting may take to get a message that is in the queue.
const GET_WAIT: Duration = Duration::from_millis(500);

/// Time limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// A received message that is not settled within this is delivered again, ms.
    pub deadline_ms: u64,
    /// A request without a response within this gets an error, ms.
    pub response_ms_max: u64,
    /// How long an unacknowledged response is kept, ms.
    pub kept_ms: u64,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            deadline_ms: 60_000,
            response_ms_max: 600_000,
            kept_ms: 60_000,
        }
    }
}

/// The gRPC service of the first OrderShop's message queue.
pub struct OriginalMessageQueue {
    queue: Arc<dyn OpenQueue>,
    limits: MessageLimits,
    replies: Arc<Replies>,
    deliveries: Arc<Deliveries>,
    functions: Mutex<FxHashMap<QueueName, Arc<Function>>>,
    permits: Arc<Semaphore>,
    drain: CancellationToken,
}

impl OriginalMessageQueue {
    /// Serves `queue`. When `drain` is cancelled, waiting clients get an error and unsettled messages go back to the queue.
    #[must_use]
    pub fn new(queue: Arc<dyn OpenQueue>, drain: CancellationToken) -> Self {
        Self::with_limits(queue, drain, MessageLimits::default())
    }

    /// Serves `queue` with other limits.
    #[must_use]
    pub fn with_limits(
        queue: Arc<dyn OpenQueue>,
        drain: CancellationToken,
        limits: MessageLimits,
    ) -> Self {
        Self {
            queue,
            replies: Arc::default(),
            deliveries: Deliveries::new(Duration::from_millis(limits.deadline_ms), drain.clone()),
            functions: Mutex::default(),
            permits: Arc::new(Semaphore::new(ALL_WORKERS_MAX)),
            limits,
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

    fn function(&self, name: QueueName) -> Result<Arc<Function>, Status> {
        let mut functions = self
            .functions
            .lock()
            .expect("nothing panics while it holds this lock");
        if let Some(function) = functions.get(&name) {
            return Ok(Arc::clone(function));
        }
        if functions.len() >= FUNCTIONS_MAX {
            return Err(Status::resource_exhausted(format!(
                "clients of this server already receive from {FUNCTIONS_MAX} functions"
            )));
        }
        let (queue, permits) = (Arc::clone(&self.queue), Arc::clone(&self.permits));
        let function = Arc::new(Function::new(name, queue, permits, self.drain.clone()));
        functions.insert(name, Arc::clone(&function));
        Ok(function)
    }

    async fn receive(
        &self,
        connection: &Connection,
        name: QueueName,
        wait: Duration,
    ) -> Result<ReceiveResponse, Status> {
        if self.drain.is_cancelled() {
            return Err(error::stopping());
        }
        let function = self.function(name)?;
        let handed = if wait.is_zero() {
            self.take_what_is_there(&function, name).await?
        } else {
            tokio::select! {
                handed = function.receive(wait) => handed?,
                () = connection.ended.cancelled() => None,
            }
        };
        let Some(Handed { delivery, outcome }) = handed else {
            return Ok(ReceiveResponse::default());
        };
        self.deliveries
            .accept(connection, name.to_string(), &delivery, outcome);
        Ok(ReceiveResponse {
            payload: delivery.payload.get().to_owned(),
            msg_id: delivery.message_id,
        })
    }

    /// Takes a message without waiting. Checks the queue's depth first: a worker's wait would cost a connection each time.
    async fn take_what_is_there(
        &self,
        function: &Arc<Function>,
        name: QueueName,
    ) -> Result<Option<Handed>, Status> {
        let introduced = self.queue.introduce(name).await;
        introduced.map_err(|error| error::of_queue(&error))?;
        if let Some(handed) = function.ready() {
            return Ok(Some(handed));
        }
        let status = self.queue.status(&[name]).await;
        let status = status.map_err(|error| error::of_queue(&error))?;
        if status.iter().all(|queue| queue.depth == 0) {
            return Ok(None);
        }
        function.receive(GET_WAIT).await
    }

    async fn response(&self, key: RequestKey, wait: Duration) -> Result<ReceiveResponse, Status> {
        let Some(mut reply) = self.replies.of(&key) else {
            return Err(Status::not_found(format!(
                "request {} to {} is unknown here: it was not sent through this server, or its response was acknowledged or has expired",
                key.1, key.0
            )));
        };
        let payload = tokio::select! {
            biased;
            reply = reply.wait_for(Option::is_some) => match reply {
                Ok(reply) => reply.as_deref().map(str::to_owned),
                Err(_) if self.drain.is_cancelled() => return Err(error::stopping()),
                // Another client has acknowledged the response.
                Err(_) => None,
            },
            () = self.drain.cancelled() => return Err(error::stopping()),
            () = tokio::time::sleep(wait) => None,
        };
        Ok(
            payload.map_or_else(ReceiveResponse::default, |payload| ReceiveResponse {
                payload,
                msg_id: key.1,
            }),
        )
    }

    /// Keeps the reply until it is acknowledged or has expired.
    fn keep(&self, awaited: Awaited, pending: PendingReply) {
        let kept = Duration::from_millis(self.limits.kept_ms);
        let drain = self.drain.clone();
        let keeping = async move {
            let reply = pending.await;
            awaited.arrived(&reply.unwrap_or_else(|error| error::payload(&error.to_string())));
            tokio::select! {
                () = awaited.forgotten.cancelled() => {}
                () = tokio::time::sleep(kept) => {}
            }
        };
        tokio::spawn(async move { drain.run_until_cancelled_owned(keeping).await });
    }
}

fn request_key(service: &str, function: &str, msg_id: String) -> Result<RequestKey, Status> {
    Ok((
        request::function(service, function)?,
        request::known_msg_id(msg_id)?,
    ))
}

/// Waits until Redis has stored the answer, if this request settled one.
async fn settled(settled: Settled) -> Result<(), Status> {
    let Some(settled) = settled else {
        return Ok(());
    };
    match settled.await {
        Ok(answered) => answered.map_err(|error| error::of_queue(&error)),
        Err(_) => Err(error::stopping()),
    }
}

#[tonic::async_trait]
impl message_queue_server::MessageQueue for OriginalMessageQueue {
    async fn send_msg(
        &self,
        request: Request<SendRequest>,
    ) -> Result<Response<SendResponse>, Status> {
        let sent = request.into_inner();
        let name = request::function(&sent.service_name, &sent.func_name)?;
        let known = self.queue.knows(&name).await;
        if !known.map_err(|error| error::of_queue(&error))? {
            return Err(Status::not_found(format!(
                "no service has ever received from {name:?}; check the name, or start its service first"
            )));
        }
        let to = request::queue(&sent.service_name, &sent.func_name)?;
        let msg_id = request::msg_id(sent.msg_id)?;
        let message = OutgoingMessage {
            to,
            payload: request::payload(sent.payload)?,
            correlation: Correlation {
                correlation_id: uuid::Uuid::now_v7().simple().to_string(),
                causation_id: msg_id.clone(),
                times: None,
            },
            message_id: msg_id.clone(),
        };
        let awaited = self.replies.open((name, msg_id.clone()))?;
        let timeout = Duration::from_millis(self.limits.response_ms_max);
        let pending = self.queue.request(message, timeout).await;
        let pending = pending.map_err(|error| error::of_queue(&error))?;
        self.keep(awaited, pending);
        Ok(Response::new(SendResponse { msg_id }))
    }

    async fn send_rsp(
        &self,
        request: Request<SendRequest>,
    ) -> Result<Response<SendResponse>, Status> {
        let connection = error::connection(&request)?.number;
        let sent = request.into_inner();
        let (name, msg_id) = request_key(&sent.service_name, &sent.func_name, sent.msg_id)?;
        let response = request::payload(sent.payload)?;
        let key: Key = (connection, name, msg_id);
        settled(self.deliveries.respond(&key, response)?).await?;
        Ok(Response::new(SendResponse { msg_id: key.2 }))
    }

    async fn recv_msg(
        &self,
        request: Request<ReceiveRequest>,
    ) -> Result<Response<ReceiveResponse>, Status> {
        let connection = error::connection(&request)?;
        let wanted = request.into_inner();
        let wait = request::timeout(wanted.timeout)?;
        let name = request::queue(&wanted.service_name, &wanted.func_name)?;
        let received = self.receive(&connection, name, wait).await?;
        Ok(Response::new(received))
    }

    async fn recv_rsp(
        &self,
        request: Request<ReceiveRequest>,
    ) -> Result<Response<ReceiveResponse>, Status> {
        let wanted = request.into_inner();
        let wait = request::timeout(wanted.timeout)?;
        let key = request_key(&wanted.service_name, &wanted.func_name, wanted.msg_id)?;
        Ok(Response::new(self.response(key, wait).await?))
    }

    async fn get_msg(
        &self,
        request: Request<GetRequest>,
    ) -> Result<Response<ReceiveResponse>, Status> {
        let connection = error::connection(&request)?;
        let wanted = request.into_inner();
        let name = request::queue(&wanted.service_name, &wanted.func_name)?;
        let received = self.receive(&connection, name, Duration::ZERO).await?;
        Ok(Response::new(received))
    }

    async fn get_rsp(
        &self,
        request: Request<GetRequest>,
    ) -> Result<Response<ReceiveResponse>, Status> {
        let wanted = request.into_inner();
        let key = request_key(&wanted.service_name, &wanted.func_name, wanted.msg_id)?;
        Ok(Response::new(self.response(key, Duration::ZERO).await?))
    }

    async fn ack_msg(&self, request: Request<AckRequest>) -> Result<Response<AckResponse>, Status> {
        let connection = error::connection(&request)?.number;
        let done = request.into_inner();
        let (name, msg_id) = request_key(&done.service_name, &done.func_name, done.msg_id)?;
        settled(self.deliveries.acknowledge(&(connection, name, msg_id))?).await?;
        Ok(Response::new(AckResponse { success: true }))
    }

    async fn ack_rsp(&self, request: Request<AckRequest>) -> Result<Response<AckResponse>, Status> {
        let done = request.into_inner();
        let key = request_key(&done.service_name, &done.func_name, done.msg_id)?;
        let success = self.replies.acknowledge(&key);
        Ok(Response::new(AckResponse { success }))
    }
}
