//! What lies where, and what goes over several partitions.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hyper::Method;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::PARTITIONS;
use crate::customer::Customer;
use crate::deployment::{Deployment, config_on};
use crate::shop::{EVENTUALLY_MS, Shop};

fn number_of(id: &str) -> u8 {
    Partitions::new(PARTITIONS).unwrap().number_of(id)
}

/// Products with so many pieces each, all in different partitions.
async fn spread_products(http: &Customer, amounts: &[u64]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    while found.len() < amounts.len() {
        let tea = json!({"name": "Tea", "price": 100});
        let product = http.posted("/product", &tea).await;
        let is_new = |other: &String| number_of(other) != number_of(&product);
        if found.iter().all(is_new) {
            let stock = json!({"product_id": product, "amount": amounts[found.len()]});
            http.posted("/inventory", &stock).await;
            found.push(product);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_takes_from_every_partition_or_gives_back_what_it_took() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let products = spread_products(http, &[2, 2, 1]).await;
    let products: Vec<&str> = products.iter().map(String::as_str).collect();
    let customer = http.customer().await;
    let carts = [
        http.cart(&customer, &products).await,
        http.cart(&customer, &products).await,
    ];

    let lucky = http.order(&carts[0]).await;
    http.order_becomes(&lucky, "IN_STOCK").await;
    let unlucky = http.order(&carts[1]).await;
    http.order_becomes(&unlucky, "OUT_OF_STOCK").await;

    for (product, left) in products.iter().zip([1, 1, 0]) {
        assert_eq!(http.stock_of(product).await, left, "{product}");
    }
    // Deleted before it is paid, it gives back what it took, in each partition.
    http.delete(&format!("/order/{lucky}")).await.result();
    for (product, all) in products.iter().zip([2, 2, 1]) {
        let has_all = |inventories: &Value| {
            let mut inventories = inventories.as_array().unwrap().iter();
            inventories.any(|one| one["product_id"] == **product && one["amount"] == all)
        };
        http.eventually("/inventories", has_all).await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_an_order_lies_beside_it_and_an_inventory_beside_its_product() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let mut numbers = HashSet::new();
    for _ in 0..12 {
        let product = http.product(300, 5).await;
        let cart = http.cart(&customer, &[&product]).await;
        let order = http.order(&cart).await;
        http.order_becomes(&order, "IN_STOCK").await;
        let billing = http.billing(&order, 300).await;
        http.order_becomes(&order, "SHIPPED").await;
        let number = number_of(&cart);
        let shipping = format!("{order}-shipping");
        for id in [&order, &billing, &shipping] {
            assert_eq!(number_of(id), number, "{id} of {cart}");
        }
        let found = http.get(&format!("/shipping/{shipping}")).await;
        assert_eq!(found.result()["order_id"], json!(order));
        numbers.insert(number);
        let beside = http.get("/inventories").await;
        let beside = beside.result().as_array().unwrap().iter();
        let mut of_product = beside.filter(|one| one["product_id"] == json!(product));
        let inventory = of_product.next().unwrap()["entity_id"].as_str().unwrap();
        assert_eq!(number_of(inventory), number_of(&product));
    }
    assert!(numbers.len() > 1, "all carts in {numbers:?}");
    // A list is in the order of ids, wherever its entities lie.
    let orders = http.get("/orders?limit=5").await;
    let (first, cursor) = (
        orders.result().clone(),
        orders.body["cursor"].as_str().unwrap(),
    );
    let rest = http.get(&format!("/orders?limit=50&cursor={cursor}")).await;
    let pages = [&first, rest.result()];
    let pages = pages.iter().flat_map(|page| page.as_array().unwrap());
    let ids: Vec<&str> = pages
        .map(|one| one["entity_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 12);
    assert!(ids.is_sorted(), "{ids:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_over_several_partitions_is_refused_whole() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let products = spread_products(http, &[9, 9]).await;
    let both = products
        .iter()
        .map(|id| json!({"product_id": id, "amount": 1}));
    let both: Vec<Value> = both.collect();

    let refused = http.post("/inventory", &json!(both)).await;

    refused.refused(422, "several partitions");
    let there = http.get("/inventories").await;
    assert_eq!(there.result().as_array().map(Vec::len), Some(2));
    // An array of products is made in one partition, and so can be their inventories.
    let two = json!([{"name": "a", "price": 1}, {"name": "b", "price": 1}]);
    let made = http.post("/product", &two).await;
    let made = made.result().as_array().unwrap().clone();
    let stock = made.iter().map(|id| json!({"product_id": id, "amount": 1}));
    let stock: Vec<Value> = stock.collect();
    http.post("/inventory", &json!(stock)).await.result();
    shop.close().await;
}

/// The systems whose inventory saga is active in one partition of orders or more.
async fn reserving(shop: &Shop) -> HashSet<String> {
    let link = RedisLink::new(&shop.redis_url()).unwrap();
    let mut found = HashSet::new();
    for partition in Partitions::new(PARTITIONS).unwrap().of_topic(Topic::Order) {
        let lease = format!("lease:{{{partition}}}:inventory-service");
        let mut connection = link.dedicated_for(&lease).await.unwrap();
        let mut get = redis::cmd("GET");
        let owner = get.arg(&lease).query_async(&mut connection);
        let owner: Option<String> = owner.await.unwrap();
        // A system's name, and that of the lease.
        found.extend(owner.and_then(|owner| Some(owner.split_once('|')?.0.to_owned())));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_that_sell_the_same_product_lose_no_piece() {
    let mut shop = Shop::open().await;
    let second = Deployment::on(&shop.redis_url()).await;
    let http = &shop.customer;
    let product = http.product(100, 1_000).await;
    let customer = http.customer().await;
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    while reserving(&shop).await.len() < 2 {
        assert!(Instant::now() < deadline, "they don't share the partitions");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Of four partitions each system has two: the even ones, or the odd ones.
    let carts = async |number: u8, count: usize, pieces: usize| loop {
        let bought = vec![&product; pieces];
        let cart = json!({"customer_id": customer, "product_ids": bought});
        let carts = http.post("/cart", &json!(vec![cart; count])).await;
        let carts = carts.result().as_array().unwrap().clone();
        if number_of(carts[0].as_str().unwrap()) == number {
            return carts;
        }
    };
    // The first one remembers the stock as it was five orders before, which took more than it expects of its own next five.
    for (number, count, pieces) in [(0, 5, 1), (1, 5, 2), (0, 20, 1)] {
        let carts = carts(number, count, pieces).await;
        let orders = carts.iter().map(|cart| json!({"cart_id": cart}));
        let orders = http.post("/order", &orders.collect()).await;
        for order in orders.result().as_array().unwrap() {
            http.order_becomes(order.as_str().unwrap(), "IN_STOCK")
                .await;
        }
    }
    second.stop().await;
    shop.reopen().await;
    assert_eq!(shop.customer.stock_of(&product).await, 965);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_known_in_every_partition() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let products = spread_products(http, &[9, 9, 9]).await;
    let keyed = async |product: &str| {
        let body = json!({"product_id": product, "amount": 1}).to_string();
        let headers = [("idempotency-key", "k")];
        http.with(&headers, Method::POST, "/inventory", body).await
    };
    let made = keyed(&products[0]).await.id();
    for other in &products[1..] {
        keyed(other).await.refused(422, "another body");
    }
    assert_eq!(keyed(&products[0]).await.id(), made);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_and_the_pages_of_events_name_the_partition() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let url = format!("{}/events?topics=customer", http.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(http.customer().await);
    }
    let (mut hello, mut applied, mut told) = (Value::Null, json!({}), Vec::new());
    let deadline = std::time::Duration::from_millis(EVENTUALLY_MS);
    let all_told = async {
        let is_applied = |applied: &Value, event: &Value| {
            let at = |text: &str| text.parse::<ordershop_contract::position::Position>();
            let reached = applied[partition_of(event).to_string()].as_str().map(at);
            reached.is_some_and(|reached| {
                reached.unwrap() >= at(event["position"].as_str().unwrap()).unwrap()
            })
        };
        while told.len() < ids.len() || !told.iter().all(|event| is_applied(&applied, event)) {
            let Some(Ok(Message::Text(text))) = socket.next().await else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str() {
                Some("hello") => hello = message["positions"].clone(),
                Some("applied") => {
                    for (name, position) in message["positions"].as_object().unwrap() {
                        applied[name] = position.clone();
                    }
                }
                _ => told.extend(message["events"].as_array().unwrap().clone()),
            }
        }
    };
    tokio::time::timeout(deadline, all_told).await.unwrap();
    assert_eq!(
        hello.as_object().map(serde_json::Map::len),
        Some(PARTITIONS.into())
    );
    for event in &told {
        let id = event["aggregate_id"].as_str().unwrap();
        let partition = partition_of(event);
        assert_eq!(partition.number, number_of(id));
        let page = http.get(&format!("/events/{partition}")).await;
        let mut page = page.result().as_array().unwrap().iter();
        assert!(page.any(|there| there["aggregate_id"] == *id), "{id}");
    }
    http.get("/events/customer.4")
        .await
        .refused(404, "each topic of this shop has 4");
    shop.close().await;
}

fn partition_of(event: &Value) -> Partition {
    let number = event["partition"].as_u64().unwrap_or_default();
    Partition::new(Topic::Customer, u8::try_from(number).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_number_of_partitions_does_not_start() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let product = http.product(100, 1).await;
    for number in [1, 2, 8] {
        let mut config = config_on(&shop.redis_url());
        config.partitions.partitions = number;
        let error = match ordershop::app::App::start(&config).await {
            Ok(_) => panic!("it started with {number}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("--partitions 4"), "{error}");
    }
    assert_eq!(http.stock_of(&product).await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_has_every_partition_and_is_restored_into_as_many() {
    let folder = tempfile::TempDir::new().unwrap();
    // Of a cluster there is none.
    let shop = Deployment::in_folder(&folder.path().join("shop")).await;
    let http = &Customer::new(shop.url());
    for product in spread_products(http, &[3, 4, 5]).await {
        let cart = http.cart(&http.customer().await, &[&product]).await;
        let order = http.order(&cart).await;
        http.order_becomes(&order, "IN_STOCK").await;
    }
    let lists = ["/orders", "/inventories", "/carts", "/customers"];
    let shown = async |http: &Customer| {
        let mut shown = Vec::new();
        for list in lists {
            shown.push(http.get(list).await.result().clone());
        }
        shown
    };
    let before = shown(http).await;
    let (file, data) = (folder.path().join("file"), folder.path().join("data"));
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ordershop"));
        let done = command.args(args).env_remove("REDIS_URL").output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    };
    let (file, place) = (file.to_str().unwrap(), data.to_str().unwrap());
    let redis = shop.redis_url();
    run(&["backup", "--to", file, "--redis-url", &redis]);
    run(&["restore", file, "--data-dir", place]);

    let restored = Deployment::in_folder(&data).await;

    assert_eq!(shown(&Customer::new(restored.url())).await, before);
    restored.stop().await;
    shop.stop().await;
}
