//! The consumers of a group share a topic's partitions, and so do event stores; each takes over what another one leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ordershop_contract::event_store::{
    EventStore, EventStoreError, ExpectedVersion, SubscribeRequest, Transaction,
};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stage::*;

const GROUP: &str = "inventory-service";

fn four() -> Partitions {
    Partitions::new(4).unwrap()
}

fn store(stage: &Stage) -> Arc<RedisEventStore> {
    stage.store_with(EventStoreConfig {
        partitions: four(),
        lease_ttl_ms: 500,
        standby_poll_ms: 50,
        ..EventStoreConfig::default()
    })
}

/// What each consumer was given, by partition.
type Seen = Arc<Mutex<Vec<(Partition, String)>>>;

/// A consumer of all partitions, until it is stopped after a batch.
struct Consumer {
    store: Arc<RedisEventStore>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Consumer {
    async fn start(stage: &Stage, name: &str, seen: &Seen) -> Self {
        let (store, stop) = (store(stage), CancellationToken::new());
        let mut tasks = JoinSet::new();
        for partition in four().of_topic(Topic::Order) {
            let request = SubscribeRequest {
                group: GROUP.to_owned(),
                partition,
                consumer: name.to_owned(),
                batch_max: 10,
            };
            let mut subscription = store.subscribe(request).await.unwrap();
            let (seen, stop) = (Arc::clone(seen), stop.clone());
            tasks.spawn(async move {
                while let Some(Ok(batch)) =
                    stop.run_until_cancelled(subscription.next_batch()).await
                {
                    let positions: Vec<_> = batch.iter().map(|event| event.position).collect();
                    let ids = batch.into_iter().map(|event| event.event_id.into());
                    let ids = ids.map(|id: String| (partition, id));
                    seen.lock().unwrap().extend(ids);
                    subscription.ack(&positions).await.unwrap();
                }
            });
        }
        Self { store, stop, tasks }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.join_all().await;
        self.store.close().await;
    }
}

/// Who is active in how many partitions, of a group or of the stores.
async fn active(stage: &Stage, group: &str) -> BTreeMap<String, usize> {
    let mut active = BTreeMap::new();
    for partition in four().of_topic(Topic::Order) {
        let lease = format!("lease:{{{partition}}}:{group}");
        let owner: Option<String> = stage.redis(&["GET", &lease]).await;
        if let Some((name, _)) = owner.as_deref().and_then(|owner| owner.split_once('|')) {
            *active.entry(name.to_owned()).or_default() += 1;
        }
    }
    active
}

/// Waits until those who are active in a group are as they should be.
async fn until(stage: &Stage, group: &str, holds: impl Fn(&BTreeMap<String, usize>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let active = active(stage, group).await;
        if holds(&active) {
            return;
        }
        assert!(Instant::now() < deadline, "{active:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn until_active(stage: &Stage, wanted: &[(&str, usize)]) {
    let wanted = wanted.iter().copied();
    let is_wanted = |active: &BTreeMap<String, usize>| {
        let active = active.iter().map(|(name, count)| (name.as_str(), *count));
        active.eq(wanted.clone())
    };
    until(stage, GROUP, is_wanted).await;
}

/// Waits until each of the stores leads so many partitions.
async fn until_led(stage: &Stage, wanted: &[usize]) {
    until(stage, "writer", |led| led.values().eq(wanted)).await;
}

/// Appends one event after the other through a store, until it is stopped; returns their ids.
async fn appends(
    store: Arc<RedisEventStore>,
    name: &str,
    stop: CancellationToken,
) -> BTreeSet<String> {
    let mut appended = BTreeSet::new();
    for n in 0.. {
        if stop.is_cancelled() {
            break;
        }
        let id = format!("{name}{n:06}");
        let partition = four().of(Topic::Order, &id);
        let event = event(&id, &id, ExpectedVersion::NoStream);
        let answer = store.append(vec![Transaction::of(partition, vec![event])]);
        assert!(is_committed(&answer.await.unwrap()[0]), "{id}");
        appended.insert(id);
    }
    appended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_share_the_partitions_and_no_event_is_given_twice_or_left_out() {
    let stage = Stage::new().await;
    let writer = store(&stage);
    let seen: Seen = Arc::default();
    let ended = CancellationToken::new();
    let writing = tokio::spawn(appends(Arc::clone(&writer), "e", ended.clone()));

    let one = Consumer::start(&stage, "one", &seen).await;
    until_active(&stage, &[("one", 4)]).await;
    let two = Consumer::start(&stage, "two", &seen).await;
    let began = Instant::now();
    until_active(&stage, &[("one", 2), ("two", 2)]).await;
    eprintln!("shared after {:?}", began.elapsed());
    two.end().await;
    let began = Instant::now();
    until_active(&stage, &[("one", 4)]).await;
    eprintln!("taken over after {:?}", began.elapsed());

    ended.cancel();
    let written = writing.await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while seen.lock().unwrap().len() < written.len() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    one.end().await;
    writer.close().await;
    let seen = seen.lock().unwrap();
    let distinct: BTreeSet<String> = seen.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(distinct, written);
    assert_eq!(seen.len(), written.len(), "an event was given twice");
    for partition in four().of_topic(Topic::Order) {
        let of_it = seen.iter().filter(|(of, _)| *of == partition);
        let numbers: Vec<u64> = of_it.map(|(_, id)| id[1..].parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{partition}: {numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_share_the_partitions_and_no_append_fails_when_one_comes_or_goes() {
    let stage = Stage::new().await;
    let (first, stop) = (store(&stage), CancellationToken::new());
    let by_first = tokio::spawn(appends(Arc::clone(&first), "a", stop.clone()));
    until_led(&stage, &[4]).await;

    let (second, stop_second) = (store(&stage), CancellationToken::new());
    let by_second = tokio::spawn(appends(Arc::clone(&second), "b", stop_second.clone()));
    let began = Instant::now();
    until_led(&stage, &[2, 2]).await;
    eprintln!("led by two after {:?}", began.elapsed());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    stop_second.cancel();
    let by_second = by_second.await.unwrap();
    let began = Instant::now();
    second.close().await;
    until_led(&stage, &[4]).await;
    eprintln!("led by one after {:?}", began.elapsed());

    stop.cancel();
    let by_first = by_first.await.unwrap();
    assert!(!by_first.is_empty() && !by_second.is_empty());
    let mut written = Vec::new();
    for partition in four().of_topic(Topic::Order) {
        let events = first
            .read(partition, Position::START, 10_000)
            .await
            .unwrap();
        let ids = events.into_iter().map(|event| String::from(event.event_id));
        let ids: Vec<String> = ids.collect();
        for name in ["a", "b"] {
            let own = ids.iter().filter(|id| id.starts_with(name));
            assert!(own.is_sorted(), "{partition}: {ids:?}");
        }
        written.extend(ids);
    }
    written.sort_unstable();
    assert!(written.iter().eq(by_first.union(&by_second)), "{written:?}");
    first.close().await;
}

#[tokio::test]
async fn a_partition_that_the_shop_does_not_have_is_refused() {
    let stage = Stage::new().await;
    let store = store(&stage);
    let strange = Partition::new(Topic::Order, 4);

    let event = event("e", "e", ExpectedVersion::NoStream);
    let appended = store.append(vec![Transaction::of(strange, vec![event])]);
    let last = store.last_position(strange);

    for error in [appended.await.unwrap_err(), last.await.unwrap_err()] {
        assert!(matches!(error, EventStoreError::Invalid(_)), "{error}");
        assert!(error.to_string().contains("order.4"), "{error}");
    }
    store.close().await;
}
