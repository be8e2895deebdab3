//! All that a handler needs to decide, asked at once.

use std::time::Duration;

use ordershop_contract::queue_names::GET_FACTS;
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};

use crate::stage::{Instance, Stage};

/// The ids of the entities of a kind in an answer; each must have a version.
fn ids<'a>(answer: &'a Value, kind: &str) -> Vec<&'a str> {
    let found = answer["result"][kind].as_array();
    let found = found.unwrap_or_else(|| panic!("no {kind}: {answer}"));
    let mut ids = Vec::new();
    for versioned in found {
        assert_eq!(versioned["version"], 1, "{versioned}");
        ids.push(versioned["entity"]["entity_id"].as_str().unwrap());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_has_what_was_named_and_what_that_refers_to() {
    // Written at once, and not within the test.
    for linger in [Duration::ZERO, Duration::from_secs(3_600)] {
        let stage = Stage::new().await;
        let instance = Instance::lingering(&stage.server, 1, linger);
        let customer = json!({"entity_id": "ada", "name": "Ada", "email": "ada@example.com"});
        let cart = json!({"entity_id": "cart", "customer_id": "ada", "product_ids": ["tea", "tea", "cup", "gone"]});
        let order = json!({"entity_id": "order", "cart_id": "cart", "status": "CREATED"});
        let mut at_least = stage.product("tea").await;
        at_least.merge(&stage.product("cup").await);
        at_least.merge(&stage.create(Topic::Customer, &customer.to_string()).await);
        at_least.merge(&stage.create(Topic::Cart, &cart.to_string()).await);
        at_least.merge(&stage.create(Topic::Order, &order.to_string()).await);
        let lookups = json!([
            {
                "name": "cart",
                "ids": ["cart", "no cart"],
                "follow": {"customer_id": "customer", "product_ids": "product"},
            },
            {"name": "order", "any_of": {"cart_id": ["cart", "no cart"]}},
            {"name": "reservation", "ids": ["order"]},
        ]);

        let query = json!({"params": {"lookups": lookups}, "at_least": at_least});
        let answer = instance.ask(GET_FACTS, &query).await;

        assert_eq!(ids(&answer, "cart"), ["cart"]);
        assert_eq!(ids(&answer, "customer"), ["ada"]);
        assert_eq!(ids(&answer, "product"), ["cup", "tea"]);
        assert_eq!(ids(&answer, "order"), ["order"]);
        assert_eq!(ids(&answer, "reservation"), [] as [&str; 0]);
        instance.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_of_other_batches_do_not_mix() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    let mut at_least = stage.product("tea").await;
    at_least.merge(&stage.product("cup").await);
    for (cart, product) in [("a", "tea"), ("b", "cup")] {
        let cart = json!({"entity_id": cart, "customer_id": "ada", "product_ids": [product]});
        at_least.merge(&stage.create(Topic::Cart, &cart.to_string()).await);
    }
    let query = |cart: &str| {
        let follow = json!({"product_ids": "product"});
        let lookup = json!({"name": "cart", "ids": [cart], "follow": follow});
        json!({"params": {"lookups": [lookup]}, "at_least": at_least})
    };

    let asked: Vec<_> = (0..20)
        .map(|n| query(if n % 2 == 0 { "a" } else { "b" }))
        .collect();
    let answers = asked.iter().map(|query| instance.ask(GET_FACTS, query));
    let answers = futures_util::future::join_all(answers).await;

    for (n, answer) in answers.iter().enumerate() {
        let expected = if n % 2 == 0 { "tea" } else { "cup" };
        assert_eq!(ids(answer, "product"), [expected], "{n}");
    }
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_questions_are_refused_with_what_is_right() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    let form = "each lookup of get_facts takes ids and follow, or any_of of an indexed field";
    for (lookup, words) in [
        (json!({"name": "order"}), form),
        (
            json!({"name": "order", "ids": ["a"], "any_of": {"cart_id": ["b"]}}),
            form,
        ),
        (
            json!({"name": "order", "any_of": {"status": ["CREATED"]}}),
            form,
        ),
        (
            json!({"name": "order", "any_of": {"cart_id": ["b"]}, "follow": {"cart_id": "cart"}}),
            form,
        ),
        (
            json!({"name": "reservation", "any_of": {"cart_id": ["b"]}}),
            form,
        ),
        (json!({"name": "orders", "ids": []}), "unknown topic"),
        (
            json!({"name": "order", "ids": [], "follow": {"cart_id": "x"}}),
            "unknown variant `x`",
        ),
    ] {
        let query = json!({"params": {"lookups": [lookup]}});
        let answer = instance.ask(GET_FACTS, &query).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{query}: {answer}");
        assert_eq!(answer["status"], 400, "{query}: {answer}");
    }
    instance.stop().await;
}
