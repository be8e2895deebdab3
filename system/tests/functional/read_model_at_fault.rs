//! Services whose read model is played by the test: for a while it is away, or answers what nobody can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{Appended, ExpectedVersion, NewEvent, Transaction};
use ordershop_contract::message_queue::{Answer, Delivery, OutgoingMessage, QueueName};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::payload;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::queue_names::{self, GET_FACTS, SEND_MAIL};
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::{QueueHandler, ServiceContext, run_worker};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;
use ordershop_services::sagas::{self, CrmSaga, ShippingSaga};
use ordershop_services::{OrderService, ShippingService};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The timeout of every condition; far longer than any should take.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than an event that is poison is tried.
const TRIES: usize = 7;

const CUSTOMER: &str = "ada";
const CART: &str = "c";
const AWAY: &str = r#"{"error":"away","status":503}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_no_dead_letter_because_the_read_model_answers_unreadably() {
    let stage = Stage::new().await;
    let mails = stage.takes_mails();
    let order = json!({"entity_id": "o", "cart_id": CART, "status": "CLEARED",
        "customer_id": CUSTOMER, "lines": [], "total": 3});
    let unreadable = r#"{"result":{"order":[{"entity":"nonsense"}]}}"#;
    stage.read_model(
        unreadable,
        TRIES,
        json!({"order": [versioned(&order, 1)], "customer": [customer()]}),
    );
    let saga = || CrmSaga::new(stage.context.clone(), Duration::ZERO);
    sagas::start(&stage.context, Topic::Billing, saga);

    let billing = json!({"entity_id": "b", "order_id": "o", "amount": 3});
    stage
        .appends(Topic::Billing, "b", "entity_created", ("b", 0), &billing)
        .await;

    let mail = received(mails).await;
    assert!(mail.contains("your payment of € 0.03"), "{mail}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_worker_died_after_it_marked_the_cart_is_created_when_the_read_model_is_back()
 {
    let stage = Stage::new().await;
    let create = queue_names::create(Topic::Order).unwrap();
    let (id, reply) = stage.is_asked(create, json!({"cart_id": CART}));
    let mark = format!("{id}.ordered.1");
    let marked = cart(Some(&id));
    stage
        .worker_dies_after(
            create,
            Topic::Cart,
            (CART, 1),
            &mark,
            "entity_updated",
            &marked,
        )
        .await;
    let found = json!({"cart": [versioned(&marked, 2)], "customer": [customer()]});
    stage.read_model(AWAY, 2, found);

    ordershop_services::start::<OrderService>(&stage.context);

    assert_eq!(reply.await.unwrap()["result"], json!([id]));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_whose_orders_deletion_was_cut_short_is_free_when_the_read_model_is_back() {
    let stage = Stage::new().await;
    let order = json!({"entity_id": "o", "cart_id": CART, "status": "IN_STOCK"});
    stage
        .appends(Topic::Order, "created", "entity_created", ("o", 0), &order)
        .await;
    let delete = queue_names::delete(Topic::Order).unwrap();
    let (id, reply) = stage.is_asked(delete, json!({"entity_id": "o"}));
    stage
        .worker_dies_after(
            delete,
            Topic::Order,
            ("o", 1),
            &id,
            "entity_deleted",
            &order,
        )
        .await;
    stage.read_model(AWAY, 2, json!({"cart": [versioned(&cart(Some("o")), 1)]}));

    ordershop_services::start::<OrderService>(&stage.context);

    assert_eq!(reply.await.unwrap()["result"], true);
    let carts = stage
        .context
        .events
        .read(Topic::Cart.into(), Position::START, 10);
    let carts = carts.await.unwrap();
    assert_eq!(carts.last().unwrap().event_id, "o.freed.1");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_asks_for_its_entity_and_for_what_decides_it_at_once() {
    let stage = Stage::new().await;
    let there = json!({"entity_id": "s", "order_id": "o", "delivered": 0.0});
    stage
        .appends(Topic::Shipping, "s", "entity_created", ("s", 0), &there)
        .await;
    let order = json!({"entity_id": "o", "cart_id": CART, "status": "SHIPPED"});
    let found = json!({"order": [versioned(&order, 5)], "shipping": [versioned(&there, 1)]});
    let asked = stage.read_model(AWAY, 0, found);
    let update = queue_names::update(Topic::Shipping).unwrap();
    let delivered = json!({"entity_id": "s", "order_id": "o", "delivered": 7.0});
    let (_, reply) = stage.is_asked(update, delivered);

    ordershop_services::start::<ShippingService>(&stage.context);

    assert_eq!(reply.await.unwrap()["result"], true);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_saga_has_just_read_is_not_asked_for_again() {
    let stage = Stage::new().await;
    let order = |id: &str, status| json!({"entity_id": id, "cart_id": CART, "status": status});
    let event = async |id: &str, version: u64, status| {
        let (event_id, order) = (format!("{id}{version}"), order(id, status));
        let changed = ["entity_created", "entity_updated", "entity_updated"][version as usize];
        let aggregate = (id, version);
        stage
            .appends(Topic::Order, &event_id, changed, aggregate, &order)
            .await;
    };
    for (version, status) in [(0, "IN_STOCK"), (1, "CLEARED"), (2, "UNCLEARED")] {
        event("taken back", version, status).await;
    }
    for (version, status) in [(0, "IN_STOCK"), (1, "CLEARED")] {
        event("paid", version, status).await;
    }
    let asked = stage.read_model(AWAY, TRIES, json!({}));

    let saga = || ShippingSaga::new(stage.context.clone());
    sagas::start(&stage.context, Topic::Order, saga);

    let events = &stage.context.events;
    let shippings = events.follow(Topic::Shipping.into(), Position::START, 10, PATIENCE);
    let shippings = shippings.await.unwrap();
    let ids: Vec<&str> = shippings.iter().map(|event| &*event.entity_id).collect();
    assert_eq!(ids, ["paid-shipping"]);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    stage.close().await;
}

/// A queue and an event store that a shop's services share, with a cart.
struct Stage {
    context: ServiceContext,
    redis: RedisServer,
    _dir: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let redis = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        let link = RedisLink::new(redis.url()).unwrap();
        let metrics = QueueMetrics::default();
        let (appends, config) = (AppendMetrics::default(), EventStoreConfig::default());
        let events = RedisEventStore::start(link.clone(), &appends, config);
        let queue = RedisMessageQueue::start(link, metrics.clone(), QueueConfig::default());
        let stage = Self {
            context: ServiceContext {
                queue,
                events,
                metrics,
                instance: "one".to_owned(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            },
            redis,
            _dir: dir,
        };
        stage
            .appends(
                Topic::Cart,
                "cart",
                "entity_created",
                (CART, 0),
                &cart(None),
            )
            .await;
        stage
    }

    /// Appends an event to an aggregate that is in this version.
    async fn appends(
        &self,
        topic: Topic,
        event_id: &str,
        action: &'static str,
        (entity_id, version): (&str, u64),
        data: &Value,
    ) {
        let event = NewEvent {
            event_id: event_id.into(),
            action: action.into(),
            entity_id: entity_id.into(),
            expected: match version {
                0 => ExpectedVersion::NoStream,
                version => ExpectedVersion::Exact(version),
            },
            data: to_raw_value(data).unwrap(),
            correlation: correlation(),
        };
        let transaction = Transaction::of(topic, vec![event]);
        let appended = self.context.events.append(vec![transaction]).await;
        let appended = appended.unwrap();
        assert!(
            matches!(appended[..], [Appended::Committed { .. }]),
            "{appended:?}"
        );
    }

    /// Sends a command; returns its id, and what will be answered.
    fn is_asked(&self, to: QueueName, params: Value) -> (String, tokio::task::JoinHandle<Value>) {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let message = OutgoingMessage {
            to,
            message_id: id.clone(),
            payload: payload::message(params, &Positions::NONE),
            correlation: correlation(),
        };
        let queue = Arc::clone(&self.context.queue);
        let reply = tokio::spawn(async move {
            let reply = queue.call(message, PATIENCE).await.unwrap();
            serde_json::from_str(reply.get()).unwrap()
        });
        (id, reply)
    }

    /// A worker takes the command, appends this event, and dies.
    async fn worker_dies_after(
        &self,
        queue: QueueName,
        topic: Topic,
        aggregate: (&str, u64),
        event_id: &str,
        action: &'static str,
        data: &Value,
    ) {
        let mut worker = self.context.queue.consume(queue, 1).await.unwrap();
        worker.exchange(Vec::new()).await.unwrap();
        self.appends(topic, event_id, action, aggregate, data).await;
    }

    /// Plays the read model: `fault` so many times, then what is found. Returns how often it was asked.
    fn read_model(&self, fault: &'static str, times: usize, found: Value) -> Arc<AtomicUsize> {
        let asked = Arc::<AtomicUsize>::default();
        let handler: Arc<dyn QueueHandler> = Arc::new(ReadModel {
            fault,
            times: AtomicUsize::new(times),
            asked: Arc::clone(&asked),
            found: json!({"result": found}),
        });
        run_worker(&self.context, GET_FACTS, 1, &handler);
        asked
    }

    /// Takes the mails that are to be sent.
    fn takes_mails(&self) -> mpsc::UnboundedReceiver<String> {
        let (sent, mails) = mpsc::unbounded_channel();
        let handler: Arc<dyn QueueHandler> = Arc::new(MailBox(sent));
        run_worker(&self.context, SEND_MAIL, 1, &handler);
        mails
    }

    async fn close(self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
        self.context.events.close().await;
        self.context.queue.close().await;
        self.redis.stop().await;
    }
}

struct ReadModel {
    fault: &'static str,
    times: AtomicUsize,
    asked: Arc<AtomicUsize>,
    found: Value,
}

#[async_trait]
impl QueueHandler for ReadModel {
    async fn handle(&self, _: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        let answer = |_: &Delivery| {
            let left = |left: usize| left.checked_sub(1);
            let is_faulty = self
                .times
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
            Answer::Reply(match is_faulty {
                Ok(_) => RawValue::from_string(self.fault.to_owned()).unwrap(),
                Err(_) => to_raw_value(&self.found).unwrap(),
            })
        };
        self.asked.fetch_add(batch.len(), Ordering::Relaxed);
        batch.iter().map(answer).collect()
    }
}

struct MailBox(mpsc::UnboundedSender<String>);

#[async_trait]
impl QueueHandler for MailBox {
    async fn handle(&self, _: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        let take = |delivery: &Delivery| {
            self.0.send(delivery.payload.get().to_owned()).unwrap();
            Answer::Reply(to_raw_value(&json!({"result": true})).unwrap())
        };
        batch.iter().map(take).collect()
    }
}

async fn received(mut mails: mpsc::UnboundedReceiver<String>) -> String {
    let mail = tokio::time::timeout(PATIENCE, mails.recv()).await;
    mail.expect("no mail").unwrap()
}

fn correlation() -> Correlation {
    Correlation {
        correlation_id: "c".into(),
        causation_id: "c".into(),
        times: None,
    }
}

fn versioned(entity: &Value, version: u64) -> Value {
    json!({"entity": entity, "version": version})
}

fn customer() -> Value {
    versioned(
        &json!({"entity_id": CUSTOMER, "name": "Ada", "email": "a@b"}),
        1,
    )
}

fn cart(order_id: Option<&str>) -> Value {
    match order_id {
        Some(order_id) => {
            json!({"entity_id": CART, "customer_id": CUSTOMER, "product_ids": [], "order_id": order_id})
        }
        None => json!({"entity_id": CART, "customer_id": CUSTOMER, "product_ids": []}),
    }
}
