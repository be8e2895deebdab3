//! Consumer groups.

use std::time::{Duration, Instant};

use ordershop_contract::event_store::{EventStore, EventStoreError, ExpectedVersion, GroupStatus};
use ordershop_contract::topic::Topic;

use crate::stage::*;

async fn status(store: &impl EventStore) -> GroupStatus {
    let mut groups = store.groups().await.unwrap();
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

/// Waits for the status: an acknowledgement may arrive a little later.
async fn status_once(store: &impl EventStore, pending: u64, dead_letters: u64) -> GroupStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(store).await;
        if (status.pending, status.dead_letters) == (pending, dead_letters) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:?}");
    }
}

#[tokio::test]
async fn a_group_gets_everything_in_order_and_acknowledges_it() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 250).await;
    let mut subscription = subscribe(&*store, "one", 100).await;

    let seen = drain(&mut subscription, 250).await;

    assert_eq!(seen, ids(0..250));
    let status = status_once(&*store, 0, 0).await;
    assert_eq!(status.lag.counts().iter().sum::<u64>(), 250);
    let expected = GroupStatus {
        group: "test-service".into(),
        partition: Topic::Order.into(),
        undelivered: Some(0),
        delivered: Some(250),
        pending: 0,
        dead_letters: 0,
        lag: status.lag.clone(),
    };
    assert_eq!(status, expected);
}

#[tokio::test]
async fn groups_count_what_is_undelivered_and_what_is_pending() {
    let stage = Stage::new().await;
    let store = stage.store();
    assert_eq!(store.groups().await.unwrap(), []);
    let mut subscription = subscribe(&*store, "one", 10).await;
    append_many(&*store, 30).await;

    let (_, positions) = next(&mut subscription).await;
    let delivered = status(&*store).await;
    subscription.ack(&positions[..4]).await.unwrap();
    let acknowledged = status_once(&*store, 6, 0).await;

    assert_eq!((delivered.undelivered, delivered.pending), (Some(20), 10));
    assert_eq!(
        (acknowledged.undelivered, acknowledged.delivered),
        (Some(20), Some(10))
    );
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_first_again() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let mut subscription = subscribe(&*store, "one", 4).await;

    let (first, positions) = next(&mut subscription).await;
    subscription.ack(&positions[..1]).await.unwrap();
    let (again, positions) = next(&mut subscription).await;
    subscription.ack(&positions).await.unwrap();
    let rest = drain(&mut subscription, 6).await;

    assert_eq!(first, ids(0..4));
    assert_eq!(again, ids(1..4));
    assert_eq!(rest, ids(4..10));
}

#[tokio::test]
async fn what_is_acknowledged_with_the_next_wait_is_not_delivered_again() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 6).await;
    let mut subscription = subscribe(&*store, "one", 4).await;
    let (first, positions) = next(&mut subscription).await;

    subscription.ack_with_next(&positions).await.unwrap();
    let second = subscription.next_batch().await.unwrap();

    status_once(&*store, 2, 0).await;
    drop(subscription);
    let mut successor = subscribe(&*store, "two", 4).await;
    let left = drain(&mut successor, 2).await;
    let second: Vec<String> = second
        .iter()
        .map(|e| e.event_id.as_str().to_owned())
        .collect();
    assert_eq!((first, second), (ids(0..4), ids(4..6)));
    assert_eq!(left, ids(4..6));
}

#[tokio::test]
async fn a_batch_reaches_the_end_if_it_is_new_and_nothing_is_after_it() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 6).await;
    let mut subscription = subscribe(&*store, "one", 4).await;

    let full = subscription.next_batch().await.unwrap();
    assert!(!subscription.reaches_end(), "two are after it");
    let positions: Vec<_> = full.iter().map(|event| event.position).collect();
    subscription.ack(&positions).await.unwrap();
    subscription.next_batch().await.unwrap();
    assert!(subscription.reaches_end());
    let again = subscription.next_batch().await.unwrap();
    assert_eq!(again.len(), 2);
    assert!(!subscription.reaches_end(), "these are delivered again");
}

#[tokio::test]
async fn who_takes_over_gets_what_the_dropped_consumer_left() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let mut dropped = subscribe(&*store, "one", 4).await;
    let (left, _) = next(&mut dropped).await;

    drop(dropped);
    let mut successor = subscribe(&*store, "two", 4).await;
    let seen = drain(&mut successor, 10).await;

    assert_eq!(left, ids(0..4));
    assert_eq!(seen, ids(0..10));
}

#[tokio::test]
async fn one_consumer_is_active_and_the_other_stands_by() {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut active = subscribe(&*store, "one", 10).await;
    append_many(&*store, 1).await;
    drain(&mut active, 1).await;
    let mut standby = subscribe(&*store, "two", 10).await;
    let waiting = tokio::spawn(async move { (next(&mut standby).await.0, Instant::now()) });

    append_one(&*store, "e1", "b", ExpectedVersion::NoStream).await;
    let seen = drain(&mut active, 1).await;
    // Longer than a lease's time to live: the active consumer's lease is renewed while it handles its batch.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!waiting.is_finished());
    append_one(&*store, "e2", "c", ExpectedVersion::NoStream).await;
    let dropped = Instant::now();
    drop(active);
    let (taken_over, when) = waiting.await.unwrap();

    assert_eq!(seen, ["e1"]);
    assert_eq!(taken_over, ["e2"]);
    assert!(when - dropped < Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_event() {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut subscription = subscribe(&*store, "one", 10).await;
    append_many(&*store, 1).await;
    drain(&mut subscription, 1).await;
    let mut seen = Vec::new();

    for n in 1..40 {
        let id = format!("e{n}");
        // Either the append ends first or the wait does; the event must be delivered in both cases.
        tokio::select! {
            (ids, positions) = next(&mut subscription) => {
                subscription.ack(&positions).await.unwrap();
                seen.extend(ids);
            }
            _ = append_one(&*store, &id, &id, ExpectedVersion::NoStream) => continue,
        }
        append_if_missing(&*store, &id).await;
    }
    append_if_missing(&*store, "e39").await;
    let rest = drain(&mut subscription, 39 - seen.len()).await;
    seen.extend(rest);

    let written: Vec<String> = all_events(&*store)
        .await
        .into_iter()
        .map(|e| e.event_id.into())
        .collect();
    assert_eq!(seen, written[1..]);
}

/// Appends an event unless it exists: a cancelled append may have been written or not.
async fn append_if_missing(store: &impl EventStore, id: &str) {
    append_one(store, id, id, ExpectedVersion::NoStream).await;
}

#[tokio::test]
async fn a_dead_letter_keeps_its_event_and_reason_and_is_acknowledged() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 2).await;
    let mut subscription = subscribe(&*store, "one", 1).await;
    let batch = subscription.next_batch().await.unwrap();

    subscription
        .dead_letter(&batch[0], "it is broken")
        .await
        .unwrap();

    status_once(&*store, 0, 1).await;
    let dead: Vec<(String, std::collections::HashMap<String, String>)> = stage
        .redis(&["XRANGE", "dead:{order}:test-service", "-", "+"])
        .await;
    assert_eq!(dead[0].1["reason"], "it is broken");
    assert_eq!(dead[0].1["event_id"], "e0");
    assert_eq!(dead[0].1["position"], batch[0].position.to_string());
    assert_eq!(drain(&mut subscription, 1).await, ["e1"]);
}

#[tokio::test]
async fn an_entry_that_is_no_event_goes_to_the_dead_letters() {
    let stage = Stage::new().await;
    let store = stage.store();
    let _: String = stage
        .redis(&["XADD", "events:{order}", "1-1", "hello", "world"])
        .await;
    append_many(&*store, 2).await;
    let mut subscription = subscribe(&*store, "one", 10).await;

    let seen = drain(&mut subscription, 2).await;

    assert_eq!(seen, ids(0..2));
    status_once(&*store, 0, 1).await;
}

#[tokio::test]
async fn a_flushed_redis_gets_its_group_again() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 3).await;
    let mut subscription = subscribe(&*store, "one", 10).await;
    drain(&mut subscription, 3).await;
    let waiting = tokio::spawn(async move { drain(&mut subscription, 1).await });

    let _: String = stage.redis(&["FLUSHALL"]).await;
    // The writer's lease and fence are lost, too; a service would repeat the append.
    let deadline = Instant::now() + PATIENCE;
    while !matches!(
        store
            .append(vec![transaction(vec![event("x", "x", ExpectedVersion::Any)])])
            .await,
        Ok(answers) if is_committed(&answers[0])
    ) {
        assert!(Instant::now() < deadline);
    }

    assert_eq!(waiting.await.unwrap(), ["x"]);
}

#[tokio::test]
async fn a_closed_store_ends_its_subscriptions_and_refuses_appends() {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut subscription = subscribe(&*store, "one", 10).await;
    let waiting = tokio::spawn(async move { subscription.next_batch().await });

    store.close().await;

    let ended = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(ended, Err(EventStoreError::Closed)));
    let refused = store
        .append(vec![transaction(vec![event(
            "x",
            "x",
            ExpectedVersion::Any,
        )])])
        .await;
    assert!(matches!(refused, Err(EventStoreError::Closed)));
    let lease: Option<String> = stage.redis(&["GET", "lease:{order}:writer"]).await;
    assert_eq!(lease, None);
}
