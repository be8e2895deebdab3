//! The read model's group: it is given what follows the position that it keeps itself.

use std::collections::HashMap;
use std::time::Instant;

use ordershop_contract::event_store::{
    EventStore, EventSubscription, ExpectedVersion, GroupStatus, READ_MODEL, SubscribeRequest,
};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

use crate::stage::*;

pub const POSITION: &str = "position:{order}";
pub const LETTERS: &str = "dead:{order}:read-model";

pub async fn projection(store: &impl EventStore, consumer: &str) -> Box<dyn EventSubscription> {
    let request = SubscribeRequest {
        group: READ_MODEL.to_owned(),
        partition: Topic::Order.into(),
        consumer: consumer.to_owned(),
        batch_max: 100,
    };
    store.subscribe(request).await.unwrap()
}

/// Waits until the store tells the read model's progress in the topic of orders.
async fn status(store: &impl EventStore) -> GroupStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let groups = store.groups().await.unwrap();
        let mut of_read_model = groups.into_iter().filter(|one| one.group == READ_MODEL);
        if let Some(status) = of_read_model.next() {
            assert_eq!(of_read_model.next(), None);
            return status;
        }
        assert!(Instant::now() < deadline);
    }
}

pub async fn keep(stage: &Stage, position: Position) {
    let _: String = stage.redis(&["SET", POSITION, &position.to_string()]).await;
}

/// Writes an entry that is no event.
async fn foreign(stage: &Stage) -> String {
    stage
        .redis(&["XADD", "events:{order}", "*", "a", "b"])
        .await
}

/// The positions of the dead letters.
async fn letters(stage: &Stage) -> Vec<String> {
    let letters: Vec<(String, HashMap<String, String>)> =
        stage.redis(&["XRANGE", LETTERS, "-", "+"]).await;
    let positions = letters
        .into_iter()
        .map(|(_, fields)| fields["position"].clone());
    positions.collect()
}

#[tokio::test]
async fn it_is_given_what_follows_its_position_whatever_a_group_of_before_has_read() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let written = all_events(&*store).await;
    // What a version left that read by a group: it had read more than it had projected, and not acknowledged all.
    let stream = "events:{order}";
    let _: String = stage
        .redis(&["XGROUP", "CREATE", stream, READ_MODEL, "0"])
        .await;
    let taken = [
        "XREADGROUP",
        "GROUP",
        READ_MODEL,
        "x",
        "COUNT",
        "6",
        "STREAMS",
        stream,
        ">",
    ];
    let _: redis::Value = stage.redis(&taken).await;
    keep(&stage, written[3].position).await;

    let mut subscription = projection(&*store, "one").await;
    let (given, positions) = next(&mut subscription).await;

    assert_eq!(given, ids(4..10));
    let delivered = status(&*store).await;
    assert_eq!((delivered.undelivered, delivered.pending), (Some(0), 6));
    subscription.ack(&positions).await.unwrap();
    append_one(&*store, "e10", "b", ExpectedVersion::NoStream).await;
    assert_eq!(next(&mut subscription).await.0, ["e10"]);
    let handled = status(&*store).await;
    assert_eq!((handled.delivered, handled.pending), (Some(11), 1));
    assert_eq!(handled.lag.counts().iter().sum::<u64>(), 6);
}

#[tokio::test]
async fn who_takes_over_begins_at_the_position_that_is_kept_then() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let mut active = projection(&*store, "one").await;
    let (given, positions) = next(&mut active).await;
    assert_eq!(given, ids(0..10));
    let mut standby = projection(&*store, "two").await;
    let waiting = tokio::spawn(async move { next(&mut standby).await.0 });
    active.ack(&positions).await.unwrap();
    keep(&stage, positions[6]).await;

    drop(active);

    assert_eq!(waiting.await.unwrap(), ids(7..10));
}

#[tokio::test]
async fn a_cancelled_wait_and_a_broken_connection_lose_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 1).await;
    let mut subscription = projection(&*store, "one").await;
    let (_, positions) = next(&mut subscription).await;
    let epoch = subscription.epoch();
    let in_vain = tokio::time::timeout(PATIENCE / 1_000, subscription.next_batch_ahead()).await;
    assert!(in_vain.is_err());

    append_one(&*store, "e1", "b", ExpectedVersion::NoStream).await;
    assert_eq!(next(&mut subscription).await.0, ["e1"]);
    assert_eq!(subscription.epoch(), epoch);
    keep(&stage, positions[0]).await;
    let _: u64 = stage.redis(&["CLIENT", "KILL", "TYPE", "normal"]).await;

    assert_eq!(next(&mut subscription).await.0, ["e1"]);
    assert_ne!(subscription.epoch(), epoch);
}

#[tokio::test]
async fn an_entry_that_is_no_event_is_one_dead_letter_however_often_it_is_read() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 1).await;
    let strange = foreign(&stage).await;
    for consumer in ["one", "two"] {
        let mut subscription = projection(&*store, consumer).await;
        assert_eq!(next(&mut subscription).await.0, ids(0..1));
    }
    let mut subscription = projection(&*store, "three").await;
    append_one(&*store, "e1", "b", ExpectedVersion::NoStream).await;

    let (_, positions) = next(&mut subscription).await;
    subscription.ack(&positions).await.unwrap();

    assert_eq!(letters(&stage).await, [strange]);
    let status = status(&*store).await;
    assert_eq!((status.undelivered, status.dead_letters), (Some(0), 1));
}

#[tokio::test]
async fn a_store_that_reads_nothing_for_it_counts_what_follows_its_position() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    assert_eq!(store.groups().await.unwrap(), []);
    let written = all_events(&*store).await;

    for (n, left) in [(6, 3), (9, 0)] {
        keep(&stage, written[n].position).await;
        let status = status(&*store).await;
        assert_eq!((status.undelivered, status.pending), (Some(left), 0));
    }
}
