//! Failures: of writers, connections and the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ordershop_contract::event_store::{Appended, EventStore, EventStoreError, ExpectedVersion};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::server::RedisServer;

use crate::cut_line::CutLine;
use crate::stage::*;

/// The results of a load: the event ids that are committed. Each aggregate belongs to one worker, which repeats unanswered events with the
/// same event id, as a service does.
struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicUsize>,
    workers: Vec<tokio::task::JoinHandle<Told>>,
}

#[derive(Default)]
struct Told {
    committed: Vec<String>,
    /// Events answered with an error and found to be written when they were repeated.
    repeated: Vec<String>,
    errors: usize,
}

impl Load {
    fn start(stores: &[Arc<RedisEventStore>], workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicUsize::new(0));
        let workers = (0..workers).map(|worker| {
            let store = Arc::clone(&stores[worker % stores.len()]);
            let fallback = Arc::clone(&stores[(worker + 1) % stores.len()]);
            let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
            tokio::spawn(work(worker, [store, fallback], stop, committed))
        });
        Self {
            workers: workers.collect(),
            stop,
            committed,
        }
    }

    /// Waits until `count` more events are committed.
    async fn until_more(&self, count: usize) {
        let goal = self.committed.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + PATIENCE;
        while self.committed.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "the load makes no progress");
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        for worker in self.workers {
            let told = tokio::time::timeout(PATIENCE, worker)
                .await
                .unwrap()
                .unwrap();
            all.committed.extend(told.committed);
            all.repeated.extend(told.repeated);
            all.errors += told.errors;
        }
        all
    }
}

async fn work(
    worker: usize,
    stores: [Arc<RedisEventStore>; 2],
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicUsize>,
) -> Told {
    let mut told = Told::default();
    let aggregate = format!("a{worker}");
    let mut version = 0;
    let mut failed = false;
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) || failed {
        let id = format!("{aggregate}-{}", version + 1);
        let expected = match version {
            0 => ExpectedVersion::NoStream,
            n => ExpectedVersion::Exact(n),
        };
        let store = &stores[turn % 2];
        let answer = store
            .append(vec![transaction(vec![event(&id, &aggregate, expected)])])
            .await;
        match answer.map(|mut answers| answers.remove(0)) {
            Ok(Appended::Committed { .. }) => {
                told.committed.push(id);
                committed.fetch_add(1, Ordering::Relaxed);
                version += 1;
                failed = false;
            }
            // No other worker writes this aggregate, so only a repeat can conflict with its own event.
            Ok(Appended::Conflict { version: now, .. }) => {
                assert!(failed, "{id}: a conflict without a failure before");
                assert_eq!(now, version + 1, "{id}");
                told.repeated.push(id);
                version += 1;
                failed = false;
            }
            Err(error) => {
                assert!(!matches!(error, EventStoreError::Invalid(_)), "{error}");
                told.errors += 1;
                failed = true;
                turn += 1;
            }
        }
    }
    told
}

/// Checks that no event is lost, duplicated or out of order.
async fn check(store: &RedisEventStore, told: &Told) {
    let events = all_events(store).await;
    let mut times: HashMap<&str, usize> = HashMap::new();
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for event in &events {
        *times.entry(&event.event_id).or_default() += 1;
        let version = versions.entry(&event.entity_id).or_default();
        assert_eq!(event.version, *version + 1, "{}", event.event_id);
        assert_eq!(
            event.event_id,
            format!("{}-{}", event.entity_id, event.version)
        );
        *version = event.version;
    }
    for id in told.committed.iter().chain(&told.repeated) {
        assert_eq!(times.get(id.as_str()), Some(&1), "{id}");
    }
    assert_eq!(events.len(), told.committed.len() + told.repeated.len());
    assert!(events.is_sorted_by_key(|e| e.published_at_us));
}

#[tokio::test]
async fn a_closed_writer_is_replaced_at_once() {
    let stage = Stage::new().await;
    let first = stage.store();
    append_one(&*first, "e0", "a", ExpectedVersion::NoStream).await;
    let second = stage.store();

    let waiting = append_one(&*second, "e1", "a", ExpectedVersion::Exact(1));
    let (answer, ()) = tokio::join!(waiting, first.close());

    assert!(is_committed(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_under_load_lose_double_and_reorder_nothing_when_the_lease_is_stolen() {
    let stage = Stage::new().await;
    let stores = [stage.store(), stage.store()];
    let load = Load::start(&stores, 32);
    let fence = || stage.redis::<u64>(&["GET", "fence:{order}"]);
    load.until_more(500).await;
    let fence_before = fence().await;

    for _ in 0..8 {
        // The test increments the fence as a takeover would, in the middle of the load.
        let _: u64 = stage.redis(&["DEL", "lease:{order}:writer"]).await;
        let _: u64 = stage.redis(&["INCR", "fence:{order}"]).await;
        load.until_more(300).await;
    }

    let told = load.stop().await;
    check(&stores[0], &told).await;
    assert!(
        fence().await >= fence_before + 16,
        "each theft makes a takeover"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_killed_under_load_lose_and_double_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();
    let load = Load::start(&[Arc::clone(&store)], 32);

    for _ in 0..20 {
        load.until_more(200).await;
        let _: u64 = stage.redis(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }

    load.until_more(200).await;
    let told = load.stop().await;
    check(&store, &told).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_in_the_stream_and_answered_as_committed() {
    let stage = Stage::new().await;
    let line = CutLine::to(stage.dir.path().join("redis.sock")).await;
    let link = RedisLink::new(&line.url).unwrap();
    let store = RedisEventStore::start(link, &stage.metrics, EventStoreConfig::default());
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;

    line.cuts.store(1, Ordering::Relaxed);
    let answers = store
        .append(vec![
            transaction(vec![event("e1", "a", ExpectedVersion::Exact(1))]),
            transaction(vec![event("e2", "a", ExpectedVersion::Exact(1))]),
            transaction(vec![event("e3", "b", ExpectedVersion::NoStream)]),
        ])
        .await
        .unwrap();
    let next = append_one(&*store, "e4", "a", ExpectedVersion::Exact(2)).await;

    assert_eq!(line.cuts.load(Ordering::Relaxed), 0, "nothing was cut");
    let events = all_events(&*store).await;
    let ids: Vec<_> = events.iter().map(|e| e.event_id.as_str()).collect();
    assert_eq!(ids, ["e0", "e1", "e3", "e4"]);
    let committed = |n: usize| Appended::Committed {
        position: events[n].position,
    };
    assert_eq!([&answers[0], &answers[2]], [&committed(1), &committed(2)]);
    assert!(matches!(&answers[1], Appended::Conflict { key, version: 2, .. } if key == "a"));
    assert_eq!(next, committed(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_lost_under_load_lose_and_double_nothing() {
    let stage = Stage::new().await;
    let line = CutLine::to(stage.dir.path().join("redis.sock")).await;
    let link = RedisLink::new(&line.url).unwrap();
    let store = RedisEventStore::start(link, &stage.metrics, EventStoreConfig::default());
    let load = Load::start(&[Arc::clone(&store)], 32);

    for _ in 0..10 {
        load.until_more(100).await;
        line.cuts.store(1, Ordering::Relaxed);
    }

    load.until_more(100).await;
    let told = load.stop().await;
    check(&store, &told).await;
    assert_eq!(told.errors, 0, "every result was found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_that_starts_again_has_every_committed_event() {
    let mut stage = Stage::with_durability(Durability::Always).await;
    let store = stage.store();
    let mut subscription = subscribe(&*store, "one", 100).await;
    let load = Load::start(&[Arc::clone(&store)], 16);
    load.until_more(300).await;

    let pid = stage.server.pid().unwrap().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(killed.unwrap().success());
    let dir = stage.dir.path().to_owned();
    stage.server = RedisServer::start(&dir, Durability::Always).await.unwrap();

    load.until_more(300).await;
    let told = load.stop().await;
    check(&store, &told).await;
    // A redelivered batch may come twice, but no event is missing.
    let all: std::collections::BTreeSet<String> =
        told.committed.into_iter().chain(told.repeated).collect();
    let mut seen = std::collections::BTreeSet::new();
    while seen != all {
        let (ids, positions) = next(&mut subscription).await;
        subscription.ack(&positions).await.unwrap();
        seen.extend(ids);
    }
}

#[tokio::test]
async fn what_redis_refuses_is_unavailable_with_its_reason_and_changes_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;

    let _: String = stage.redis(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = store
        .append(vec![transaction(vec![event(
            "e1",
            "a",
            ExpectedVersion::Exact(1),
        )])])
        .await;
    let _: String = stage.redis(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let repeated = append_one(&*store, "e1", "a", ExpectedVersion::Exact(1)).await;

    assert!(
        matches!(&refused, Err(EventStoreError::Unavailable(why)) if why.contains("OOM")),
        "{refused:?}"
    );
    assert!(is_committed(&repeated));
    assert_eq!(all_events(&*store).await.len(), 2);
}

#[tokio::test]
async fn a_redis_that_is_away_is_unavailable_within_the_limit() {
    let stage = Stage::new().await;
    let store = stage.store_with(EventStoreConfig {
        standby_wait_max_ms: 300,
        ..Default::default()
    });
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;
    stage.server.stop().await;
    let started = Instant::now();

    let answer = store
        .append(vec![transaction(vec![event(
            "e1",
            "b",
            ExpectedVersion::Any,
        )])])
        .await;

    assert!(answer.is_err(), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    store.close().await;
}

#[tokio::test]
async fn a_consumer_of_the_same_name_loses_nothing_to_a_read_behind_a_half_open_link() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;
    let line = CutLine::to(stage.dir.path().join("redis.sock")).await;
    let link = RedisLink::new(&line.url).unwrap();
    let far = RedisEventStore::start(link, &stage.metrics, EventStoreConfig::default());
    let mut old = subscribe(&*far, "one", 4).await;
    assert_eq!(drain(&mut old, 1).await, ["e0"]);
    let reading = tokio::spawn(async move { old.next_batch().await });
    let deadline = Instant::now() + PATIENCE;
    while !stage
        .redis::<String>(&["CLIENT", "LIST"])
        .await
        .contains("cmd=xreadgroup")
    {
        assert!(Instant::now() < deadline, "the old consumer doesn't read");
    }

    line.half_open.cancel();
    let mut new = subscribe(&*store, "one", 4).await;
    let drained = tokio::spawn(async move { drain(&mut new, 1).await });
    // Long enough for the new consumer to read, if it doesn't wait; short enough for the old one's read to block still.
    tokio::time::sleep(Duration::from_millis(300)).await;
    append_one(&*store, "e1", "a", ExpectedVersion::Exact(1)).await;

    assert_eq!(drained.await.unwrap(), ["e1"]);
    reading.abort();
}

#[tokio::test]
async fn a_connection_that_fell_silent_fails_and_a_shared_one_is_replaced() {
    let stage = Stage::new().await;
    let line = CutLine::to(stage.dir.path().join("redis.sock")).await;
    let link = RedisLink::new(&line.url).unwrap();
    let (mut shared, mut dedicated) = (link.shared(), link.dedicated().await.unwrap());
    let ping = redis::cmd("PING");
    let answer: String = ping.query_async(&mut shared).await.unwrap();
    assert_eq!(answer, "PONG");

    line.silence_those_open();

    let limit = 2 * PATIENCE;
    let (of_shared, of_dedicated) = tokio::join!(
        tokio::time::timeout(limit, ping.query_async::<String>(&mut shared)),
        tokio::time::timeout(limit, ping.query_async::<String>(&mut dedicated)),
    );
    assert!(of_shared.unwrap().is_err());
    assert!(of_dedicated.unwrap().is_err());
    let again: String = ping.query_async(&mut shared).await.unwrap();
    assert_eq!(again, "PONG");
}
