//! The event store: every topic is on the node that has its slot, wherever that is by now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ordershop_contract::dead_letters::DeadLetterRequest;
use ordershop_contract::event_store::{
    Appended, EventStore, EventStoreError, ExpectedVersion, SubscribeRequest, Transaction,
};
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::replicas::ReplicasAsked;
use tokio::task::JoinHandle;

use crate::cluster_server::RedisCluster;
use crate::stage::*;

fn store_with(cluster: &RedisCluster, replicas: ReplicasAsked) -> Arc<RedisEventStore> {
    let config = EventStoreConfig {
        replicas,
        ..EventStoreConfig::default()
    };
    let link = RedisLink::new(&cluster.url()).unwrap();
    RedisEventStore::start(link, &AppendMetrics::default(), config)
}

pub fn store(cluster: &RedisCluster) -> Arc<RedisEventStore> {
    store_with(cluster, ReplicasAsked::default())
}

/// Appends `e0`, `e1`, … to one aggregate, each expecting the one before, and repeats whatever isn't answered; returns how many there are.
fn append_on(store: &Arc<RedisEventStore>, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (store, stop) = (Arc::clone(store), Arc::clone(stop));
    tokio::spawn(async move {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let expected = match count {
                0 => ExpectedVersion::NoStream,
                version => ExpectedVersion::Exact(version as u64),
            };
            let next = transaction(vec![event(&format!("e{count}"), "a", expected)]);
            match store.append(vec![next]).await {
                Ok(answers) => match &answers[0] {
                    Appended::Committed { .. } => count += 1,
                    // An earlier try was written whose answer was lost.
                    Appended::Conflict { version, .. } => {
                        assert_eq!(*version, count as u64 + 1, "{answers:?}");
                        count += 1;
                    }
                },
                Err(EventStoreError::Unavailable(_) | EventStoreError::Indeterminate(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        count
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_on_several_nodes_are_appended_to_read_and_subscribed_to() {
    let cluster = RedisCluster::start(false, &[]).await;
    let store = store(&cluster);
    let of = |topic: Topic, id: &str| Transaction {
        partition: topic.into(),
        ..transaction(vec![event(id, "a", ExpectedVersion::NoStream)])
    };

    let answers = store
        .append(Topic::ALL.map(|topic| of(topic, topic.name())).to_vec())
        .await
        .unwrap();
    let again = store.append(vec![of(Topic::Cart, "other")]).await.unwrap();

    assert!(answers.iter().all(is_committed));
    assert!(matches!(again[0], Appended::Conflict { version: 1, .. }));
    for topic in Topic::ALL {
        let read = store.read(topic.into(), Position::START, 10).await.unwrap();
        let followed = store
            .follow(topic.into(), Position::START, 10, PATIENCE)
            .await
            .unwrap();
        assert_eq!((read.len(), followed.len()), (1, 1));
        assert_eq!(followed[0].position, read[0].position);
        assert_eq!(read[0].event_id.as_str(), topic.name());
        assert_eq!(
            store.last_position(topic.into()).await.unwrap(),
            read[0].position
        );
    }
    let streams = cluster.tell_each(&["KEYS", "events:*"]).await;
    let filled = streams.iter().filter(|keys| keys.contains("events"));
    assert!(filled.count() > 1, "{streams:?}");
    let usage = store.server_usage().await.unwrap().unwrap();
    assert!(usage.calls["xadd"] >= 8, "{usage:?}");

    // A batch whose cause is on another node.
    let Appended::Committed { position } = answers[Topic::Order.index()] else {
        panic!("{answers:?}");
    };
    let caused = Transaction {
        causes: Positions::of(Topic::Order, position),
        ..of(Topic::Shipping, "caused")
    };
    let caused = Transaction {
        events: vec![event("caused", "b", ExpectedVersion::NoStream)],
        ..caused
    };
    assert!(is_committed(&append(&*store, caused).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_acknowledges_and_its_dead_letters_are_listed_and_sent_again() {
    let cluster = RedisCluster::start(false, &[]).await;
    let store = store(&cluster);
    append_many(&*store, 50).await;
    let mut subscription = subscribe(&*store, "one", 10).await;

    let seen = drain(&mut subscription, 40).await;
    let batch = subscription.next_batch().await.unwrap();
    subscription.dead_letter(&batch[0], "poison").await.unwrap();
    let rest: Vec<Position> = batch[1..].iter().map(|event| event.position).collect();
    subscription.ack(&rest).await.unwrap();

    assert_eq!(seen, ids(0..40));
    let groups = store.groups().await.unwrap();
    assert_eq!((groups[0].pending, groups[0].dead_letters), (0, 1));
    let link = RedisLink::new(&cluster.url()).unwrap();
    let queue = RedisMessageQueue::start(link, Default::default(), QueueConfig::default());
    let list = DeadLetterRequest::List { skip: 0, limit: 9 };
    let letters = queue.dead_letters(list).await.unwrap();
    assert_eq!(letters.len(), 1);
    let reading = tokio::spawn(async move { next(&mut subscription).await });
    let resend = DeadLetterRequest::Resend(letters[0].id.clone());
    assert_eq!(queue.dead_letters(resend).await.unwrap().len(), 1);
    assert_eq!(reading.await.unwrap().0, ["e40"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_appended_and_delivered_once_and_in_order_while_their_slot_moves() {
    let cluster = RedisCluster::start(false, &[]).await;
    let (store, stop) = (store(&cluster), Arc::new(AtomicBool::new(false)));
    append_one(&*store, "first", "b", ExpectedVersion::NoStream).await;
    let mut subscription = subscribe(&*store, "one", 100).await;
    assert_eq!(drain(&mut subscription, 1).await, ["first"]);
    let appending = append_on(&store, &stop);
    let delivering = tokio::spawn(async move { drain(&mut subscription, 400).await });

    for _ in 0..2 {
        let before = store.last_position(Topic::Order.into()).await.unwrap();
        cluster.move_slot_of("events:{order}", async || {}).await;
        // It goes on at the new place.
        let after = store
            .follow(Topic::Order.into(), before, 1_000, PATIENCE)
            .await;
        assert!(!after.unwrap().is_empty());
    }

    let mut delivered = delivering.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let count = appending.await.unwrap();
    let written: Vec<String> = all_events(&*store)
        .await
        .into_iter()
        .map(|event| event.event_id.into())
        .skip(1)
        .collect();
    assert_eq!(written, ids(0..count));
    // What wasn't acknowledged when the slot moved is delivered again.
    delivered.dedup();
    delivered.sort_by_key(|id| id[1..].parse::<usize>().unwrap());
    delivered.dedup();
    assert_eq!(delivered, ids(0..delivered.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_takes_no_event_with_it_that_a_replica_had_to_have() {
    let cluster = RedisCluster::start(true, &[]).await;
    let replicas = ReplicasAsked {
        ack: 1,
        ack_timeout_ms: 1_000,
    };
    let one = store_with(&cluster, replicas);
    let stop = Arc::new(AtomicBool::new(false));
    append_one(&*one, "first", "b", ExpectedVersion::NoStream).await;
    let request = SubscribeRequest {
        group: "other-service".to_owned(),
        partition: Topic::Order.into(),
        consumer: "one".into(),
        batch_max: 100,
    };
    let mut subscription = one.subscribe(request).await.unwrap();
    assert_eq!(drain(&mut subscription, 1).await, ["first"]);
    let appending = append_on(&one, &stop);
    let delivering = tokio::spawn(async move { drain(&mut subscription, 50).await });
    drop(delivering.await.unwrap());

    cluster.kill_owner("events:{order}").await;
    stop.store(true, Ordering::Relaxed);
    let count = appending.await.unwrap();

    // The next master has no replica, so that nothing is acknowledged as asked for any more; it has all that was.
    one.close().await;
    let other = store(&cluster);
    append_one(&*other, "last", "c", ExpectedVersion::NoStream).await;
    let written: Vec<String> = all_events(&*other)
        .await
        .into_iter()
        .map(|event| event.event_id.into())
        .collect();
    let kept = &written[1..written.len() - 1];
    assert!(kept.len() >= count, "{} of {count}", kept.len());
    assert_eq!(kept, ids(0..kept.len()));
}
