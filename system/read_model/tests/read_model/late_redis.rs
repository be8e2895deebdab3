//! A Redis whose answers take longer than a batch of queries waits for its positions: a slow network, a machine that is too busy.

use std::time::Duration;

use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;
use serde_json::json;

use crate::late_line::late_line;
use crate::stage::{Instance, Stage};

/// Longer than a batch waits.
const LATE: Duration = Duration::from_millis(100);

/// A position of products later than all of them, as a saga asks for that reacts to another topic's event.
async fn everything_until_now(stage: &Stage) -> Positions {
    let ada = json!({"entity_id": "ada", "name": "Ada", "email": "ada@example.com"});
    let written = stage.create(Topic::Customer, &ada.to_string()).await;
    let position = written.get(Topic::Customer).unwrap();
    Positions::of(Topic::Product, position)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_beyond_the_streams_end_is_reached_however_late_redis_answers() {
    let stage = Stage::new().await;
    let line = late_line(stage.server.dir().join("redis.sock"), LATE).await;
    let model = Instance::start_over(&stage.server, &line, 1);
    stage.product("tea").await;
    let now = everything_until_now(&stage).await;
    model.sees("tea", &now).await;
    model.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_learns_what_is_applied_however_late_redis_answers() {
    let stage = Stage::new().await;
    let projects = Instance::start(&stage.server, 1);
    let tea = stage.product("tea").await;
    projects.sees("tea", &tea).await;
    let line = late_line(stage.server.dir().join("redis.sock"), LATE).await;
    let stands_by = Instance::start_over(&stage.server, &line, 2);
    let coffee = stage.product("coffee").await;
    stands_by.sees("coffee", &coffee).await;
    stands_by.stop().await;
    projects.stop().await;
}
