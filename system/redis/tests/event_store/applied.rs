//! What is told of the read model's positions: at once, and whatever happens to connections, messages and Redis.

use ordershop_contract::event_store::{Applied, EventStore};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::applied::{Channels, message, position_key};

use crate::stage::*;

fn at(ms: u64) -> Position {
    Position { ms, seq: 0 }
}

/// Tells that topic `order` is applied, and then writes it.
async fn apply(stage: &Stage, ms: u64, received_at_us: Option<u64>) {
    tell(stage, ms, received_at_us).await;
    write(stage, ms).await;
}

/// Tells that topic `order` is applied, as a projection does before it writes.
async fn tell(stage: &Stage, ms: u64, received_at_us: Option<u64>) {
    let mut pipe = redis::pipe();
    let channel = Channels::of(&stage.link(), Topic::Order).applied;
    let told = message(&channel, Topic::Order.into(), at(ms), received_at_us);
    pipe.add_command(told);
    let mut connection = stage.link().dedicated().await.unwrap();
    pipe.exec_async(&mut connection).await.unwrap();
}

/// Sets the position of topic `order` and tells it, as a projection's transaction does.
async fn write(stage: &Stage, ms: u64) {
    let mut pipe = redis::pipe();
    pipe.atomic();
    pipe.set(position_key(Topic::Order), at(ms).to_string())
        .ignore();
    let channel = Channels::of(&stage.link(), Topic::Order).written;
    let told = message(&channel, Topic::Order.into(), at(ms), None);
    pipe.add_command(told).ignore();
    let mut connection = stage.link().dedicated().await.unwrap();
    pipe.exec_async(&mut connection).await.unwrap();
}

/// Waits until the position of topic `order` fits.
async fn told(store: &impl EventStore, fits: impl Fn(Position) -> bool) -> Applied {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut after = Positions::NONE;
    loop {
        if let Ok(applied) = store.applied(&after, PATIENCE / 20).await {
            if applied.positions.get(Topic::Order).is_some_and(&fits) {
                return applied;
            }
            after = applied.positions;
        }
        assert!(std::time::Instant::now() < deadline, "{after:?}");
    }
}

#[tokio::test]
async fn positions_are_told_as_they_are_and_as_they_move() {
    let stage = Stage::new().await;
    let store = stage.store();
    let first = store.applied(&Positions::NONE, PATIENCE).await.unwrap();
    assert_eq!(first.positions.get(Topic::Order), Some(Position::START));
    assert_eq!(first.positions.iter().count(), Topic::ALL.len());

    let (news, ()) = tokio::join!(
        store.applied(&first.positions, PATIENCE),
        apply(&stage, 5, None)
    );
    let news = news.unwrap();

    let mut expected = first.positions;
    expected.set(Topic::Order, at(5));
    assert_eq!(news.positions, expected);
    assert_eq!(news.batches, []);
    let nothing = store.applied(&expected, PATIENCE / 100).await.unwrap();
    assert_eq!(nothing.positions, expected);
}

#[tokio::test]
async fn what_was_applied_before_anybody_listened_is_told_once_it_is_written() {
    let stage = Stage::new().await;
    let store = stage.store();
    tell(&stage, 5, None).await;
    told(&*store, |position| position == Position::START).await;

    write(&stage, 5).await;

    told(&*store, |position| position == at(5)).await;
}

#[tokio::test]
async fn what_is_written_takes_back_nothing_of_what_is_applied() {
    let stage = Stage::new().await;
    let store = stage.store();
    told(&*store, |_| true).await;

    tell(&stage, 5, None).await;
    tell(&stage, 6, None).await;
    write(&stage, 5).await;
    told(&*store, |position| position == at(6)).await;
    let channel = Channels::of(&stage.link(), Topic::Cart).applied;
    let _: u64 = stage.redis(&["SPUBLISH", &channel, "cart=1-0"]).await;

    let mut after = Positions::NONE;
    while after.get(Topic::Cart) != Some(at(1)) {
        after = store.applied(&after, PATIENCE).await.unwrap().positions;
    }
    assert_eq!(after.get(Topic::Order), Some(at(6)));
}

#[tokio::test]
async fn a_batch_with_a_sampled_requests_events_is_told_with_its_times_and_once() {
    let stage = Stage::new().await;
    let store = stage.store();
    told(&*store, |_| true).await;

    apply(&stage, 5, Some(7)).await;
    apply(&stage, 6, None).await;

    let news = told(&*store, |position| position == at(6)).await;
    let all = store.applied(&Positions::NONE, PATIENCE).await.unwrap();
    let [batch] = &all.batches[..] else {
        panic!("{all:?}");
    };
    assert_eq!((batch.partition, batch.to), (Topic::Order.into(), at(5)));
    assert_eq!(batch.received_at_us, 7);
    assert!(batch.applied_at_us > 1_600_000_000_000_000, "{batch:?}");
    let later = store
        .applied(&news.positions, PATIENCE / 100)
        .await
        .unwrap();
    assert_eq!(later.batches, []);
}

#[tokio::test]
async fn a_message_that_a_broken_connection_lost_is_made_up_for() {
    let stage = Stage::new().await;
    let store = stage.store();
    apply(&stage, 5, None).await;
    told(&*store, |position| position == at(5)).await;

    // Both go by in one transaction, so that nobody can have subscribed again before the position is set.
    let mut connection = stage.link().dedicated().await.unwrap();
    let mut pipe = redis::pipe();
    pipe.atomic();
    pipe.cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub");
    pipe.set(position_key(Topic::Order), at(6).to_string());
    pipe.exec_async(&mut connection).await.unwrap();

    told(&*store, |position| position == at(6)).await;
}

#[tokio::test]
async fn after_redis_went_back_the_positions_that_are_left_are_told() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    apply(&stage, 5, None).await;
    stage.save().await;
    apply(&stage, 6, None).await;
    told(&*store, |position| position == at(6)).await;

    stage.go_back().await;

    told(&*store, |position| position == at(5)).await;
    apply(&stage, 7, None).await;
    told(&*store, |position| position == at(7)).await;
}

#[tokio::test]
async fn a_projection_that_begins_anew_is_told_as_one() {
    let stage = Stage::new().await;
    let store = stage.store();
    apply(&stage, 5, None).await;
    told(&*store, |position| position == at(5)).await;

    apply(&stage, 0, None).await;

    told(&*store, |position| position == Position::START).await;
}

#[tokio::test]
async fn what_another_database_of_the_server_tells_is_not_heard() {
    let stage = Stage::new().await;
    let store = stage.store();
    told(&*store, |_| true).await;
    let other = format!("{}?db=1", stage.server.url());
    let other = ordershop_redis::connection::RedisLink::new(&other).unwrap();
    let other = Channels::of(&other, Topic::Order).applied;

    let heard: u64 = stage.redis(&["SPUBLISH", &other, "order=9-0"]).await;
    apply(&stage, 5, None).await;

    assert_eq!(heard, 0);
    told(&*store, |position| position == at(5)).await;
}

#[tokio::test]
async fn nobody_listens_while_nobody_waits() {
    let stage = Stage::new().await;
    let store = stage.store();
    let listeners = async || {
        let channel = Channels::of(&stage.link(), Topic::Order).applied;
        let counted: (String, u64) = stage.redis(&["PUBSUB", "SHARDNUMSUB", &channel]).await;
        counted.1
    };
    assert_eq!(listeners().await, 0);
    told(&*store, |_| true).await;
    assert_eq!(listeners().await, 1);

    let deadline = std::time::Instant::now() + PATIENCE;
    while listeners().await > 0 {
        assert!(std::time::Instant::now() < deadline, "it listens forever");
        tokio::task::yield_now().await;
    }

    apply(&stage, 5, None).await;
    told(&*store, |position| position == at(5)).await;
}
