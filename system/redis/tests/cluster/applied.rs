//! What is told of the read model's positions: at once, at the node that has the topic's slot, whichever that is by now.

use ordershop_contract::event_store::EventStore;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::applied::{Channels, message};
use ordershop_redis::connection::RedisLink;

use crate::cluster_server::RedisCluster;
use crate::event_store::store;
use crate::queue_stage::eventually;
use crate::stage::PATIENCE;

fn at(ms: u64) -> Position {
    Position { ms, seq: 0 }
}

/// Tells that a topic is applied, without writing it; returns how many heard it at that node, and `None` if it has no node now.
async fn tell(cluster: &RedisCluster, topic: Topic, ms: u64) -> Option<u64> {
    let link = RedisLink::new(&cluster.url()).unwrap();
    let channel = Channels::of(&link, topic).applied;
    let mut connection = link.dedicated_for(&channel).await.ok()?;
    let told = message(&channel, topic.into(), at(ms), None);
    told.query_async(&mut connection).await.ok()
}

/// Waits until all these topics are at a position.
async fn are_told(store: &impl EventStore, topics: &[Topic], ms: u64) {
    let mut after = Positions::NONE;
    eventually("the positions are told", async || {
        if let Ok(applied) = store.applied(&after, PATIENCE / 20).await {
            after = applied.positions;
        }
        let is_there = |topic: &Topic| after.get(*topic) == Some(at(ms));
        topics.iter().all(is_there)
    })
    .await;
}

/// Whoever waits for the topic of orders hears of it at its node.
async fn is_heard(cluster: &RedisCluster, store: &impl EventStore, ms: u64) {
    eventually("somebody listens at the topic's node", async || {
        // It listens while somebody waits.
        let _ = store.applied(&Positions::NONE, PATIENCE).await;
        tell(cluster, Topic::Order, ms).await == Some(1)
    })
    .await;
    are_told(store, &[Topic::Order], ms).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_heard_at_each_topics_own_node_also_after_its_slot_moved() {
    let cluster = RedisCluster::start(false, &[]).await;
    let store = store(&cluster);
    are_told(&*store, &Topic::ALL, 0).await;

    for topic in Topic::ALL {
        assert_eq!(tell(&cluster, topic, 5).await, Some(1), "{topic}");
    }
    are_told(&*store, &Topic::ALL, 5).await;
    for ms in [6, 7] {
        cluster.move_slot_of("events:{order}", async || {}).await;
        is_heard(&cluster, &*store, ms).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_heard_again_once_a_replica_has_taken_the_place_of_a_master() {
    let mut cluster = RedisCluster::start(true, &[]).await;
    let store = store(&cluster);
    is_heard(&cluster, &*store, 5).await;

    let paused = cluster.strike_owner("events:{order}", "STOP").await;
    is_heard(&cluster, &*store, 6).await;
    cluster.go_on(paused).await;
    is_heard(&cluster, &*store, 7).await;
    let dead = cluster.kill_owner("events:{order}").await;
    is_heard(&cluster, &*store, 8).await;
    cluster.restart(dead).await;
    is_heard(&cluster, &*store, 9).await;
}
