//! The first OrderShop's event store. A client may join any group, even one of OrderShop's own services: a service in another
//! language that replaces one of them uses its group's name, and the group's lease keeps one member active.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::subscriptions::Subscriptions;
use super::{error, group, published, topic_stream};
use crate::proto::eventstore::event_store_server::{self, EventStoreServer};
use crate::proto::eventstore::{
    GetRequest, GetResponse, Notification, PublishRequest, PublishResponse, SubscribeRequest,
    UnsubscribeRequest, UnsubscribeResponse,
};
use ordershop_contract::event_store::{self, Appended, EventStore};
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_grpc::message_size::MESSAGE_BYTES_MAX;

/// Most `get` requests in progress at once: each may take [`MESSAGE_BYTES_MAX`] of memory.
const GETS_MAX: usize = 2;
/// Events per read when a whole topic is read.
const PAGE_EVENTS: usize = 256;
/// Room in a message for the bytes around the text.
const FRAME_BYTES: usize = 64;
/// Longest group name, characters.
const GROUP_CHARS_MAX: usize = 64;
/// Most groups of one topic; a group is never forgotten.
const GROUPS_MAX: usize = 200;
/// How long unsubscribing waits until the sent events are acknowledged.
const UNSUBSCRIBE_MS_MAX: u64 = 5_000;

/// The gRPC service of the first OrderShop's event store.
pub struct OriginalEventStore {
    store: Arc<dyn EventStore>,
    subscriptions: Arc<Subscriptions>,
    gets: Semaphore,
    drain: CancellationToken,
}

impl OriginalEventStore {
    /// Serves `store`. Streams end when `drain` is cancelled; events that a group was sent within the second before are sent again.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, drain: CancellationToken) -> Self {
        Self {
            store,
            subscriptions: Arc::default(),
            gets: Semaphore::new(GETS_MAX),
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

    fn topic(&self, name: &str) -> Result<Topic, Status> {
        if self.store.partitions() != Partitions::ONE {
            return Err(Status::failed_precondition(
                "the first OrderShop's contract knows no partitions: it serves a shop of --partitions 1 only",
            ));
        }
        // Don't echo an arbitrarily long name.
        let shown: String = name.chars().take(80).collect();
        Topic::from_str(&shown).map_err(|unknown| Status::not_found(unknown.to_string()))
    }

    async fn check_group(&self, topic: Topic, group: &str) -> Result<(), Status> {
        let fits =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        if group.len() > GROUP_CHARS_MAX || !group.bytes().all(fits) {
            return Err(Status::invalid_argument(format!(
                "bad group_name: use 1 to {GROUP_CHARS_MAX} characters of A-Z, a-z, 0-9, '-', '_', '.' and ':'"
            )));
        }
        let groups = self.store.groups().await;
        let groups = groups.map_err(|error| error::of_store(&error))?;
        let mut groups = groups.iter().filter(|other| other.partition.topic == topic);
        if groups.clone().count() >= GROUPS_MAX && !groups.any(|other| other.group == group) {
            return Err(Status::resource_exhausted(format!(
                "topic {topic} already has {GROUPS_MAX} groups; join one of them"
            )));
        }
        Ok(())
    }

    async fn whole(&self, topic: Topic) -> Result<String, Status> {
        let mut text = Vec::new();
        let mut after = Position::START;
        loop {
            let page = self.store.read(topic.into(), after, PAGE_EVENTS).await;
            let page = page.map_err(|error| error::of_store(&error))?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                text.push(if text.is_empty() { b'[' } else { b',' });
                published::write_entry(event, &mut text);
                if text.len() + FRAME_BYTES > MESSAGE_BYTES_MAX {
                    return Err(Status::resource_exhausted(format!(
                        "topic {topic} does not fit a message of {MESSAGE_BYTES_MAX} bytes; subscribe with a group of your own to read all of it"
                    )));
                }
            }
        }
        if !text.is_empty() {
            text.push(b']');
        }
        String::from_utf8(text).map_err(|_| Status::internal("the topic's JSON is not UTF-8"))
    }
}

#[tonic::async_trait]
impl event_store_server::EventStore for OriginalEventStore {
    type subscribeStream = BoxStream<'static, Result<Notification, Status>>;

    async fn publish(
        &self,
        request: Request<PublishRequest>,
    ) -> Result<Response<PublishResponse>, Status> {
        let PublishRequest {
            event_topic,
            event_info,
        } = request.into_inner();
        let transaction = published::transaction(self.topic(&event_topic)?, &event_info)
            .map_err(Status::invalid_argument)?;
        let event_id = transaction.events[0].event_id.clone();
        let appended = self.store.append(vec![transaction]).await;
        let mut appended = appended.map_err(|error| error::of_store(&error))?;
        match appended.pop() {
            Some(Appended::Committed { position }) => Ok(Response::new(PublishResponse {
                entry_id: position.to_string(),
            })),
            Some(Appended::Conflict { .. }) => Err(Status::already_exists(format!(
                "event {event_id:?} has already been published"
            ))),
            None => Err(Status::internal("the event store gave no outcome")),
        }
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::subscribeStream>, Status> {
        let connection = error::connection(&request)?;
        let request = request.into_inner();
        let topic = self.topic(&request.event_topic)?;
        if self.drain.is_cancelled() {
            return Err(error::stopping());
        }
        let drain = self.drain.clone();
        if request.group_name.is_empty() {
            let subscribed = self.subscriptions.enter(connection.number, topic)?;
            let after = self.store.last_position(topic.into()).await;
            let after = after.map_err(|error| error::of_store(&error))?;
            let store = Arc::clone(&self.store);
            let stream = topic_stream::open(store, topic, after, subscribed, drain);
            return Ok(Response::new(stream));
        }
        self.check_group(topic, &request.group_name).await?;
        let subscribed = self.subscriptions.enter(connection.number, topic)?;
        let subscription = self.store.subscribe(event_store::SubscribeRequest {
            group: request.group_name,
            partition: topic.into(),
            consumer: format!("original-{}", uuid::Uuid::now_v7().simple()),
            batch_max: group::BATCH_EVENTS_MAX,
        });
        let subscription = subscription.await;
        let subscription = subscription.map_err(|error| error::of_store(&error))?;
        let stream = group::open(subscription, subscribed, drain);
        Ok(Response::new(stream))
    }

    async fn unsubscribe(
        &self,
        request: Request<UnsubscribeRequest>,
    ) -> Result<Response<UnsubscribeResponse>, Status> {
        let connection = error::connection(&request)?;
        let topic = self.topic(&request.into_inner().event_topic)?;
        let ending = self.subscriptions.unsubscribe(connection.number, topic);
        let success = !ending.is_empty();
        // Wait, so that closing the connection next doesn't look like a crash. Bounded, because a stream that the client doesn't read may stay.
        let ended = join_all(ending.iter().map(CancellationToken::cancelled));
        let limit = Duration::from_millis(UNSUBSCRIBE_MS_MAX);
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!(%topic, "a subscription's client does not read; its last events will be sent again");
        }
        Ok(Response::new(UnsubscribeResponse { success }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let topic = self.topic(&request.into_inner().event_topic)?;
        // Can't fail: the semaphore is never closed.
        let _permit = self.gets.acquire().await;
        let events = self.whole(topic).await?;
        Ok(Response::new(GetResponse { events }))
    }
}
