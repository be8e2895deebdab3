//! Serves an implementation of the event store's trait over its gRPC contract. Must not know what the store runs on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{convert, subscribing};
use crate::answering::answer;
use crate::message_size::MESSAGE_BYTES_MAX;
use crate::proto::ordershop as proto;
use crate::status::of_store;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::event_store::{EventStore, EventStoreError};

use proto::append_answer::{Answer, Outcomes};
use proto::event_store_server::{EventStore as Contract, EventStoreServer};

/// Longest wait of one request for news; a client that wants to wait longer repeats it.
const WAIT_MS_MAX: u32 = 60_000;

/// The gRPC service of an event store.
pub struct EventStoreService {
    store: Arc<dyn EventStore>,
    runs_on: watch::Receiver<ServerInfo>,
    drain: CancellationToken,
}

impl EventStoreService {
    /// Serves `store`. `drain` is cancelled when the server is to stop; streams then end cleanly.
    #[must_use]
    pub fn new(
        store: Arc<dyn EventStore>,
        runs_on: watch::Receiver<ServerInfo>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            store,
            runs_on,
            drain,
        }
    }

    /// The service for a server's routes.
    #[must_use]
    pub fn into_server(self) -> EventStoreServer<Self> {
        EventStoreServer::new(self)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

async fn append(store: Arc<dyn EventStore>, request: proto::AppendRequest) -> proto::AppendAnswer {
    let transactions: Result<Vec<_>, _> = request
        .transactions
        .into_iter()
        .map(convert::to_transaction)
        .collect();
    let appended = match transactions {
        Ok(transactions) => store.append(transactions).await,
        Err(error) => Err(error),
    };
    let answer = match appended {
        Ok(outcomes) => Answer::Appended(Outcomes {
            outcomes: outcomes.into_iter().map(convert::appended).collect(),
        }),
        Err(error) => Answer::Error(convert::error(error)),
    };
    proto::AppendAnswer {
        number: request.number,
        answer: Some(answer),
    }
}

/// An answer's approximate size on the wire, bytes.
fn size(answer: &proto::AppendAnswer) -> usize {
    match &answer.answer {
        Some(Answer::Appended(outcomes)) => 32 * outcomes.outcomes.len(),
        _ => 100,
    }
}

fn wait(ms: u32) -> Result<Duration, Status> {
    if ms > WAIT_MS_MAX {
        return Err(Status::invalid_argument(format!(
            "wait_ms_max must be at most {WAIT_MS_MAX}"
        )));
    }
    Ok(Duration::from_millis(ms.into()))
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn failed(error: EventStoreError) -> Status {
    of_store(&error)
}

#[tonic::async_trait]
impl Contract for EventStoreService {
    type AppendStream = Outgoing<proto::AppendAnswers>;
    type SubscribeStream = Outgoing<proto::Events>;

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendRequests>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let store = Arc::clone(&self.store);
        let begin = move |message: proto::AppendRequests| {
            let store = Arc::clone(&store);
            let each = move |request| append(Arc::clone(&store), request);
            message.requests.into_iter().map(each)
        };
        let answers = answer(request.into_inner(), self.drain.clone(), begin, size);
        let answers = answers.map(|answers| Ok(proto::AppendAnswers { answers: answers? }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn subscribe(
        &self,
        request: Request<Streaming<proto::SubscriptionRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (store, drain) = (Arc::clone(&self.store), self.drain.clone());
        let batches = subscribing::subscribe(store, request.into_inner(), drain).await?;
        Ok(Response::new(Box::pin(batches)))
    }

    async fn read(
        &self,
        request: Request<proto::ReadRequest>,
    ) -> Result<Response<proto::Events>, Status> {
        let request = request.into_inner();
        let partition = convert::named_partition(&request.topic)?;
        let after = convert::to_position(request.after.unwrap_or_default());
        let read = self.store.read(partition, after, request.limit as usize);
        let events = read.await.map_err(failed)?;
        Ok(Response::new(convert::events(partition, events)))
    }

    async fn follow(
        &self,
        request: Request<proto::FollowRequest>,
    ) -> Result<Response<proto::Events>, Status> {
        let request = request.into_inner();
        let partition = convert::named_partition(&request.topic)?;
        let after = convert::to_position(request.after.unwrap_or_default());
        let wait_max = wait(request.wait_ms_max)?;
        let limit = request.limit as usize;
        let follow = self.store.follow(partition, after, limit, wait_max);
        // No event in time is not an error: a follower repeats its request, maybe to another server.
        let events = self.drain.run_until_cancelled(follow).await;
        let events = events.unwrap_or(Ok(Vec::new())).map_err(failed)?;
        Ok(Response::new(convert::events(partition, events)))
    }

    async fn applied(
        &self,
        request: Request<proto::AppliedRequest>,
    ) -> Result<Response<proto::AppliedReply>, Status> {
        let request = request.into_inner();
        let after = convert::to_positions(&request.after).map_err(failed)?;
        let wait_max = wait(request.wait_ms_max)?;
        let told = self.store.applied(&after, wait_max);
        let told = self.drain.run_until_cancelled(told).await;
        let told = told.unwrap_or(Err(EventStoreError::Closed));
        Ok(Response::new(convert::applied(told.map_err(failed)?)))
    }

    async fn claimed(
        &self,
        request: Request<proto::ClaimedRequest>,
    ) -> Result<Response<proto::ClaimedReply>, Status> {
        let request = request.into_inner();
        let topic = convert::named_partition(&request.topic)?.topic;
        let claimed = self.store.claimed(topic, &request.claim).await;
        let topics = claimed.map_err(failed)?.into_iter();
        Ok(Response::new(proto::ClaimedReply {
            topics: topics.map(|partition| partition.to_string()).collect(),
        }))
    }

    async fn last_position(
        &self,
        request: Request<proto::LastPositionRequest>,
    ) -> Result<Response<proto::LastPositionReply>, Status> {
        let partition = convert::named_partition(&request.into_inner().topic)?;
        let position = self.store.last_position(partition).await.map_err(failed)?;
        Ok(Response::new(proto::LastPositionReply {
            position: Some(convert::position(position)),
        }))
    }

    async fn groups(
        &self,
        _: Request<proto::GroupsRequest>,
    ) -> Result<Response<proto::GroupsReply>, Status> {
        let groups = self.store.groups().await.map_err(failed)?;
        let groups = groups.into_iter().map(|group| proto::groups_reply::Group {
            group: group.group,
            topic: group.partition.to_string(),
            undelivered: group.undelivered,
            delivered: group.delivered,
            pending: group.pending,
            lag_counts: group.lag.counts().to_vec(),
            lag_sum_us: group.lag.sum_us(),
            dead_letters: group.dead_letters,
        });
        Ok(Response::new(proto::GroupsReply {
            groups: groups.collect(),
        }))
    }

    async fn usage(
        &self,
        _: Request<proto::UsageRequest>,
    ) -> Result<Response<proto::UsageReply>, Status> {
        let usage = self.store.server_usage().await.map_err(failed)?;
        let usage = usage.map(|usage| proto::usage_reply::Usage {
            cpu_us: usage.cpu_us,
            commands: usage.commands,
            calls: usage.calls.into_iter().collect(),
            input_bytes: usage.input_bytes,
            output_bytes: usage.output_bytes,
            memory_bytes: usage.memory_bytes,
        });
        Ok(Response::new(proto::UsageReply { usage }))
    }

    async fn describe(
        &self,
        _: Request<proto::DescribeRequest>,
    ) -> Result<Response<proto::DescribeReply>, Status> {
        let info = self.runs_on.borrow().clone();
        Ok(Response::new(proto::DescribeReply {
            server: info.server,
            version: info.version,
            durability: info.durability,
            partitions: self.store.partitions().count().into(),
        }))
    }
}
