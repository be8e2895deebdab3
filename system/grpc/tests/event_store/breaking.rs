//! Servers that are killed, stop and start again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ordershop_contract::event_store::{EventStore, EventStoreError, ExpectedVersion};
use ordershop_contract::partition::Partitions;
use ordershop_grpc::event_store::client::GrpcEventStore;
use ordershop_redis::event_store::EventStoreConfig;

use crate::served::Address;
use crate::stage::*;

#[tokio::test]
async fn everything_works_over_tcp_as_well() {
    let stage = Stage::new().await;
    let store = stage.store_at(Address::tcp(), EventStoreConfig::default());
    append_many(&*store, 300).await;
    let mut subscription = subscribe(&*store, "one", 100).await;

    assert_eq!(drain(&mut subscription, 300).await, ids(0..300));
    assert_eq!(all_events(&*store).await.len(), 300);
}

#[tokio::test]
async fn what_runs_behind_the_server_is_told() {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut runs_on = store.client.runs_on();

    let told = tokio::time::timeout(PATIENCE, runs_on.wait_for(|info| info.version == "7"));

    assert_eq!(told.await.unwrap().unwrap().server, "redis");
}

#[tokio::test]
async fn appends_under_load_on_a_dying_server_lose_and_double_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();
    let (committed, unknown) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16 {
        let (store, committed, unknown) = (store.clone(), committed.clone(), unknown.clone());
        callers.spawn(async move {
            for n in 0.. {
                let aggregate = format!("a{caller}");
                let event = event(&format!("e{caller}-{n}"), &aggregate, ExpectedVersion::Any);
                match store.append(vec![transaction(vec![event])]).await {
                    Ok(_) => committed.fetch_add(1, Ordering::Relaxed),
                    Err(EventStoreError::Indeterminate(_)) => {
                        unknown.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(EventStoreError::Unavailable(_)) => continue,
                    Err(EventStoreError::Closed) => return,
                    Err(error) => panic!("{error}"),
                };
            }
        });
    }
    for _ in 0..4 {
        until_more(&committed, 200).await;
        store.kill_server();
        store.start_server();
    }
    until_more(&committed, 200).await;
    let reader = GrpcEventStore::start(store.address.channel(), Partitions::ONE);
    store.client.close().await;
    callers.join_all().await;
    let (committed, unknown) = (
        committed.load(Ordering::Relaxed),
        unknown.load(Ordering::Relaxed),
    );

    // Appends that the close cut off may still be under way; they count as neither committed nor unknown.
    let events = all_events(&*reader).await;
    let mut event_ids: Vec<_> = events.iter().map(|e| &e.event_id).collect();
    event_ids.sort();
    event_ids.dedup();

    assert_eq!(event_ids.len(), events.len());
    let written = events.len() as u64;
    assert!(
        (committed..=committed + unknown + 16).contains(&written),
        "{written} written, {committed} committed, {unknown} unknown"
    );
}

#[tokio::test]
async fn an_append_without_a_server_is_unavailable_within_seconds_and_one_that_waits_is_written() {
    let stage = Stage::new().await;
    let store = stage.store();
    store.kill_server();
    let begun = Instant::now();
    let refused = store
        .append(vec![transaction(vec![event(
            "x",
            "x",
            ExpectedVersion::Any,
        )])])
        .await;
    let took = begun.elapsed();
    let mut waiting = {
        let store = store.clone();
        tokio::spawn(async move { append_one(&*store, "e", "e", ExpectedVersion::NoStream).await })
    };
    // The append waits instead of failing at once.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    store.start_server();

    assert!(
        matches!(refused, Err(EventStoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(is_committed(&waiting.await.unwrap()));
    assert_eq!(all_events(&*store).await.len(), 1);
}

#[tokio::test]
async fn a_subscription_whose_server_dies_says_so_and_goes_on_with_what_is_unacknowledged() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 10).await;
    let mut subscription = subscribe(&*store, "one", 4).await;
    let (held, positions) = next(&mut subscription).await;

    store.kill_server();
    let lost = subscription.next_batch().await;
    let unsent = subscription.ack(&positions).await;
    store.start_server();
    let mut seen = Vec::new();
    while seen.len() < 10 {
        if let Ok(batch) = subscription.next_batch().await {
            let positions: Vec<_> = batch.iter().map(|e| e.position).collect();
            subscription.ack(&positions).await.unwrap();
            seen.extend(batch.into_iter().map(|e| e.event_id));
        }
    }

    assert_eq!(held, ids(0..4));
    assert!(
        matches!(lost, Err(EventStoreError::Unavailable(_))),
        "{lost:?}"
    );
    assert!(
        matches!(unsent, Err(EventStoreError::Unavailable(_))),
        "{unsent:?}"
    );
    assert_eq!(seen, ids(0..10));
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_takes_the_last_acknowledgement_and_ends() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 4).await;
    let mut held = subscribe(&*store, "one", 4).await;
    let (_, positions) = next(&mut held).await;

    let stopping = {
        let store = store.clone();
        tokio::spawn(async move { store.stop_server().await })
    };
    held.ack(&positions).await.unwrap();
    let ended = held.next_batch().await;
    stopping.await.unwrap();

    assert!(
        matches!(ended, Err(EventStoreError::Unavailable(_))),
        "{ended:?}"
    );
    assert_eq!(store.store.groups().await.unwrap()[0].pending, 0);
}

#[tokio::test]
async fn acknowledgements_of_a_subscription_that_is_dropped_at_once_arrive() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_many(&*store, 6).await;
    let mut dropped = subscribe(&*store, "one", 4).await;
    let (_, positions) = next(&mut dropped).await;

    dropped.ack(&positions).await.unwrap();
    drop(dropped);
    let mut successor = subscribe(&*store, "two", 4).await;

    assert_eq!(next(&mut successor).await.0, ids(4..6));
}

async fn until_more(count: &AtomicU64, more: u64) {
    let goal = count.load(Ordering::Relaxed) + more;
    let deadline = Instant::now() + PATIENCE;
    while count.load(Ordering::Relaxed) < goal {
        assert!(Instant::now() < deadline, "appends are answered");
        tokio::task::yield_now().await;
    }
}
