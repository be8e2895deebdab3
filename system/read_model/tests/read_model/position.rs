//! The projection goes on at the position that it keeps with its entities, and Redis keeps nothing else of it.

use std::time::Duration;

use ordershop_contract::topic::Topic;

use crate::stage::{Instance, Stage};

/// Far longer than a test takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// How often Redis has carried out a command that only groups need.
async fn calls_for_groups(stage: &Stage) -> Vec<String> {
    let info: String = stage.redis(&["INFO", "commandstats"]).await;
    let of_groups = ["xreadgroup", "xack", "xclaim", "xautoclaim", "xgroup"];
    let is_of_groups = |line: &&str| of_groups.iter().any(|name| line.contains(name));
    info.lines()
        .filter(is_of_groups)
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_of_a_group_is_sent_for_what_is_projected() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);

    for n in 0..20 {
        let id = format!("product {n}");
        let position = stage.product(&id).await;
        instance.sees(&id, &position).await;
    }
    instance.stop().await;

    assert_eq!(calls_for_groups(&stage).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_whose_read_model_was_a_group_goes_on_where_its_position_is() {
    let stage = Stage::new().await;
    let before = Instance::start(&stage.server, 1);
    let projected = stage.product("projected").await;
    before.sees("projected", &projected).await;
    before
        .comes_to_write(Topic::Product, &projected, &stage)
        .await;
    before.stop().await;
    // The group of an earlier version was given one more, and died before it was written.
    stage.product("taken").await;
    let stream = "events:{product}";
    let _: String = stage
        .redis(&["XGROUP", "CREATE", stream, "read-model", "0"])
        .await;
    let taken = [
        "XREADGROUP",
        "GROUP",
        "read-model",
        "x",
        "STREAMS",
        stream,
        ">",
    ];
    let _: redis::Value = stage.redis(&taken).await;
    let last = stage.product("last").await;
    // What is projected isn't projected again: this change of the cache stays.
    let changed = r#"9|{"entity_id":"projected","name":"changed","price":1}"#;
    let _: u64 = stage
        .redis(&["HSET", "entities:{product}", "projected", changed])
        .await;

    let after = Instance::start(&stage.server, 2);

    after.sees("last", &last).await;
    after.sees("taken", &last).await;
    after.comes_to_write(Topic::Product, &last, &stage).await;
    let kept: String = stage
        .redis(&["HGET", "entities:{product}", "projected"])
        .await;
    assert_eq!(kept, changed);
    after.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_over_applies_what_was_applied_and_not_written_and_nothing_before() {
    let stage = Stage::new().await;
    let active = Instance::start(&stage.server, 1);
    let written = stage.product("written").await;
    active
        .comes_to_write(Topic::Product, &written, &stage)
        .await;
    active.stop().await;
    let changed = r#"9|{"entity_id":"written","name":"changed","price":1}"#;
    let _: u64 = stage
        .redis(&["HSET", "entities:{product}", "written", changed])
        .await;
    let dying = Instance::lingering(&stage.server, 2, FOR_EVER);
    for n in 0..3 {
        let id = format!("applied {n}");
        let applied = stage.product(&id).await;
        dying.sees(&id, &applied).await;
    }

    // It ends without writing, as by a kill between the two.
    dying.stop().await;
    let next = Instance::start(&stage.server, 3);
    let last = stage.product("last").await;

    for id in ["applied 0", "applied 1", "applied 2", "last"] {
        next.sees(id, &last).await;
    }
    next.comes_to_write(Topic::Product, &last, &stage).await;
    let kept: String = stage
        .redis(&["HGET", "entities:{product}", "written"])
        .await;
    assert_eq!(kept, changed);
    next.stop().await;
}
