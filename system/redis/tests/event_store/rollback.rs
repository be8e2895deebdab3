//! A Redis that comes back without its last transactions, or empty, while the event store lives on.

use std::sync::Arc;

use ordershop_contract::event_store::{
    Appended, EventStore, EventStoreError, EventSubscription, ExpectedVersion, Transaction,
};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::event_store::RedisEventStore;

use crate::stage::*;

/// Appends until the store answers: what waited when Redis went back is refused.
async fn append_until_answered(
    store: &impl EventStore,
    event_id: &str,
    expected: ExpectedVersion,
) -> Appended {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let transaction = transaction(vec![event(event_id, "a", expected)]);
        match store.append(vec![transaction]).await {
            Ok(mut appended) => return appended.remove(0),
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test]
async fn an_aggregate_whose_last_event_redis_lost_is_written_again() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    stage.save().await;
    append_one(&*store, "e2", "a", ExpectedVersion::Exact(1)).await;

    stage.go_back().await;

    // The first thing that the store hears after the loss: from memory it would be a conflict.
    let again = append_until_answered(&*store, "e2", ExpectedVersion::Exact(1)).await;
    assert!(is_committed(&again), "{again:?}");
    let events = all_events(&*store).await;
    let versions: Vec<u64> = events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [1, 2]);
}

/// Appends a cart's event; what follows from it depends on its position.
async fn append_cause(store: &impl EventStore, event_id: &str) -> Position {
    let cause = event(event_id, event_id, ExpectedVersion::NoStream);
    let appended = store
        .append(vec![Transaction::of(Topic::Cart, vec![cause])])
        .await;
    match appended.as_deref() {
        Ok([Appended::Committed { position }]) => *position,
        other => panic!("{other:?}"),
    }
}

/// An order's event that follows from a cart's.
fn effect(event_id: &str, cause: Position) -> Transaction {
    Transaction {
        causes: Positions::of(Topic::Cart, cause),
        ..transaction(vec![event(event_id, event_id, ExpectedVersion::NoStream)])
    }
}

fn is_refused_for_its_cause(answer: &Result<Vec<Appended>, EventStoreError>) -> bool {
    matches!(answer, Err(EventStoreError::Unavailable(why)) if why.contains("lost what led to it"))
}

#[tokio::test]
async fn what_follows_from_an_event_that_redis_lost_is_refused() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    let kept = append_cause(&*store, "kept").await;
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    stage.save().await;
    let lost = append_cause(&*store, "lost").await;

    stage.go_back().await;

    // No order is lost, so the writer of orders doesn't see by itself that Redis went back.
    append_until_answered(&*store, "e2", ExpectedVersion::Any).await;
    let refused = store.append(vec![effect("e3", lost)]).await;
    assert!(is_refused_for_its_cause(&refused), "{refused:?}");
    let written = store.append(vec![effect("e4", kept)]).await;
    assert!(is_committed(&written.unwrap()[0]));
    let events = all_events(&*store).await;
    let ids: Vec<&str> = events.iter().map(|event| &*event.event_id).collect();
    assert_eq!(ids, ["e1", "e2", "e4"]);
}

#[tokio::test]
async fn what_was_under_way_when_redis_lost_its_cause_is_not_written_afterwards() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    stage.save().await;
    let lost = append_cause(&*store, "lost").await;

    stage.signal("STOP");
    let append = tokio::spawn({
        let store = store.clone();
        async move { store.append(vec![effect("e2", lost)]).await }
    });
    // Time for the batch to be sent; if it isn't, it waits, and the outcome is the same.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    stage.go_back().await;

    let answer = append.await.unwrap();
    assert!(is_refused_for_its_cause(&answer), "{answer:?}");
    let events = all_events(&*store).await;
    assert_eq!(events.len(), 1, "{events:?}");
}

#[tokio::test]
async fn a_conflict_with_what_redis_lost_is_told_with_the_version_that_is_left() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    stage.save().await;
    append_one(&*store, "e2", "a", ExpectedVersion::Exact(1)).await;

    stage.go_back().await;

    let late = append_until_answered(&*store, "e3", ExpectedVersion::Exact(2)).await;
    let Appended::Conflict { version, .. } = late else {
        panic!("{late:?}");
    };
    assert_eq!(version, 1);
}

#[tokio::test]
async fn after_a_flush_the_store_begins_anew() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;

    let _: String = stage.redis(&["FLUSHALL"]).await;

    let conflict = append_until_answered(&*store, "e2", ExpectedVersion::Exact(1)).await;
    assert!(
        matches!(conflict, Appended::Conflict { version: 0, .. }),
        "{conflict:?}"
    );
    let first = append_until_answered(&*store, "e1", ExpectedVersion::NoStream).await;
    assert!(is_committed(&first), "{first:?}");
}

#[tokio::test]
async fn a_subscription_begins_another_epoch_only_when_redis_may_have_gone_back() {
    let mut stage = Stage::new().await;
    let store = stage.store();
    let mut subscription = subscribe(&*store, "one", 10).await;
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    assert_eq!(drain(&mut subscription, 1).await, ["e1"]);
    let first = subscription.epoch();
    stage.save().await;

    let _: u64 = stage.redis(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    append_one(&*store, "e2", "a", ExpectedVersion::Exact(1)).await;
    assert_eq!(drain(&mut subscription, 1).await, ["e2"]);
    assert_eq!(subscription.epoch(), first, "only a connection broke");

    stage.go_back().await;
    append_until_answered(&*store, "e3", ExpectedVersion::Exact(1)).await;
    assert_eq!(drain(&mut subscription, 1).await, ["e3"]);
    let second = subscription.epoch();
    assert_ne!(second, first, "e2 is gone");

    let _: String = stage.redis(&["FLUSHALL"]).await;
    append_until_answered(&*store, "e4", ExpectedVersion::NoStream).await;
    assert_eq!(drain(&mut subscription, 1).await, ["e4"]);
    assert_ne!(subscription.epoch(), second, "all is gone");
}

/// A stage whose Redis was saved when `e1` had been delivered and not acknowledged, with who it was delivered to and its position.
async fn delivered_and_saved() -> (
    Stage,
    Arc<RedisEventStore>,
    Box<dyn EventSubscription>,
    Vec<Position>,
) {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut subscription = subscribe(&*store, "one", 10).await;
    append_one(&*store, "e1", "a", ExpectedVersion::NoStream).await;
    let (_, positions) = next(&mut subscription).await;
    stage.save().await;
    (stage, store, subscription, positions)
}

#[tokio::test]
async fn an_event_whose_acknowledgement_redis_lost_is_delivered_again() {
    let (mut stage, _store, mut subscription, positions) = delivered_and_saved().await;
    let before = subscription.epoch();
    subscription.ack(&positions).await.unwrap();

    stage.go_back().await;

    assert_eq!(drain(&mut subscription, 1).await, ["e1"]);
    assert_ne!(subscription.epoch(), before);
}

#[tokio::test]
async fn what_is_acknowledged_after_redis_went_back_is_delivered_again() {
    let (mut stage, _store, mut subscription, positions) = delivered_and_saved().await;

    stage.go_back().await;
    // What was done for it meanwhile may be lost.
    subscription.ack(&positions).await.unwrap();

    assert_eq!(drain(&mut subscription, 1).await, ["e1"]);
}

#[tokio::test]
async fn an_event_is_gone_when_the_stream_has_none_at_its_position() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 2).await;
    let events = all_events(&*store).await;
    let (topic, first, last) = (events[0].partition, events[0].position, events[1].position);
    assert!(!store.is_gone(topic, first).await.unwrap());

    let _: u64 = stage
        .redis(&["XDEL", "events:{order}", &last.to_string()])
        .await;

    assert!(!store.is_gone(topic, first).await.unwrap());
    assert!(store.is_gone(topic, last).await.unwrap());
    let start = ordershop_contract::position::Position::START;
    assert!(!store.is_gone(topic, start).await.unwrap());
}
