//! The event store: appending (by transactions a call, and by concurrent callers) and subscribing (by batch size), through its trait, on a
//! real Redis without durability. Throughput is in events. The floors are the same `XADD`s, group reads and acknowledgements sent directly
//! over one connection. The difference is the cost of versions, the fence, atomicity and the hand-over between tasks. A single append waits
//! for one round trip, so compare it with `floor: one XADD at a time`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::bare::{self, BARE_EVENTS, ORDER_EVENTS};
use ordershop_benches::sample;
use ordershop_benches::stage::Stage;
use ordershop_contract::event_store::{Appended, EventStore, EventSubscription, SubscribeRequest};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Numbers of transactions a call, and of concurrent callers.
const NUMBERS: [usize; 4] = [1, 16, 64, 256];
/// Events in a batch.
const BATCHES: [usize; 3] = [16, 128, 512];
/// The maximum number of events in the stream while reading is measured.
const WAITING_EVENTS_MAX: usize = 32_768;

fn start_store(stage: &Stage) -> Arc<RedisEventStore> {
    let link = stage.link();
    stage.run(async move {
        RedisEventStore::start(link, &AppendMetrics::default(), EventStoreConfig::default())
    })
}

/// One caller: `calls` appends of `per_call` transactions, each for its own aggregate. Inputs are created before the clock starts. Returns
/// the time within the calls.
async fn append(
    store: Arc<RedisEventStore>,
    aggregates_from: usize,
    per_call: usize,
    versions: std::ops::Range<u64>,
) -> Duration {
    let mut taken = Duration::ZERO;
    for version in versions {
        let aggregates = aggregates_from..aggregates_from + per_call;
        let transactions = aggregates
            .map(|n| sample::transaction(n, version))
            .collect();
        let started = Instant::now();
        let answers = store.append(transactions).await;
        taken += started.elapsed();
        let answers = answers.expect("the store appends");
        let written = |answer: &Appended| matches!(answer, Appended::Committed { .. });
        assert!(answers.iter().all(written), "{answers:?}");
    }
    taken
}

fn bare_xadds(stage: &Stage, count: usize, iterations: u64) -> Duration {
    let mut connection = stage.connection();
    stage.run(async move {
        let pipe = bare::xadds(BARE_EVENTS, count);
        let started = Instant::now();
        for _ in 0..iterations {
            bare::send(&mut connection, &pipe).await;
        }
        let taken = started.elapsed();
        bare::empty_stream(&mut connection, BARE_EVENTS).await;
        taken
    })
}

fn empty_order_events(stage: &Stage) {
    let mut connection = stage.connection();
    stage.run(async move { bare::empty_stream(&mut connection, ORDER_EVENTS).await });
}

fn appends(c: &mut Criterion) {
    let stage = Stage::start();
    let store = start_store(&stage);
    // Aggregates not used before: their versions begin at 0.
    let mut unused = 0;

    let mut group = c.benchmark_group("append by transactions per call");
    for number in NUMBERS {
        group.throughput(Throughput::Elements(number as u64));
        let from = unused;
        unused += number;
        let mut version = 1;
        group.bench_function(BenchmarkId::new("append", number), |b| {
            b.iter_custom(|iterations| {
                let versions = version..version + iterations;
                version += iterations;
                let taken = stage.run(append(Arc::clone(&store), from, number, versions));
                empty_order_events(&stage);
                taken
            });
        });
        group.bench_function(BenchmarkId::new("floor: pipelined XADD", number), |b| {
            b.iter_custom(|iterations| bare_xadds(&stage, number, iterations));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("append by concurrent callers");
    for number in NUMBERS {
        group.throughput(Throughput::Elements(number as u64));
        let from = unused;
        unused += number;
        let mut version = 1;
        group.bench_function(BenchmarkId::new("append", number), |b| {
            // Each caller calls again as soon as it has its answer; an iteration is one call of each.
            b.iter_custom(|iterations| {
                let versions = version..version + iterations;
                version += iterations;
                let store = Arc::clone(&store);
                let taken = stage.run(async move {
                    let started = Instant::now();
                    let mut callers = JoinSet::new();
                    for caller in from..from + number {
                        callers.spawn(append(Arc::clone(&store), caller, 1, versions.clone()));
                    }
                    callers.join_all().await;
                    started.elapsed()
                });
                empty_order_events(&stage);
                taken
            });
        });
        let floor = match number {
            1 => "floor: one XADD at a time",
            _ => "floor: pipelined XADD",
        };
        group.bench_function(BenchmarkId::new(floor, number), |b| {
            b.iter_custom(|iterations| bare_xadds(&stage, number, iterations));
        });
    }
    group.finish();

    stage.run(async move { store.close().await });
    stage.stop();
}

/// Splits `iterations` batches into rounds that fit the stream.
fn rounds(iterations: u64, batch: usize) -> impl Iterator<Item = usize> {
    let most = WAITING_EVENTS_MAX / batch;
    let mut left = usize::try_from(iterations).expect("far below 2^32");
    std::iter::from_fn(move || {
        let round = left.min(most);
        left -= round;
        (round > 0).then_some(round)
    })
}

type Subscription = Arc<Mutex<Box<dyn EventSubscription>>>;

/// Joins the group and takes a first batch, so that acquiring the lease isn't measured.
fn subscribe(stage: &Stage, store: &Arc<RedisEventStore>, batch: usize) -> Subscription {
    let (store, mut connection) = (Arc::clone(store), stage.connection());
    stage.run(async move {
        let request = SubscribeRequest {
            group: "bench".to_owned(),
            partition: Topic::Order.into(),
            consumer: "reader".to_owned(),
            batch_max: batch,
        };
        let mut subscription = store.subscribe(request).await.expect("a subscription");
        bare::fill_stream(&mut connection, ORDER_EVENTS, 1).await;
        read_and_ack(subscription.as_mut(), 1).await;
        bare::empty_stream(&mut connection, ORDER_EVENTS).await;
        Arc::new(Mutex::new(subscription))
    })
}

async fn read_and_ack(subscription: &mut dyn EventSubscription, expected: usize) {
    let events = subscription.next_batch().await.expect("a batch");
    assert_eq!(events.len(), expected, "only full batches are measured");
    let positions: Vec<Position> = events.iter().map(|event| event.position).collect();
    subscription.ack(&positions).await.expect("acknowledged");
}

fn reads(stage: &Stage, subscription: &Subscription, batch: usize, iterations: u64) -> Duration {
    let (subscription, mut connection) = (Arc::clone(subscription), stage.connection());
    stage.run(async move {
        let mut subscription = subscription.lock().await;
        let mut taken = Duration::ZERO;
        for round in rounds(iterations, batch) {
            bare::fill_stream(&mut connection, ORDER_EVENTS, round * batch).await;
            let started = Instant::now();
            for _ in 0..round {
                read_and_ack(subscription.as_mut(), batch).await;
            }
            taken += started.elapsed();
            bare::empty_stream(&mut connection, ORDER_EVENTS).await;
        }
        taken
    })
}

fn bare_group_reads(stage: &Stage, batch: usize, iterations: u64) -> Duration {
    let mut connection = stage.connection();
    stage.run(async move {
        bare::fill_stream(&mut connection, BARE_EVENTS, 1).await;
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(BARE_EVENTS).arg("bench").arg("$");
        // The group exists from the second time on.
        let _: redis::RedisResult<()> = create.query_async(&mut connection).await;
        bare::empty_stream(&mut connection, BARE_EVENTS).await;
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("bench").arg("reader");
        read.arg("COUNT").arg(batch).arg("BLOCK").arg(1_000);
        read.arg("STREAMS").arg(BARE_EVENTS).arg(">");
        let mut taken = Duration::ZERO;
        for round in rounds(iterations, batch) {
            bare::fill_stream(&mut connection, BARE_EVENTS, round * batch).await;
            let started = Instant::now();
            for _ in 0..round {
                let reply = bare::send_one(&mut connection, &read).await;
                let ids = bare::entry_ids(bare::entries_of_read(&reply));
                assert_eq!(ids.len(), batch);
                let mut ack = redis::cmd("XACK");
                ack.arg(BARE_EVENTS).arg("bench").arg(ids);
                bare::send_one(&mut connection, &ack).await;
            }
            taken += started.elapsed();
            bare::empty_stream(&mut connection, BARE_EVENTS).await;
        }
        taken
    })
}

fn bare_ranges(stage: &Stage, batch: usize, iterations: u64) -> Duration {
    let mut connection = stage.connection();
    stage.run(async move {
        let mut taken = Duration::ZERO;
        for round in rounds(iterations, batch) {
            bare::fill_stream(&mut connection, BARE_EVENTS, round * batch).await;
            let mut from = b"-".to_vec();
            let started = Instant::now();
            for _ in 0..round {
                let mut range = redis::cmd("XRANGE");
                range.arg(BARE_EVENTS).arg(&from).arg("+");
                range.arg("COUNT").arg(batch);
                let reply = bare::send_one(&mut connection, &range).await;
                let ids = bare::entry_ids(&reply);
                assert_eq!(ids.len(), batch);
                from = [b"(", *ids.last().expect("a full batch")].concat();
            }
            taken += started.elapsed();
            bare::empty_stream(&mut connection, BARE_EVENTS).await;
        }
        taken
    })
}

fn subscriptions(c: &mut Criterion) {
    let stage = Stage::start();
    let store = start_store(&stage);
    let mut group = c.benchmark_group("subscribe by batch size");
    for batch in BATCHES {
        group.throughput(Throughput::Elements(batch as u64));
        let subscription = subscribe(&stage, &store, batch);
        group.bench_function(BenchmarkId::new("read and ack", batch), |b| {
            b.iter_custom(|iterations| reads(&stage, &subscription, batch, iterations));
        });
        // Dropped in the runtime, so that its lease is released at once.
        stage.run(async move { drop(subscription) });
        group.bench_function(BenchmarkId::new("floor: XREADGROUP and XACK", batch), |b| {
            b.iter_custom(|iterations| bare_group_reads(&stage, batch, iterations));
        });
        group.bench_function(BenchmarkId::new("floor: XRANGE", batch), |b| {
            b.iter_custom(|iterations| bare_ranges(&stage, batch, iterations));
        });
    }
    group.finish();
    stage.run(async move { store.close().await });
    stage.stop();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = appends, subscriptions
}
criterion_main!(benches);
