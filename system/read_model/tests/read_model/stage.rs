//! A Redis, a writer that appends to it, and read models on it. Each read model has a queue of its own (another database of the same
//! server), so that a test knows which one it asks.

use std::sync::Arc;
use std::time::Duration;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::event_store::{
    Appended, EventStore, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueName};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::GET_ENTITY;
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;
use ordershop_read_model::{self as read_model, ProjectionConfig};
use ordershop_redis::connection::{MultiplexedConnection, RedisLink};
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The timeout of every condition; far longer than any should take.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A Redis, and a writer that appends to it.
pub struct Stage {
    pub server: RedisServer,
    events: Arc<RedisEventStore>,
    _dir: TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let server = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        let events = event_store(server.url());
        let stage = Self {
            server,
            events,
            _dir: dir,
        };
        // Every instance has its own event store: this one becomes the writer before any other starts.
        stage.product("before all").await;
        stage
    }

    /// Keeps every read model from projecting a topic, until [`Stage::release_projection`].
    pub async fn hold_projection(&self, topic: Topic) {
        let mut connection = self.connection().await;
        let mut set = redis::cmd("SET");
        set.arg(lease(topic)).arg("nobody|");
        set.exec_async(&mut connection).await.unwrap();
    }

    pub async fn release_projection(&self, topic: Topic) {
        let mut connection = self.connection().await;
        let mut del = redis::cmd("DEL");
        del.arg(lease(topic));
        del.exec_async(&mut connection).await.unwrap();
    }

    async fn connection(&self) -> MultiplexedConnection {
        let link = RedisLink::new(self.server.url()).unwrap();
        link.dedicated().await.unwrap()
    }

    /// Sends a command directly to Redis.
    pub async fn redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let link = RedisLink::new(self.server.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        let mut cmd = redis::cmd(command[0]);
        for arg in &command[1..] {
            cmd.arg(*arg);
        }
        cmd.query_async(&mut connection).await.unwrap()
    }

    /// Lists, sends again or drops dead letters.
    pub async fn dead_letters(&self, request: DeadLetterRequest) -> Vec<DeadLetter> {
        let link = RedisLink::new(self.server.url()).unwrap();
        let (metrics, config) = (QueueMetrics::default(), QueueConfig::default());
        let queue = RedisMessageQueue::start(link, metrics, config);
        let letters = queue.dead_letters(request).await.unwrap();
        queue.close().await;
        letters
    }

    /// Appends a new product; returns its position.
    pub async fn product(&self, id: &str) -> Positions {
        let product = json!({"entity_id": id, "name": "Tea", "price": 1});
        self.create(Topic::Product, &product.to_string()).await
    }

    /// Appends a new product after Redis went back: what meets the loss first is refused, and repeated.
    pub async fn product_again(&self, id: &str) -> Positions {
        let product = json!({"entity_id": id, "name": "Tea", "price": 1}).to_string();
        let deadline = std::time::Instant::now() + WAIT_MAX;
        loop {
            match self.try_create(Topic::Product, &product).await {
                Ok(positions) => return positions,
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// Appends a new entity, given as JSON; returns its position.
    pub async fn create(&self, topic: Topic, json: &str) -> Positions {
        self.try_create(topic, json).await.unwrap()
    }

    async fn try_create(&self, topic: Topic, json: &str) -> Result<Positions, EventStoreError> {
        let entity: Value = serde_json::from_str(json).unwrap();
        let id = entity["entity_id"].as_str().unwrap();
        let event = NewEvent {
            event_id: format!("event of {topic} {id}").into(),
            action: "entity_created".into(),
            entity_id: id.into(),
            expected: ExpectedVersion::NoStream,
            data: RawValue::from_string(json.to_owned()).unwrap(),
            correlation: correlation(id),
        };
        let transaction = Transaction::of(topic, vec![event]);
        let appended = self.events.append(vec![transaction]).await?;
        let [Appended::Committed { position }] = appended[..] else {
            panic!("{appended:?}");
        };
        Ok(Positions::of(topic, position))
    }
}

fn lease(topic: Topic) -> String {
    format!("lease:{{{topic}}}:read-model")
}

fn event_store(url: &str) -> Arc<RedisEventStore> {
    let link = RedisLink::new(url).unwrap();
    RedisEventStore::start(link, &AppendMetrics::default(), EventStoreConfig::default())
}

fn correlation(of: &str) -> Correlation {
    Correlation {
        correlation_id: of.into(),
        causation_id: of.into(),
        times: None,
    }
}

/// A read model, run as by a process of its own.
pub struct Instance {
    context: ServiceContext,
    events: Arc<RedisEventStore>,
    queue: Arc<RedisMessageQueue>,
}

impl Instance {
    pub fn start(server: &RedisServer, queue_db: u8) -> Self {
        Self::with(server, server.url(), queue_db, ProjectionConfig::default())
    }

    /// Starts one that reaches the events and the cache over another line, its queue directly.
    pub fn start_over(server: &RedisServer, line: &str, queue_db: u8) -> Self {
        Self::with(server, line, queue_db, ProjectionConfig::default())
    }

    /// Starts one that writes nothing for this long after it was applied.
    pub fn lingering(server: &RedisServer, queue_db: u8, linger: Duration) -> Self {
        let config = ProjectionConfig {
            linger,
            ..ProjectionConfig::default()
        };
        Self::with(server, server.url(), queue_db, config)
    }

    fn with(server: &RedisServer, line: &str, queue_db: u8, config: ProjectionConfig) -> Self {
        let events = event_store(line);
        let queue_link = RedisLink::new(&format!("{}?db={queue_db}", server.url())).unwrap();
        let metrics = QueueMetrics::default();
        let queue = RedisMessageQueue::start(queue_link, metrics.clone(), QueueConfig::default());
        let context = ServiceContext {
            queue: Arc::clone(&queue) as Arc<dyn MessageQueue>,
            events: Arc::clone(&events) as Arc<dyn EventStore>,
            metrics,
            instance: format!("read-model-{queue_db}"),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        read_model::start(&context, &RedisLink::new(line).unwrap(), config);
        Self {
            context,
            events,
            queue,
        }
    }

    /// Calls a function; returns the reply's text.
    pub async fn call(&self, to: QueueName, payload: &Value) -> String {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let message = OutgoingMessage {
            to,
            message_id: id.clone(),
            payload: serde_json::value::to_raw_value(payload).unwrap(),
            correlation: correlation(&id),
        };
        let reply = self.queue.call(message, WAIT_MAX).await.unwrap();
        reply.get().to_owned()
    }

    /// Calls a function; returns the reply.
    pub async fn ask(&self, to: QueueName, payload: &Value) -> Value {
        serde_json::from_str(&self.call(to, payload).await).unwrap()
    }

    /// Waits until a topic is applied beyond `after`; returns how far each is.
    pub async fn told(&self, after: &Positions) -> Positions {
        let applied = self.events.applied(after, WAIT_MAX).await.unwrap();
        assert!(applied.positions.is_beyond(after), "{after} is the last");
        applied.positions
    }

    /// Queries a product as of a position or later; it must exist.
    #[track_caller]
    pub fn sees<'a>(
        &'a self,
        id: &'a str,
        at_least: &'a Positions,
    ) -> impl Future<Output = ()> + use<'a> {
        let caller = std::panic::Location::caller();
        async move {
            let query = json!({"params": {"name": "product", "id": id}, "at_least": at_least});
            let reply = self.ask(GET_ENTITY, &query).await;
            assert_eq!(reply["result"]["entity_id"], id, "{caller}: {reply}");
        }
    }

    /// Waits until a product is there, or until it isn't.
    pub async fn comes_to_see(&self, id: &str, there: bool) {
        let query = json!({"params": {"name": "product", "id": id}});
        let deadline = std::time::Instant::now() + WAIT_MAX;
        loop {
            let reply = self.ask(GET_ENTITY, &query).await;
            let result = &reply["result"];
            if reply.get("result").is_some() && result.is_object() == there {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{id}: {reply}");
        }
    }

    /// Waits until the cache itself has a topic's position.
    pub async fn comes_to_write(&self, topic: Topic, position: &Positions, stage: &Stage) {
        let wanted = position.get(topic).unwrap().to_string();
        let deadline = std::time::Instant::now() + WAIT_MAX;
        loop {
            let key = format!("position:{{{topic}}}");
            let kept: Option<String> = stage.redis(&["GET", &key]).await;
            if kept.as_ref() == Some(&wanted) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{kept:?}, not {wanted}"
            );
        }
    }

    pub async fn stop(self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        tokio::time::timeout(WAIT_MAX, self.context.tasks.wait())
            .await
            .unwrap();
        self.events.close().await;
        self.queue.close().await;
    }
}
