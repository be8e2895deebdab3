//! Slots that move and a master that dies, under load: nothing that was answered is lost, nothing is there twice, and the shop goes on.

use futures_util::StreamExt as _;
use ordershop_contract::position::Position;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::cluster_server::RedisCluster;
use crate::customer::Customer;
use crate::customers::Load;
use crate::program::{PATIENCE, Program};
use crate::shopping::buys;

const UP: [&str; 3] = ["up", "--listen", "127.0.0.1:0"];

/// The keys whose slots are moved: streams with all that is made of them, queues with and without anybody waiting, and what all share.
const MOVED: [&str; 10] = [
    "events:{customer}",
    "events:{order}",
    "events:{cart}",
    "events:{inventory}",
    "events:{mail}",
    "mq:{customer-service.create_customer}",
    "mq:{customer-service.create_customers}",
    "mq:{read-model.get_entity}",
    "mq:processes",
    "mq:functions",
];

/// An order from its customer to its delivery.
async fn is_delivered(http: &Customer) {
    buys(http).await;
    let shippings = http.eventually("/shippings", |all| {
        all.as_array().is_some_and(|all| !all.is_empty())
    });
    for shipping in shippings.await.as_array().unwrap() {
        let (id, order) = (&shipping["entity_id"], &shipping["order_id"]);
        let (id, order) = (id.as_str().unwrap(), order.as_str().unwrap());
        let delivered = json!({"order_id": order, "delivered": 1_700_000_000});
        http.insist(hyper::Method::PUT, &format!("/shipping/{id}"), &delivered)
            .await;
        http.order_becomes(order, "DELIVERED").await;
    }
}

/// The feed tells of a customer who is made now, and that the read model has it.
async fn is_told(http: &Customer) {
    let url = format!("{}/events?topics=customer", http.url.replace("http", "ws"));
    let (mut feed, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut next = async || {
        loop {
            let message = tokio::time::timeout(PATIENCE, feed.next()).await;
            let message = message.expect("a message in time");
            if let Message::Text(text) = message.expect("the feed goes on").unwrap() {
                return serde_json::from_str::<Value>(&text).unwrap();
            }
        }
    };
    // It tells what comes after this.
    while next().await["type"] != "hello" {}
    let grace = json!({"name": "Grace", "email": "grace@example.com"});
    let customer = http.posted("/customer", &grace).await;
    let at = |text: &Value| text.as_str().and_then(|text| text.parse::<Position>().ok());
    let (mut told, mut applied) = (None::<(String, Position)>, json!({}));
    while told
        .as_ref()
        .is_none_or(|(partition, told)| at(&applied[partition]) < Some(*told))
    {
        let message = next().await;
        for event in message["events"].as_array().into_iter().flatten() {
            if event["aggregate_id"] == json!(customer) {
                let partition = match event["partition"].as_u64() {
                    Some(number) => format!("customer.{number}"),
                    None => "customer".to_owned(),
                };
                told = Some((partition, at(&event["position"]).unwrap()));
            }
        }
        for (partition, position) in message["positions"].as_object().into_iter().flatten() {
            applied[partition] = position.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_goes_on_while_its_slots_move_and_has_all_that_it_answered() {
    let cluster = RedisCluster::start(false, &[]).await;
    let url = cluster.url();
    let mut program = Program::start(&[&UP[..], &["--redis-url", &url]].concat());
    let http = Customer::new(program.url().await);
    is_delivered(&http).await;
    is_told(&http).await;
    let load = Load::start(&http);

    for key in MOVED {
        cluster.move_slot_of(key, async || {}).await;
    }
    is_delivered(&http).await;
    is_told(&http).await;

    load.end(&http).await;
    for list in ["/orders", "/billings", "/mails/sent", "/inventories"] {
        let found = http.get(list).await;
        assert!(found.result().as_array().unwrap().len() > 1, "{list}");
    }
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_four_partitions_go_on_when_a_master_dies_and_have_all_that_they_answered() {
    let mut cluster = RedisCluster::start(true, &["--appendonly", "yes"]).await;
    let url = cluster.url();
    let asked = [
        "--redis-url",
        &url,
        "--replicas-ack",
        "1",
        "--processes",
        "--partitions",
        "4",
    ];
    let mut program = Program::start(&[&UP[..], &asked].concat());
    let http = Customer::new(program.url().await);
    is_delivered(&http).await;
    let load = Load::start(&http);
    is_told(&http).await;

    let dead = cluster.kill_owner("events:{customer}").await;
    // It comes back as a replica, without which nothing is answered.
    cluster.restart(dead).await;
    is_delivered(&http).await;
    is_told(&http).await;

    load.end(&http).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_paused_and_goes_on_takes_nothing_that_was_answered_with_it() {
    let cluster = RedisCluster::start(true, &["--appendonly", "yes"]).await;
    let url = cluster.url();
    let asked = ["--redis-url", &url, "--replicas-ack", "1"];
    let mut program = Program::start(&[&UP[..], &asked].concat());
    let http = Customer::new(program.url().await);
    is_delivered(&http).await;
    let load = Load::start(&http);
    is_told(&http).await;

    let paused = cluster.strike_owner("events:{customer}", "STOP").await;
    // It takes itself for the master until it hears of the other one.
    cluster.go_on(paused).await;
    is_delivered(&http).await;
    is_told(&http).await;

    load.end(&http).await;
    program.stop().await;
}
