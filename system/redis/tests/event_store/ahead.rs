//! Batches that are requested before the previous one is acknowledged.

use ordershop_contract::event_store::{
    EventStore, EventSubscription, ExpectedVersion, GroupStatus,
};

use crate::stage::*;

async fn status(store: &impl EventStore) -> GroupStatus {
    let mut groups = store.groups().await.unwrap();
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

async fn next_ahead(subscription: &mut Box<dyn EventSubscription>) -> Vec<String> {
    let batch = tokio::time::timeout(PATIENCE, subscription.next_batch_ahead()).await;
    let batch = batch.expect("a batch in time").unwrap();
    batch
        .into_iter()
        .map(|event| event.event_id.into())
        .collect()
}

#[tokio::test]
async fn what_is_asked_for_ahead_comes_though_nothing_was_acknowledged() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let mut subscription = subscribe(&*store, "one", 4).await;

    let mut seen = Vec::new();
    while seen.len() < 10 {
        seen.extend(next_ahead(&mut subscription).await);
    }
    let pending = status(&*store).await.pending;
    // Requested without `ahead`, the events are delivered again.
    let again = drain(&mut subscription, 10).await;

    assert_eq!(seen, ids(0..10));
    assert_eq!(pending, 10);
    assert_eq!(again, ids(0..10));
    // Over gRPC acknowledgements are sent without waiting.
    let acknowledged = async {
        while status(&*store).await.pending > 0 {
            tokio::time::sleep(PATIENCE / 1_000).await;
        }
    };
    let acknowledged = tokio::time::timeout(PATIENCE, acknowledged).await;
    assert!(acknowledged.is_ok(), "all is acknowledged");
}

#[tokio::test]
async fn a_broken_connection_repeats_nothing_that_was_asked_for_ahead() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 3).await;
    let mut subscription = subscribe(&*store, "one", 4).await;
    let before = next_ahead(&mut subscription).await;

    let _: u64 = stage.redis(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    append_one(&*store, "new", "b", ExpectedVersion::NoStream).await;
    let after = next_ahead(&mut subscription).await;

    assert_eq!(before, ids(0..3));
    assert_eq!(after, ["new"]);
    assert_eq!(status(&*store).await.pending, 4);
    // The next consumer gets all of it.
    drop(subscription);
    let mut successor = subscribe(&*store, "two", 4).await;
    let mut expected = ids(0..3);
    expected.push("new".to_owned());
    assert_eq!(next_ahead(&mut successor).await, expected);
}
