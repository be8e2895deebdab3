//! A client that implements the event store's trait over gRPC. All appends share one stream; each subscription has its own.
//! Must not know what the store runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status, Streaming};

use super::convert;
use super::subscription::{Client, GrpcSubscription};
use crate::exchange::Exchange;
use crate::message_size::MESSAGE_BYTES_MAX;
use crate::number::number;
use crate::outstanding::OUTSTANDING_MAX;
use crate::peer::PeerChannel;
use crate::proto::ordershop as proto;
use crate::protocol::{CallFailure, Protocol};
use crate::status::store_error;
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::event_store::{
    Appended, Applied, EventStore, EventStoreError, EventSubscription, GroupStatus, RecordedEvent,
    ServerUsage, SubscribeRequest, Transaction,
};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;

use proto::append_answer::Answer;

/// Interval between reads of what the store runs on.
const DESCRIBE_MS: u64 = 5_000;
/// The interval while the store doesn't answer or has not reached its Redis.
const DESCRIBE_AGAIN_MS: u64 = 200;
/// Timeout of a request that doesn't wait for anything.
const ANSWER_MS_MAX: u64 = 10_000;

struct Append(Client);

impl Protocol for Append {
    type Request = proto::AppendRequest;
    type Requests = proto::AppendRequests;
    type Answer = Option<Answer>;
    type Answers = proto::AppendAnswers;

    fn bundle(requests: Vec<Self::Request>) -> Self::Requests {
        proto::AppendRequests { requests }
    }

    fn unbundle(answers: Self::Answers) -> impl Iterator<Item = (u64, Self::Answer)> {
        answers.answers.into_iter().map(|a| (a.number, a.answer))
    }

    fn open(
        &self,
        requests: impl Stream<Item = Self::Requests> + Send + 'static,
    ) -> BoxFuture<'static, Result<Streaming<Self::Answers>, Status>> {
        let mut client = self.0.clone();
        async move { Ok(client.append(requests).await?.into_inner()) }.boxed()
    }
}

/// The event store behind a gRPC connection. The peer need not be up yet: requests wait a few seconds for it, then fail.
pub struct GrpcEventStore {
    client: Client,
    appends: Exchange<Append>,
    closed: CancellationToken,
    partitions: Partitions,
    /// How many the store says that it has; 0 before it has said it.
    told_partitions: Arc<AtomicU32>,
    runs_on: watch::Receiver<ServerInfo>,
}

impl GrpcEventStore {
    /// Starts the client's tasks, for a shop of so many partitions. Must be called in a tokio runtime.
    #[must_use]
    pub fn start(channel: PeerChannel, partitions: Partitions) -> Arc<Self> {
        let client = Client::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let closed = CancellationToken::new();
        let told_partitions = Arc::default();
        let (sender, runs_on) = watch::channel(ServerInfo::default());
        let describing = closed.clone().run_until_cancelled_owned(describe(
            client.clone(),
            Arc::clone(&told_partitions),
            sender,
        ));
        tokio::spawn(describing);
        Arc::new(Self {
            appends: Exchange::start(Append(client.clone())),
            client,
            closed,
            partitions,
            told_partitions,
            runs_on,
        })
    }

    /// What the store runs on, as last read.
    #[must_use]
    pub fn runs_on(&self) -> watch::Receiver<ServerInfo> {
        self.runs_on.clone()
    }

    /// Refuses to go on where the shop has another number of partitions: its ids lead elsewhere.
    fn check(&self) -> Result<(), EventStoreError> {
        let (told, ours) = (
            self.told_partitions.load(Ordering::Relaxed),
            self.partitions,
        );
        if told == 0 || told == u32::from(ours.count()) {
            return Ok(());
        }
        Err(EventStoreError::Unavailable(format!(
            "the shop has {told} partitions a topic, and this process was started for {ours}; start it with --partitions {told}"
        )))
    }

    /// Sends a request that doesn't wait for anything.
    async fn ask<T, A: Future<Output = Result<Response<T>, Status>>>(
        &self,
        request: impl FnOnce(Client) -> A,
    ) -> Result<T, EventStoreError> {
        self.ask_to_wait(Duration::ZERO, request).await
    }

    /// Sends a request that waits at most so long for something.
    async fn ask_to_wait<T, A: Future<Output = Result<Response<T>, Status>>>(
        &self,
        wait_max: Duration,
        request: impl FnOnce(Client) -> A,
    ) -> Result<T, EventStoreError> {
        self.check()?;
        let limit = wait_max + Duration::from_millis(ANSWER_MS_MAX);
        let answer = tokio::time::timeout(limit, request(self.client.clone()));
        match self.closed.run_until_cancelled(answer).await {
            None => Err(EventStoreError::Closed),
            Some(Ok(Ok(answer))) => Ok(answer.into_inner()),
            Some(Ok(Err(status))) => Err(store_error(&status)),
            Some(Err(_)) => Err(EventStoreError::Unavailable(format!(
                "no answer within {} ms",
                limit.as_millis()
            ))),
        }
    }
}

impl Drop for GrpcEventStore {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

async fn describe(
    mut client: Client,
    told_partitions: Arc<AtomicU32>,
    runs_on: watch::Sender<ServerInfo>,
) {
    let limit = Duration::from_millis(ANSWER_MS_MAX);
    loop {
        let asked = client.describe(proto::DescribeRequest {});
        let pause_ms = match tokio::time::timeout(limit, asked).await {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                // A store of before says nothing, and has one.
                told_partitions.store(reply.partitions.max(1), Ordering::Relaxed);
                let info = ServerInfo {
                    server: reply.server,
                    version: reply.version,
                    durability: reply.durability,
                };
                let is_known = !info.version.is_empty();
                runs_on.send_if_modified(|before| {
                    let changed = *before != info;
                    *before = info;
                    changed
                });
                if is_known {
                    DESCRIBE_MS
                } else {
                    DESCRIBE_AGAIN_MS
                }
            }
            _ => DESCRIBE_AGAIN_MS,
        };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

fn failed(failure: CallFailure) -> EventStoreError {
    match failure {
        CallFailure::Overloaded => {
            EventStoreError::Overloaded(format!("{OUTSTANDING_MAX} calls are unanswered"))
        }
        CallFailure::Unsent(reason) => EventStoreError::Unavailable(reason),
        CallFailure::Broken(reason) => EventStoreError::Indeterminate(reason),
        CallFailure::Closed => EventStoreError::Closed,
    }
}

#[async_trait]
impl EventStore for GrpcEventStore {
    fn partitions(&self) -> Partitions {
        self.partitions
    }

    async fn append(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Appended>, EventStoreError> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        self.check()?;
        let (count, bytes) = (transactions.len(), convert::size(&transactions));
        if bytes >= MESSAGE_BYTES_MAX {
            return Err(EventStoreError::Invalid(format!(
                "the transactions of one call have about {bytes} bytes; send less than {MESSAGE_BYTES_MAX}"
            )));
        }
        let transactions = transactions.into_iter().map(convert::transaction);
        let request = |number| proto::AppendRequest {
            number,
            transactions: transactions.collect(),
        };
        match self.appends.ask(bytes, request).await.map_err(failed)? {
            Some(Answer::Appended(answer)) if answer.outcomes.len() == count => answer
                .outcomes
                .into_iter()
                .map(convert::to_appended)
                .collect(),
            Some(Answer::Error(error)) => Err(convert::to_error(error)),
            _ => Err(EventStoreError::Indeterminate(
                "the number of outcomes doesn't match the transactions".to_owned(),
            )),
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError> {
        self.check()?;
        let opening = GrpcSubscription::open(self.client.clone(), request, self.closed.clone());
        Ok(Box::new(opening.await?))
    }

    async fn read(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        let request = proto::ReadRequest {
            topic: partition.to_string(),
            after: Some(convert::position(after)),
            limit: number("limit", limit).map_err(EventStoreError::Invalid)?,
        };
        let asked = self.ask(async move |mut client: Client| client.read(request).await);
        convert::to_events(partition, asked.await?)
    }

    async fn claimed(&self, topic: Topic, claim: &str) -> Result<Vec<Partition>, EventStoreError> {
        let request = proto::ClaimedRequest {
            topic: topic.to_string(),
            claim: claim.to_owned(),
        };
        let asked = self.ask(async move |mut client: Client| client.claimed(request).await);
        let reply = asked.await?;
        let partitions = reply.topics.iter();
        partitions.map(|name| convert::to_partition(name)).collect()
    }

    async fn last_position(&self, partition: Partition) -> Result<Position, EventStoreError> {
        let request = proto::LastPositionRequest {
            topic: partition.to_string(),
        };
        let asked = self.ask(async move |mut client: Client| client.last_position(request).await);
        let reply = asked.await?;
        Ok(convert::to_position(reply.position.unwrap_or_default()))
    }

    async fn follow(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        let request = proto::FollowRequest {
            topic: partition.to_string(),
            after: Some(convert::position(after)),
            limit: number("limit", limit).map_err(EventStoreError::Invalid)?,
            wait_ms_max: number("wait_ms_max", wait_max.as_millis())
                .map_err(EventStoreError::Invalid)?,
        };
        let asked = async move |mut client: Client| client.follow(request).await;
        convert::to_events(partition, self.ask_to_wait(wait_max, asked).await?)
    }

    async fn applied(
        &self,
        after: &Positions,
        wait_max: Duration,
    ) -> Result<Applied, EventStoreError> {
        let request = proto::AppliedRequest {
            after: after.to_string(),
            wait_ms_max: number("wait_ms_max", wait_max.as_millis())
                .map_err(EventStoreError::Invalid)?,
        };
        let asked = async move |mut client: Client| client.applied(request).await;
        convert::to_applied(self.ask_to_wait(wait_max, asked).await?)
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError> {
        let asked =
            self.ask(async move |mut client: Client| client.groups(proto::GroupsRequest {}).await);
        let reply = asked.await?;
        let groups = reply.groups.into_iter().map(|group| {
            Ok(GroupStatus {
                partition: convert::to_partition(&group.topic)?,
                group: group.group,
                undelivered: group.undelivered,
                delivered: group.delivered,
                pending: group.pending,
                dead_letters: group.dead_letters,
                lag: LagHistogram::of(group.lag_counts, group.lag_sum_us),
            })
        });
        groups.collect()
    }

    async fn server_usage(&self) -> Result<Option<ServerUsage>, EventStoreError> {
        let asked =
            self.ask(async move |mut client: Client| client.usage(proto::UsageRequest {}).await);
        let reply = asked.await?;
        Ok(reply.usage.map(|usage| ServerUsage {
            cpu_us: usage.cpu_us,
            commands: usage.commands,
            calls: usage.calls.into_iter().collect(),
            input_bytes: usage.input_bytes,
            output_bytes: usage.output_bytes,
            memory_bytes: usage.memory_bytes,
        }))
    }

    async fn close(&self) {
        self.closed.cancel();
        self.appends.close();
    }
}
