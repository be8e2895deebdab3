//! Two read models on one Redis: one projects, the other stands by, and both answer.

use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use crate::stage::{Instance, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_answers_as_freshly_as_who_projects_and_takes_over_from_it() {
    let stage = Stage::new().await;
    let active = Instance::start(&stage.server, 1);
    let first = stage.product("first").await;
    active.sees("first", &first).await;
    let standby = Instance::start(&stage.server, 2);

    for n in 0..30 {
        let id = format!("product {n}");
        let position = stage.product(&id).await;
        standby.sees(&id, &position).await;
        active.sees(&id, &position).await;
    }

    active.stop().await;
    let last = stage.product("last").await;
    standby.sees("last", &last).await;
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_the_projection_is_is_told_to_whoever_waits_wherever_it_runs() {
    let stage = Stage::new().await;
    let active = Instance::start(&stage.server, 1);
    let first = stage.product("first").await;
    active.sees("first", &first).await;
    let standby = Instance::start(&stage.server, 2);

    let mut known = Positions::NONE;
    for n in 0..30 {
        let written = stage.product(&format!("product {n}")).await;
        while known.get(Topic::Product) < written.get(Topic::Product) {
            known = standby.told(&known).await;
        }
        assert_eq!(known.get(Topic::Product), written.get(Topic::Product));
    }
    active.stop().await;
    let last = stage.product("last").await;
    while known.get(Topic::Product) < last.get(Topic::Product) {
        known = standby.told(&known).await;
    }
    standby.stop().await;
}
