//! The cache or the stream goes back while the read model lives on.

use ordershop_contract::position::Positions;

use crate::stage::{Instance, Stage};

/// Takes the projection of a product back, as a Redis does that has lost it.
async fn lose_projection(stage: &Stage, id: &str, before: &Positions) {
    let position = before.iter().next().unwrap().1.to_string();
    let _: u64 = stage.redis(&["HDEL", "entities:{product}", id]).await;
    let _: u64 = stage.redis(&["ZREM", "ids:{product}", id]).await;
    let _: String = stage.redis(&["SET", "position:{product}", &position]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_projection_redis_lost_is_applied_again() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    let first = stage.product("first").await;
    let second = stage.product("second").await;
    instance.sees("second", &second).await;

    lose_projection(&stage, "second", &first).await;

    // Nothing is remembered of the lost time: this query waits until the event is applied again.
    instance.sees("second", &second).await;
    instance.sees("first", &second).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_stream_lost_is_gone_from_the_cache_too() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    let lost = stage.product("lost").await;
    instance.sees("lost", &lost).await;

    // The stream goes back alone, as one in another Redis than the cache would.
    let position = lost.iter().next().unwrap().1.to_string();
    let _: u64 = stage.redis(&["XDEL", "events:{product}", &position]).await;

    instance.comes_to_see("lost", false).await;
    instance.comes_to_see("before all", true).await;
    let next = stage.product("next").await;
    instance.sees("next", &next).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_nothing_of_before_is_told_and_new_events_are_applied() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    let before = stage.product("before").await;
    instance.sees("before", &before).await;

    // The queues of this test lie in other databases.
    let _: String = stage.redis(&["FLUSHDB"]).await;

    instance.comes_to_see("before", false).await;
    let after = stage.product_again("after").await;
    instance.sees("after", &after).await;
    instance.comes_to_see("before", false).await;
    instance.stop().await;
}
