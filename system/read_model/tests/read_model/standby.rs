//! Two read models on one Redis: one projects, the other stands by, and both answer.

use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::GET_POSITIONS;
use ordershop_contract::topic::Topic;
use serde_json::json;

use crate::stage::{Instance, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_answers_as_freshly_as_who_projects_and_takes_over_from_it() {
    let stage = Stage::new().await;
    let active = Instance::start(&stage.server, 1);
    let first = stage.product("first").await;
    active.sees("first", first).await;
    let standby = Instance::start(&stage.server, 2);

    for n in 0..30 {
        let id = format!("product {n}");
        let position = stage.product(&id).await;
        standby.sees(&id, position).await;
        active.sees(&id, position).await;
    }

    active.stop().await;
    let last = stage.product("last").await;
    standby.sees("last", last).await;
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_says_how_far_the_projection_is_and_when_it_moves() {
    let stage = Stage::new().await;
    let active = Instance::start(&stage.server, 1);
    let first = stage.product("first").await;
    active.sees("first", first).await;
    let standby = Instance::start(&stage.server, 2);
    standby.sees("first", first).await;

    let mut known = Positions::NONE;
    for n in 0..30 {
        let id = format!("product {n}");
        let written = stage.product(&id).await;
        active.sees(&id, written).await;
        // A query without a position gets no stale answer either.
        let after = if n % 2 == 0 { known } else { Positions::NONE };
        let reply = standby
            .ask(GET_POSITIONS, &json!({"params": {"after": after}}))
            .await;
        let said: Positions = serde_json::from_value(reply["result"].clone()).unwrap();
        assert_eq!(
            said.get(Topic::Product),
            written.get(Topic::Product),
            "{n}: {reply}"
        );
        known.merge(&said);
    }
    active.stop().await;
    standby.stop().await;
}
