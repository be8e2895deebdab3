//! A master dies with what it has not sent yet, and its replica is made the master.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_contract::event_store::{EventStore, ExpectedVersion};
use ordershop_redis::event_store::RedisEventStore;
use ordershop_redis::replicas::ReplicasAsked;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::pair::{ONE, Pair, store_at};
use crate::stage::{all_events, event, transaction};

/// How much later the replica gets what the master sends.
const DELAY: Duration = Duration::from_millis(5);
/// Those who append at the same time.
const WRITERS: usize = 8;
/// So many events are answered before the master dies.
const ANSWERED_MIN: usize = 200;

/// Appends events of an aggregate, and tells those that are answered.
async fn write(
    store: Arc<RedisEventStore>,
    aggregate: String,
    told: mpsc::UnboundedSender<String>,
) {
    for version in 0.. {
        let expected = match version {
            0 => ExpectedVersion::NoStream,
            n => ExpectedVersion::Exact(n),
        };
        let id = format!("{aggregate}-{version}");
        let event = event(&id, &aggregate, expected);
        if let Err(error) = store.append(vec![transaction(vec![event])]).await {
            panic!("{id}: {error}");
        }
        let _ = told.send(id);
    }
}

/// What a master that died had answered.
#[derive(Default)]
struct Dead {
    answered: usize,
    /// Of these, what the next master doesn't have.
    lost: usize,
    /// How long the first [`ANSWERED_MIN`] took.
    took: Duration,
}

/// Kills a master under load.
async fn dead_master(replicas: ReplicasAsked, delay: Duration) -> Dead {
    let pair = Pair::new(delay).await;
    let store = pair.store(replicas);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(
            Arc::clone(&store),
            format!("a{writer}"),
            tell.clone(),
        ));
    }
    drop(tell);
    let began = Instant::now();
    let mut answered = HashSet::new();
    while answered.len() < ANSWERED_MIN {
        answered.insert(told.recv().await.expect("the writers go on"));
    }
    let took = began.elapsed();
    pair.master.signal("KILL");
    pair.line.cut();
    writers.shutdown().await;
    while let Some(id) = told.recv().await {
        answered.insert(id);
    }
    pair.replica.tell(&["REPLICAOF", "NO", "ONE"]).await;
    let next = store_at(&pair.replica.url(), ReplicasAsked::default());
    let count = answered.len();
    for event in all_events(&*next).await {
        answered.remove(event.event_id.as_str());
    }
    Dead {
        answered: count,
        lost: answered.len(),
        took,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_takes_no_answered_event_with_it() {
    for _ in 0..5 {
        let dead = dead_master(ONE, DELAY).await;
        assert_eq!(dead.lost, 0, "of {}", dead.answered);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: it prints how much twenty masters that die take with them"]
async fn what_twenty_masters_that_die_take_with_them() {
    let none = ReplicasAsked::default();
    for (delay, replicas) in [
        (Duration::ZERO, none),
        (Duration::ZERO, ONE),
        (DELAY, none),
        (DELAY, ONE),
    ] {
        let (mut all, mut with_loss) = (Dead::default(), 0);
        for _ in 0..20 {
            let dead = dead_master(replicas, delay).await;
            all.answered += dead.answered;
            all.lost += dead.lost;
            all.took += dead.took;
            with_loss += usize::from(dead.lost > 0);
        }
        println!(
            "{delay:?} later, replicas-ack {}: {} events answered, {} of them lost, by {with_loss} of 20 masters; {} ms for the first {ANSWERED_MIN}",
            replicas.ack,
            all.answered,
            all.lost,
            all.took.as_millis() / 20
        );
    }
}
