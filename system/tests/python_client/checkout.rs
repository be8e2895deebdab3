//! A whole checkout in a shop whose product service and order service are Python processes, written as the first OrderShop's services are.

use std::path::Path;
use std::time::{Duration, Instant};

use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::customer::Customer;
use crate::program::{PATIENCE, Program};
use crate::python::{python, script};

/// The interval of the checks.
const LOOK: Duration = Duration::from_millis(50);

/// The services of OrderShop's own that run; two are missing.
const OWN_SERVICES: [&str; 7] = [
    "customer-service",
    "inventory-service",
    "cart-service",
    "billing-service",
    "shipping-service",
    "crm-service",
    "mail-service",
];

/// A shop of processes, some of them in Python. All are killed when it is dropped.
struct MixedShop {
    _python: [Child; 2],
    _own: Vec<Program>,
    customer: Customer,
}

impl MixedShop {
    async fn start(python: &Path, redis_url: &str, dir: &Path) -> Self {
        let on_redis = ["--redis-url", redis_url];
        let listening = [&on_redis[..], &["--listen", "127.0.0.1:0"]].concat();
        let mut events = Program::start(&[&["event-store"], &listening[..]].concat());
        let mut queue = Program::start(&[&["message-queue"], &listening[..]].concat());
        let (events_url, queue_url) = (events.url().await, queue.url().await);
        let peers = [
            "--event-store-url",
            &events_url,
            "--message-queue-url",
            &queue_url,
        ];
        let read_model = Program::start(&[&["read-model"], &peers[..], &on_redis[..]].concat());
        let services = OWN_SERVICES.map(|name| Program::start(&[&[name], &peers[..]].concat()));
        let listen = ["--listen", "127.0.0.1:0"];
        let mut gateway = Program::start(&[&["api-gateway"], &peers[..], &listen[..]].concat());
        let addresses = [&events_url, &queue_url].map(|url| url.replace("http://", ""));
        let python = [
            serving(
                python,
                "product_service.py",
                &dir.join("products"),
                &addresses,
            )
            .await,
            serving(python, "order_service.py", &dir.join("orders"), &addresses).await,
        ];
        let customer = Customer::new(gateway.url().await);
        let mut own = vec![events, queue, read_model, gateway];
        own.extend(services);
        for program in &mut own {
            program.ready().await;
        }
        Self {
            _python: python,
            _own: own,
            customer,
        }
    }
}

/// Starts a service in Python; returns when it serves its functions.
async fn serving(python: &Path, name: &str, stubs: &Path, addresses: &[String; 2]) -> Child {
    let mut child = script(python, name, stubs, addresses.clone())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = stdout.lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    assert_eq!(line.unwrap().unwrap().as_deref(), Some("serves"), "{name}");
    child
}

/// The groups and queues that are not done, as the gateway's metrics tell them.
fn left(metrics: &str) -> Vec<&str> {
    let counts = ["dead_letters{", "group_backlog{", "queue_depth{"];
    metrics
        .lines()
        .filter(|line| counts.iter().any(|count| line.contains(count)) && !line.ends_with(" 0"))
        .collect()
}

/// A cart as the read model shows it: the order service in Python asks for it without a position.
async fn visible_cart(http: &Customer, customer: &str, products: &[&str]) -> String {
    let cart = http.cart(customer, products).await;
    assert!(
        http.get(&format!("/cart/{cart}"))
            .await
            .result()
            .is_object()
    );
    cart
}

async fn stock_becomes(http: &Customer, amount: u64) {
    let fits = |all: &Value| all.as_array().is_some_and(|all| all[0]["amount"] == amount);
    http.eventually("/inventories", fits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_checkout_works_with_product_and_order_services_written_for_the_first_ordershop() {
    let Some(python) = python("a checkout with services") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&dir.path().join("redis"), Durability::None)
        .await
        .unwrap();
    let shop = MixedShop::start(&python, redis.url(), dir.path()).await;
    let http = &shop.customer;

    // Products: created in one request, one changed, one deleted.
    let wanted = json!([{"name": "Schöne Tasse", "price": 5}, {"name": "Teller", "price": 3}]);
    let created = http.post("/product", &wanted).await;
    let ids: Vec<String> = serde_json::from_value(created.result().clone()).unwrap();
    let [cup, plate] = [0, 1].map(|n| format!("/product/{}", ids[n]));
    http.eventually(&plate, Value::is_object).await;
    let changed = json!({"name": "Schöne Tasse", "price": 7});
    assert_eq!(http.put(&cup, &changed).await.result(), true);
    assert_eq!(http.delete(&plate).await.result(), true);
    let seen = http.eventually(&cup, |cup| cup["price"] == 7).await;
    assert_eq!(seen["name"], "Schöne Tasse");
    http.eventually(&plate, Value::is_null).await;

    // An order from its cart to its delivery.
    let cup = ids[0].as_str();
    http.post("/inventory", &json!({"product_id": cup, "amount": 10}))
        .await
        .id();
    let customer = http.customer().await;
    let order = http
        .order(&visible_cart(http, &customer, &[cup, cup]).await)
        .await;
    http.order_becomes(&order, "IN_STOCK").await;
    stock_becomes(http, 8).await;
    http.billing(&order, 14).await;
    http.order_becomes(&order, "SHIPPED").await;
    let shippings = http.get("/shippings").await;
    let shipping = shippings.result()[0]["entity_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let delivered = json!({"order_id": order, "delivered": 1_700_000_000});
    http.put(&format!("/shipping/{shipping}"), &delivered)
        .await
        .result();
    http.order_becomes(&order, "DELIVERED").await;

    // An order that is given up: its stock comes back.
    let order = http
        .order(&visible_cart(http, &customer, &[cup]).await)
        .await;
    http.order_becomes(&order, "IN_STOCK").await;
    stock_becomes(http, 7).await;
    assert_eq!(http.delete(&format!("/order/{order}")).await.result(), true);
    stock_becomes(http, 8).await;

    // Two orders to pay, a welcome, one payment and one shipping.
    let sent = |mails: &Value| mails.as_array().is_some_and(|mails| mails.len() == 5);
    http.eventually("/mails/sent", sent).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = http.get("/metrics").await.body;
        let left = left(metrics.as_str().unwrap());
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "left over: {left:#?}");
        tokio::time::sleep(LOOK).await;
    }
    drop(shop);
    redis.stop().await;
}
