//! Events that come again, or late, or against each other: made by the lease that keeps a saga from reading, by a dead letter that is sent
//! again, and by a foreign service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use ordershop_contract::event_store::{EventStore, RecordedEvent};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::server::RedisServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::customer::{Customer, EVENTUALLY_MS};
use crate::foreign_service::ForeignService;
use crate::shop::Shop;

/// More events than a topic of these tests has.
const EVENTS_MAX: usize = 1_000;

/// A shop some of whose sagas don't read until they are let.
struct Held {
    redis: RedisServer,
    connection: redis::aio::MultiplexedConnection,
    store: Arc<dyn EventStore>,
    shop: Shop,
    foreign: ForeignService,
    _dir: TempDir,
}

impl Held {
    /// Holds a group's lease on a topic before the shop starts.
    async fn open(held: Option<(Topic, &str)>) -> Self {
        let dir = TempDir::new().unwrap();
        let redis = RedisServer::start(dir.path(), Durability::None);
        let redis = redis.await.unwrap();
        let link = RedisLink::new(redis.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        if let Some((topic, group)) = held {
            let mut hold = redis::cmd("SET");
            hold.arg(lease(topic, group)).arg("a test");
            hold.exec_async(&mut connection).await.unwrap();
        }
        let metrics = AppendMetrics::default();
        Self {
            connection,
            store: RedisEventStore::start(link, &metrics, EventStoreConfig::default()).unwrap(),
            shop: Shop::open_on(redis.url()).await,
            foreign: ForeignService::on(redis.url()),
            redis,
            _dir: dir,
        }
    }

    fn http(&self) -> &Customer {
        &self.shop.customer
    }

    /// Lets a group read.
    async fn let_go(&mut self, topic: Topic, group: &str) {
        let mut release = redis::cmd("DEL");
        release.arg(lease(topic, group));
        release.exec_async(&mut self.connection).await.unwrap();
    }

    /// Everything that happened to an aggregate.
    async fn history(&self, topic: Topic, id: &str) -> Vec<RecordedEvent> {
        let events = self.store.read(topic, Position::START, EVENTS_MAX);
        let mut events = events.await.unwrap();
        assert!(events.len() < EVENTS_MAX);
        events.retain(|event| event.entity_id == id);
        events
    }

    /// Makes an event a dead letter of a group, sends it again, and waits until the group has handled all.
    async fn comes_again(&mut self, event: &RecordedEvent, group: &str) {
        let topic = event.topic;
        let mut bury = redis::cmd("XADD");
        bury.arg(format!("dead:{{{topic}}}:{group}")).arg("*");
        bury.arg(&["position", &event.position.to_string(), "reason", "a test"]);
        let letter: String = bury.query_async(&mut self.connection).await.unwrap();
        let resend = format!("/dead-letters/{topic}:{group}:{letter}/resend");
        let resent = self.http().raw(Method::POST, &resend, "").await;
        assert_eq!(resent.result(), &json!(true));
        self.becomes_idle(group).await;
    }

    async fn becomes_idle(&self, group: &str) {
        let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
        loop {
            let groups = self.store.groups().await.unwrap();
            let busy = groups.iter().any(|status| {
                status.group == group && (status.pending > 0 || status.undelivered != Some(0))
            });
            if !busy {
                return;
            }
            assert!(Instant::now() < deadline, "{groups:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// An order of one piece of one product, at 300 each; returns it with the product.
    async fn order(&self, pieces: u64) -> (String, String) {
        let http = self.http();
        let product = http.product(300, pieces).await;
        let cart = http.cart(&http.customer().await, &[&product]).await;
        (http.order(&cart).await, product)
    }

    async fn close(self) {
        self.store.close().await;
        self.shop.close().await;
        self.redis.stop().await;
    }
}

fn lease(topic: Topic, group: &str) -> String {
    format!("lease:{{{topic}}}:{group}")
}

fn shipping(id: &str, order: &str) -> Value {
    json!({"entity_id": id, "order_id": order, "delivered": 0})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_comes_again_after_its_deletion_holds_no_stock() {
    let mut shop = Held::open(None).await;
    let http = shop.http().clone();
    let product = http.product(300, 1).await;
    let customer = http.customer().await;
    let carts = [
        http.cart(&customer, &[&product]).await,
        http.cart(&customer, &[&product]).await,
    ];
    let lucky = http.order(&carts[0]).await;
    http.order_becomes(&lucky, "IN_STOCK").await;
    let order = http.order(&carts[1]).await;
    http.order_becomes(&order, "OUT_OF_STOCK").await;
    http.delete(&format!("/order/{order}")).await.result();
    let inventory = http.get("/inventories").await.result()[0]["entity_id"].clone();
    let path = format!("/inventory/{}", inventory.as_str().unwrap());
    let stock = json!({"product_id": product, "amount": 5});
    http.put(&path, &stock).await.result();

    let created = shop.history(Topic::Order, &order).await.remove(0);
    shop.comes_again(&created, "inventory-service").await;

    let reservation = shop.history(Topic::Inventory, &order).await;
    let actions: Vec<&str> = reservation.iter().map(|event| &*event.action).collect();
    assert_eq!(actions, [action::STOCK_RESERVED, action::STOCK_RELEASED]);
    http.eventually(&path, |inventory| inventory["amount"] == 5)
        .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_order_whose_pieces_were_reserved_before_is_in_stock_although_its_product_is_gone()
 {
    let (topic, group) = (Topic::Order, "inventory-service");
    let mut shop = Held::open(Some((topic, group))).await;
    let http = shop.http().clone();
    let product = http.product(300, 4).await;
    let cart = http.cart(&http.customer().await, &[&product]).await;
    let inventory = http.get("/inventories").await.result()[0]["entity_id"].clone();
    let order = json!({"entity_id": "o", "cart_id": cart, "status": "CREATED"});
    shop.foreign
        .writes(topic, "o", 1, action::CREATED, &order)
        .await;
    // The earlier attempt, which got no further.
    let line = json!({"inventory_id": inventory, "product_id": product, "quantity": 1});
    let reserved = json!({"order_id": "o", "lines": [line]});
    shop.foreign
        .writes(Topic::Inventory, "o", 1, action::STOCK_RESERVED, &reserved)
        .await;
    http.eventually("/order/o", Value::is_object).await;
    http.delete(&format!("/product/{product}")).await.result();

    shop.let_go(topic, group).await;

    http.order_becomes("o", "IN_STOCK").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_payment_that_comes_before_the_stock_is_reserved_is_returned() {
    let (topic, group) = (Topic::Order, "inventory-service");
    let mut shop = Held::open(Some((topic, group))).await;
    let (order, _) = shop.order(5).await;
    let billing = json!({"entity_id": "early", "order_id": order, "amount": 300});
    shop.foreign.creates(Topic::Billing, &billing).await;
    let http = shop.http().clone();
    http.eventually("/mails/sent", |mails| {
        let mut mails = mails.as_array().unwrap().iter();
        mails.any(|mail| {
            let text = mail["message"].as_str().unwrap();
            text.contains(&order) && text.contains("return your payment of € 3.00")
        })
    })
    .await;
    http.eventually("/billing/early", Value::is_null).await;

    shop.let_go(topic, group).await;

    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_shipping_is_withdrawn_as_it_is_paid_anew_is_shipped_again() {
    let shop = Held::open(None).await;
    let (order, _) = shop.order(5).await;
    let http = shop.http();
    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;

    // As by a service that stood still between its look at an order that was UNCLEARED and this.
    let id = format!("{order}-shipping");
    shop.foreign
        .deletes(Topic::Shipping, &shipping(&id, &order), 1)
        .await;

    let again = shipping(&format!("{id}-again"), &order);
    http.eventually("/shippings", |all| *all == json!([again]))
        .await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_own_shippings_were_withdrawn_leaves_the_order_to_the_next_payment() {
    let (topic, group) = (Topic::Order, "shipping-service");
    let mut shop = Held::open(Some((topic, group))).await;
    let (order, _) = shop.order(5).await;
    let http = shop.http().clone();
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;
    http.delete(&format!("/billing/{billing}")).await.result();
    http.order_becomes(&order, "UNCLEARED").await;
    // What the first payment's event (the order's third) made before it comes again: its shipping, and the one after that was withdrawn.
    for id in [format!("{order}-shipping"), format!("{order}-shipping-3")] {
        let shipping = shipping(&id, &order);
        shop.foreign.creates(Topic::Shipping, &shipping).await;
        http.eventually("/shippings", |all| *all == json!([])).await;
        shop.becomes_idle("order-service").await;
    }
    http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;

    shop.let_go(topic, group).await;

    http.order_becomes(&order, "SHIPPED").await;
    let last = shipping(&format!("{order}-shipping-5"), &order);
    assert_eq!(http.get("/shippings").await.result(), &json!([last]));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_is_being_taken_back_does_not_clear_its_order_again() {
    let mut shop = Held::open(Some((Topic::Order, "shipping-service"))).await;
    let (order, _) = shop.order(5).await;
    let http = shop.http().clone();
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;
    // The first of the two steps in which a payment is taken back.
    let order_now = http.get(&format!("/order/{order}")).await.result().clone();
    let mut uncleared = order_now.as_object().unwrap().clone();
    uncleared.insert("status".to_owned(), json!("UNCLEARED"));
    shop.foreign
        .writes(Topic::Order, &order, 4, action::UPDATED, &json!(uncleared))
        .await;

    let paid = shop.history(Topic::Billing, &billing).await.remove(0);
    shop.comes_again(&paid, "order-service").await;

    let last = shop.history(Topic::Order, &order).await.pop().unwrap();
    assert!(last.data.get().contains("UNCLEARED"), "{last:?}");
    shop.close().await;
}
