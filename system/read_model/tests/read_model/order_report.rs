//! The joined order report: its form, its pages and its limits; the pages of entities.

use ordershop_contract::message_queue::QueueName;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::{GET_ENTITIES, GET_ORDER_REPORT};
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};

use crate::stage::{Instance, Stage};

/// The ids of each page of a list, from its first to its last.
async fn pages_of(
    model: &Instance,
    list: QueueName,
    mut params: Value,
    at_least: &Positions,
) -> Vec<String> {
    let mut pages = Vec::new();
    loop {
        let query = json!({"params": params, "at_least": at_least});
        let reply = model.ask(list, &query).await;
        let entities = reply["result"].as_array().unwrap();
        let ids = entities
            .iter()
            .map(|entity| entity["entity_id"].as_str().unwrap());
        pages.push(ids.collect::<Vec<_>>().join(" "));
        params["cursor"] = reply["cursor"].clone();
        if params["cursor"].is_null() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_has_its_own_fields_first_and_then_all_that_belongs_to_it() {
    let stage = Stage::new().await;
    let model = Instance::start(&stage.server, 1);
    let [tea, rum] =
        ["tea", "rum"].map(|name| format!(r#"{{"entity_id":"{name}","name":"{name}","price":2}}"#));
    let [b1, b2] =
        ["b1", "b2"].map(|id| format!(r#"{{"entity_id":"{id}","order_id":"o1","amount":6}}"#));
    let customer = r#"{"entity_id":"ada","name":"Ada","email":"ada@example.org"}"#;
    let cart =
        r#"{"entity_id":"cart","customer_id":"ada","product_ids":["tea","gone","rum","tea"]}"#;
    let order = r#"{"entity_id":"o1","cart_id":"cart","status":"CREATED""#;
    let lonely = r#"{"entity_id":"o2","cart_id":"nowhere","status":"CREATED""#;
    let shipping = r#"{"entity_id":"s1","order_id":"o1","delivered":0}"#;
    let entities = [
        (Topic::Customer, customer),
        (Topic::Product, &tea),
        (Topic::Product, &rum),
        (Topic::Cart, cart),
        (Topic::Order, &format!("{order}}}")),
        (Topic::Order, &format!("{lonely}}}")),
        (Topic::Billing, &b2),
        (Topic::Billing, &b1),
        (Topic::Shipping, shipping),
    ];
    let mut written = Positions::NONE;
    for (topic, entity) in entities {
        written.merge(&stage.create(topic, entity).await);
    }

    let query = json!({"params": {}, "at_least": written});
    let reply = model.call(GET_ORDER_REPORT, &query).await;

    let joined = format!(
        r#"{order},"cart":{cart},"customer":{customer},"products":[{tea},{rum}],"billings":[{b1},{b2}],"shippings":[{shipping}]}}"#
    );
    let alone = format!(
        r#"{lonely},"cart":null,"customer":null,"products":[],"billings":[],"shippings":[]}}"#
    );
    assert_eq!(
        reply,
        format!(r#"{{"result":[{joined},{alone}],"cursor":null}}"#)
    );
    model.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_each_other_by_cursor_and_end_early_when_they_grow_large() {
    let stage = Stage::new().await;
    let model = Instance::start(&stage.server, 1);
    // With two orders that have this product a page is full.
    let large = json!({"entity_id": "large", "name": "x".repeat(2 << 20), "price": 1});
    let cart = json!({"entity_id": "cart", "customer_id": "ada", "product_ids": ["large"]});
    let mut written = stage.create(Topic::Product, &large.to_string()).await;
    written.merge(&stage.create(Topic::Cart, &cart.to_string()).await);
    for n in 0..9 {
        let cart = if n < 4 { "cart" } else { "nowhere" };
        let order = json!({"entity_id": format!("o{n}"), "cart_id": cart, "status": "CREATED"});
        written.merge(&stage.create(Topic::Order, &order.to_string()).await);
    }

    let pages = pages_of(&model, GET_ORDER_REPORT, json!({"limit": 4}), &written).await;

    assert_eq!(pages, ["o0 o1", "o2 o3", "o4 o5 o6 o7", "o8"]);
    model.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_entities_ends_early_when_it_grows_large() {
    let stage = Stage::new().await;
    let model = Instance::start(&stage.server, 1);
    let mut written = Positions::NONE;
    for n in 0..5 {
        let name = "x".repeat(if n == 4 { 10 } else { 3 << 20 });
        let product = json!({"entity_id": format!("p{n}"), "name": name, "price": 1});
        written.merge(&stage.create(Topic::Product, &product.to_string()).await);
    }

    let params = json!({"name": "product", "limit": 1_000});
    let pages = pages_of(&model, GET_ENTITIES, params, &written).await;

    assert_eq!(pages, ["before all p0 p1", "p2 p3", "p4"]);
    model.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_out_of_range_is_refused() {
    let stage = Stage::new().await;
    let model = Instance::start(&stage.server, 1);
    for limit in [0, 101] {
        let query = json!({"params": {"limit": limit}});
        let reply = model.ask(GET_ORDER_REPORT, &query).await;
        assert_eq!(reply["status"], 400, "{reply}");
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains("1 to 100"), "{error}");
    }
    model.stop().await;
}
