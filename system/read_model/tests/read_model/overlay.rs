//! What is applied and not yet written is visible, and is applied again if it is lost.

use std::time::Duration;

use ordershop_contract::queue_names::{GET_ENTITIES, GET_ENTITY};
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};

use crate::stage::{Instance, Stage};

/// Far longer than a test takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// Whether the cache itself has the entity.
async fn is_written(stage: &Stage, topic: &str, id: &str) -> bool {
    let key = format!("entities:{{{topic}}}");
    let there: u64 = stage.redis(&["HEXISTS", &key, id]).await;
    there == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_by_id_and_by_field_see_what_is_not_written_yet() {
    let stage = Stage::new().await;
    let instance = Instance::lingering(&stage.server, 1, FOR_EVER);
    let tea = stage.product("tea").await;
    instance.sees("tea", &tea).await;
    let stock = json!({"entity_id": "stock", "product_id": "tea", "amount": 3});
    let at_least = stage.create(Topic::Inventory, &stock.to_string()).await;
    let params = json!({"name": "inventory", "any_of": {"product_id": ["tea"]}});
    let query = json!({"params": params, "at_least": at_least});
    let found = instance.ask(GET_ENTITIES, &query).await;
    assert_eq!(found["result"][0]["amount"], 3, "{found}");
    assert!(!is_written(&stage, "product", "tea").await);
    assert!(!is_written(&stage, "inventory", "stock").await);
    // An id that was never used is no entity, neither in the overlay nor in the cache.
    let params = json!({"name": "product", "ids": ["tea", "none", "before all"]});
    let found = instance.ask(GET_ENTITIES, &json!({"params": params})).await;
    assert_eq!(found["result"][0]["entity_id"], "tea", "{found}");
    assert_eq!(found["result"][1], Value::Null, "{found}");
    assert_eq!(found["result"][2]["entity_id"], "before all", "{found}");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_has_what_was_applied_before_it() {
    let stage = Stage::new().await;
    let instance = Instance::lingering(&stage.server, 1, Duration::from_millis(200));
    let tea = stage.product("tea").await;

    let query = json!({"params": {"name": "product"}, "at_least": tea});
    let found = instance.ask(GET_ENTITIES, &query).await;

    let ids = found["result"].as_array().unwrap().iter();
    let ids: Vec<&Value> = ids.map(|product| &product["entity_id"]).collect();
    assert_eq!(ids, ["before all", "tea"]);
    assert!(is_written(&stage, "product", "tea").await);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_and_lost_is_applied_by_the_next_and_by_who_stands_by() {
    let stage = Stage::new().await;
    let instance = Instance::lingering(&stage.server, 1, FOR_EVER);
    let lost = stage.product("lost").await;
    instance.sees("lost", &lost).await;
    let standby = Instance::start(&stage.server, 2);

    instance.stop().await;

    // No event comes that would tell it of a change.
    standby.comes_to_see("lost", true).await;
    standby.sees("before all", &lost).await;
    standby.comes_to_write(Topic::Product, &lost, &stage).await;
    standby.stop().await;
    assert!(is_written(&stage, "product", "lost").await);
    let next = Instance::start(&stage.server, 3);
    let query = json!({"params": {"name": "product", "id": "lost"}, "at_least": lost});
    let found = next.ask(GET_ENTITY, &query).await;
    assert_eq!(found["result"]["entity_id"], "lost", "{found}");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_before_redis_was_full_is_written_even_so() {
    let stage = Stage::new().await;
    let instance = Instance::lingering(&stage.server, 1, Duration::from_millis(300));
    let first = stage.product("first").await;
    instance.sees("first", &first).await;
    let tea = stage.product("tea").await;
    instance.sees("tea", &tea).await;

    let _: String = stage
        .redis(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    let _: String = stage.redis(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let query = json!({"params": {"name": "product"}, "at_least": tea});
    let found = instance.ask(GET_ENTITIES, &query).await;
    assert_eq!(found["result"].as_array().map(Vec::len), Some(3), "{found}");
    assert!(is_written(&stage, "product", "tea").await);
    instance.stop().await;
}
