//! Clients that publish malformed entities through the first OrderShop's contract.

use std::time::{Duration, Instant};

use ordershop_grpc::peer::{PeerChannel, PeerConfig, connect};
use ordershop_original::proto::eventstore::PublishRequest;
use ordershop_original::proto::eventstore::event_store_client::EventStoreClient;
use ordershop_redis::connection::RedisLink;
use serde_json::{Value, json};

use crate::customer::EVENTUALLY_MS;
use crate::deployment::Deployment;
use crate::shop::Customer;

/// The interval of the checks.
const LOOK: Duration = Duration::from_millis(20);

struct Stranger(EventStoreClient<PeerChannel>);

impl Stranger {
    fn of(deployment: &Deployment) -> Self {
        let url = deployment.listens_at("event-store");
        let channel = connect(&PeerConfig { url, token: None }).unwrap();
        Self(EventStoreClient::new(channel))
    }

    async fn publish(&mut self, topic: &str, action: &str, data: &Value) {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let event = json!({"event_id": id, "event_action": action, "event_data": data});
        let request = PublishRequest {
            event_topic: topic.into(),
            event_info: event.to_string(),
        };
        self.0.publish(request).await.unwrap();
    }
}

/// The reasons of a group's dead letters, oldest first, once there are at least `count`.
async fn dead_letters(redis_url: &str, topic: &str, group: &str, count: usize) -> Vec<String> {
    let link = RedisLink::new(redis_url).unwrap();
    let mut connection = link.dedicated().await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let letters: Vec<(String, std::collections::HashMap<String, String>)> =
            redis::cmd("XRANGE")
                .arg(format!("dead:{{{topic}}}:{group}"))
                .arg(&["-", "+"])
                .query_async(&mut connection)
                .await
                .unwrap();
        if letters.len() >= count {
            let reasons = letters
                .into_iter()
                .map(|(_, mut letter)| letter.remove("reason"));
            return reasons.map(Option::unwrap).collect();
        }
        assert!(Instant::now() < deadline, "{topic} {group}: {letters:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_entity_is_a_dead_letter_and_orders_go_on() {
    let dir = tempfile::TempDir::new().unwrap();
    let deployment = Deployment::in_folder(dir.path()).await;
    let redis_url = deployment.redis_url();
    let http = Customer::new(deployment.url());
    let (customer, product) = (http.customer().await, http.product(7, 10).await);
    let inventory = http.inventory().await;
    let cart = http.cart(&customer, &[&product]).await;
    let mut stranger = Stranger::of(&deployment);

    for topic in [
        "customer",
        "product",
        "inventory",
        "cart",
        "order",
        "billing",
        "shipping",
    ] {
        let nameless = json!({"x": 1});
        stranger.publish(topic, "entity_created", &nameless).await;
        let half = json!({"entity_id": format!("strange {topic}")});
        stranger.publish(topic, "entity_created", &half).await;
        stranger.publish(topic, "noted", &half).await;
    }
    stranger.publish("mail", "mail_sent", &json!({})).await;
    stranger
        .publish("order", "entity_deleted", &json!({}))
        .await;
    // Malformed updates of existing entities: the entities don't change, though their versions do.
    let half = json!({"entity_id": inventory, "product_id": product});
    stranger.publish("inventory", "entity_updated", &half).await;
    stranger.publish("inventory", "noted", &half).await;
    let half = json!({"entity_id": cart, "customer_id": 7});
    stranger.publish("cart", "entity_updated", &half).await;

    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let moved = json!({"entity_id": order});
    stranger.publish("order", "entity_updated", &moved).await;
    stranger.publish("order", "noted", &moved).await;
    http.billing(&order, 7).await;
    http.order_becomes(&order, "SHIPPED").await;
    http.eventually("/mails/sent", |mails| {
        mails.as_array().is_some_and(|mails| mails.len() == 4)
    })
    .await;

    assert_eq!(http.stock_of(&product).await, 9);
    for (path, count) in [
        ("/products", 1),
        ("/customers", 1),
        ("/orders", 1),
        ("/billings", 1),
    ] {
        let list = http.get(path).await;
        assert_eq!(list.result().as_array().unwrap().len(), count, "{path}");
    }
    http.get("/report/orders").await.result();
    for (topic, group, count) in [
        ("product", "read-model", 2),
        ("inventory", "read-model", 3),
        ("cart", "read-model", 3),
        ("order", "read-model", 3),
        ("mail", "read-model", 1),
        ("customer", "crm-service", 2),
        ("order", "inventory-service", 3),
        ("order", "shipping-service", 1),
        ("billing", "order-service", 2),
        ("shipping", "crm-service", 2),
    ] {
        let reasons = dead_letters(&redis_url, topic, group, count).await;
        assert_eq!(reasons.len(), count, "{topic} {group}: {reasons:?}");
        let says_why = |reason: &String| reason.starts_with("its data is");
        assert!(reasons.iter().all(says_why), "{topic} {group}: {reasons:?}");
    }
    deployment.stop().await;
}
