//! The set-up that the tests share: a Redis for each test, a server of both contracts on it, and clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use ordershop_contract::event_store::EventStore as _;
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::topic::Topic;
use ordershop_grpc::connection::Tracked;
use ordershop_original::proto::eventstore::event_store_client::EventStoreClient;
use ordershop_original::proto::eventstore::{Notification, PublishRequest, SubscribeRequest};
use ordershop_original::proto::messagequeue::message_queue_client::MessageQueueClient;
use ordershop_original::proto::messagequeue::{
    AckRequest, GetRequest, ReceiveRequest, SendRequest,
};
use ordershop_original::{MessageLimits, OriginalEventStore, OriginalMessageQueue};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Events = EventStoreClient<Channel>;
pub type Messages = MessageQueueClient<Channel>;

pub struct Server {
    address: SocketAddr,
    pub store: Arc<RedisEventStore>,
    pub queue: Arc<RedisMessageQueue>,
    pub drain: CancellationToken,
    pub serving: JoinHandle<Result<(), tonic::transport::Error>>,
    _redis: RedisServer,
    _dir: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::with_limits(MessageLimits::default()).await
    }

    pub async fn with_limits(limits: MessageLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        let link = RedisLink::new(redis.url()).unwrap();
        let config = EventStoreConfig::default();
        let store = RedisEventStore::start(link.clone(), &AppendMetrics::default(), config);
        let queue = RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default());
        let drain = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let events = OriginalEventStore::new(Arc::clone(&store) as _, drain.clone());
        let messages = OriginalMessageQueue::with_limits(queue.clone(), drain.clone(), limits);
        let incoming = TcpListenerStream::new(listener).map(|socket| socket.map(Tracked::new));
        let serving = tonic::transport::Server::builder()
            .add_service(events.into_server())
            .add_service(messages.into_server())
            .serve_with_incoming_shutdown(incoming, drain.clone().cancelled_owned());
        Self {
            address,
            store,
            queue,
            drain,
            serving: tokio::spawn(serving),
            _redis: redis,
            _dir: dir,
        }
    }

    /// Opens a new connection.
    async fn connect(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn events(&self) -> Events {
        EventStoreClient::new(self.connect().await)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    pub async fn messages(&self) -> Messages {
        MessageQueueClient::new(self.connect().await)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// The numbers of pending and of undelivered events of a group in topic `order`.
    pub async fn backlog(&self, group: &str) -> (u64, u64) {
        let groups = self.store.groups().await.unwrap();
        let group = groups
            .into_iter()
            .find(|other| other.group == group && other.partition == Topic::Order.into());
        group.map_or((0, 0), |group| (group.pending, group.undelivered.unwrap()))
    }
}

/// Publishes `{"event_id": id, …}` to topic `order`.
pub async fn publish(client: &mut Events, id: &str) -> String {
    let event_info = format!(
        r#"{{"event_id":"{id}","event_action":"tested","event_data":{{"entity_id":"o","n":[1,2]}}}}"#
    );
    let request = PublishRequest {
        event_topic: "order".into(),
        event_info,
    };
    client.publish(request).await.unwrap().into_inner().entry_id
}

/// Subscribes to topic `order`; returns when the subscription has begun.
pub async fn subscribe(client: &mut Events, group: &str) -> tonic::Streaming<Notification> {
    let request = SubscribeRequest {
        event_topic: "order".into(),
        group_name: group.into(),
    };
    client.subscribe(request).await.unwrap().into_inner()
}

/// The next event.
pub async fn next(stream: &mut tonic::Streaming<Notification>) -> Option<Notification> {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await;
    message.expect("an event or the end in time").unwrap()
}

/// The ids of the next events.
pub async fn ids(stream: &mut tonic::Streaming<Notification>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        ids.push(next(stream).await.expect("the stream goes on").event_id);
    }
    ids
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The service of the function that these tests use; no real service has this name.
pub const SERVICE: &str = "test-service";
/// The function that these tests use.
pub const FUNCTION: &str = "echo";

/// A request or a response of [`FUNCTION`].
pub fn message(msg_id: &str, payload: &str) -> SendRequest {
    SendRequest {
        service_name: SERVICE.into(),
        func_name: FUNCTION.into(),
        msg_id: msg_id.into(),
        payload: payload.into(),
    }
}

/// A request to receive a message.
pub fn receive(msg_id: &str, timeout: i32) -> ReceiveRequest {
    ReceiveRequest {
        service_name: SERVICE.into(),
        func_name: FUNCTION.into(),
        msg_id: msg_id.into(),
        timeout,
    }
}

/// A request to get a message without waiting.
pub fn get(msg_id: &str) -> GetRequest {
    GetRequest {
        service_name: SERVICE.into(),
        func_name: FUNCTION.into(),
        msg_id: msg_id.into(),
    }
}

/// An acknowledgement.
pub fn ack(msg_id: &str) -> AckRequest {
    AckRequest {
        service_name: SERVICE.into(),
        func_name: FUNCTION.into(),
        msg_id: msg_id.into(),
        payload: String::new(),
    }
}

/// Makes [`FUNCTION`] known to the queue.
pub async fn introduce(client: &mut Messages) {
    client.get_msg(get("")).await.unwrap();
}

/// Receives a request, which must arrive; returns its id and payload.
pub async fn received(client: &mut Messages) -> (String, String) {
    let message = client.recv_msg(receive("", 20)).await.unwrap().into_inner();
    (message.msg_id, message.payload)
}

/// Waits for the response to a request, which must arrive.
pub async fn response(client: &mut Messages, msg_id: &str) -> String {
    let response = client.recv_rsp(receive(msg_id, 20)).await.unwrap();
    response.into_inner().payload
}
