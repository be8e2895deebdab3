//! The read model: folding a batch of 512 events into changes of the cache, and rebuilding a topic's cache from its stream. Throughput is
//! in events. The fold is pure; its floor is the one necessary copy of each event's JSON. A rebuild starts the read model on an empty cache
//! and waits until it has applied the whole topic, so it includes the start (some ms), which can't be excluded from outside. Its floors are
//! the same `HSET`, `ZADD` and `SET` sent directly, one batch a pipeline, without and with the `XRANGE` that reads the events.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::bare::{self, ORDER_EVENTS};
use ordershop_benches::sample;
use ordershop_benches::stage::Stage;
use ordershop_contract::event_store::{EventStore, RecordedEvent};
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::json;
use ordershop_contract::worker::ServiceContext;
use ordershop_read_model::{self as read_model, Projection, ProjectionConfig};
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use redis::Pipeline;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Events in one of the projection's transactions.
const BATCH: usize = 512;
/// Batches in the topic that is rebuilt.
const BATCHES: usize = 32;
/// Pieces of the carts that are folded.
const PIECES: usize = 5;
/// The timeout of a rebuild; a longer one has failed.
const REBUILD_MAX: Duration = Duration::from_secs(30);
/// The keys of the topic in the read model's cache.
const CACHE: [&str; 4] = [
    "entities:{order}",
    "ids:{order}",
    "index:{order}:cart_id",
    "position:{order}",
];

fn orders() -> Vec<RecordedEvent> {
    let event = |n| {
        let order = sample::order(n);
        let data = json(&order);
        sample::recorded(Topic::Order, order.entity_id, data, n)
    };
    (0..BATCH).map(event).collect()
}

fn carts() -> Vec<RecordedEvent> {
    let event = |n| {
        let cart = sample::cart(n, PIECES);
        let data = json(&cart);
        sample::recorded(Topic::Cart, cart.entity_id, data, n)
    };
    (0..BATCH).map(event).collect()
}

fn fold(c: &mut Criterion) {
    let mut group = c.benchmark_group("projection fold of 512 events");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, events) in [("orders", orders()), ("carts of 5", carts())] {
        group.bench_function(format!("fold/{name}"), |b| {
            b.iter_with_large_drop(|| {
                let mut projection = Projection::default();
                for event in black_box(&events) {
                    projection.apply(event).expect("a sample is an entity");
                }
                projection
            });
        });
        group.bench_function(format!("floor: copy of the JSON/{name}"), |b| {
            b.iter_with_large_drop(|| {
                let copies = black_box(&events).iter().map(|e| e.data.get().to_owned());
                copies.collect::<Vec<String>>()
            });
        });
    }
    group.finish();
}

/// The commands that write a batch of topic `order`.
fn writes(from: usize) -> Pipeline {
    let mut entities = redis::cmd("HSET");
    let mut ids = redis::cmd("ZADD");
    let mut index = redis::cmd("ZADD");
    entities.arg(CACHE[0]);
    ids.arg(CACHE[1]);
    index.arg(CACHE[2]);
    for n in from..from + BATCH {
        let order = sample::order(n);
        entities
            .arg(&order.entity_id)
            .arg(format!("1|{}", json(&order)));
        ids.arg(0).arg(&order.entity_id);
        index
            .arg(0)
            .arg(format!("{}\0{}", order.cart_id, order.entity_id));
    }
    let mut position = redis::cmd("SET");
    position.arg(CACHE[3]).arg("1700000000000-0");
    let mut pipe = Pipeline::with_capacity(4);
    pipe.add_command(entities).add_command(ids);
    pipe.add_command(index).add_command(position);
    pipe
}

fn bare_rebuilds(stage: &Stage, reads: bool, iterations: u64) -> Duration {
    let mut connection = stage.connection();
    stage.run(async move {
        let pipes: Vec<Pipeline> = (0..BATCHES).map(|n| writes(n * BATCH)).collect();
        let mut taken = Duration::ZERO;
        for _ in 0..iterations {
            redis::Cmd::del(&CACHE)
                .exec_async(&mut connection)
                .await
                .expect("Redis answers");
            let mut from = b"-".to_vec();
            let started = Instant::now();
            for pipe in &pipes {
                if reads {
                    let mut range = redis::cmd("XRANGE");
                    range.arg(ORDER_EVENTS).arg(&from).arg("+");
                    range.arg("COUNT").arg(BATCH);
                    let reply = bare::send_one(&mut connection, &range).await;
                    let ids = bare::entry_ids(&reply);
                    assert_eq!(ids.len(), BATCH);
                    from = [b"(", *ids.last().expect("a full batch")].concat();
                }
                bare::send(&mut connection, pipe).await;
            }
            taken += started.elapsed();
        }
        taken
    })
}

/// The read model's dependencies, without the token that stops it.
struct System {
    events: Arc<RedisEventStore>,
    queue: Arc<RedisMessageQueue>,
}

impl System {
    fn start(stage: &Stage) -> Self {
        let link = stage.link();
        stage.run(async move {
            let events = RedisEventStore::start(
                link.clone(),
                &AppendMetrics::default(),
                EventStoreConfig::default(),
            );
            let queue =
                RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default());
            Self { events, queue }
        })
    }

    fn context(&self) -> ServiceContext {
        ServiceContext {
            queue: self.queue.clone(),
            events: self.events.clone(),
            metrics: QueueMetrics::default(),
            instance: "bench".to_owned(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

fn rebuilds(stage: &Stage, system: &System, last: Position, iterations: u64) -> Duration {
    let contexts: Vec<ServiceContext> = (0..iterations).map(|_| system.context()).collect();
    let (link, mut connection) = (stage.link(), stage.connection());
    stage.run(async move {
        let mut taken = Duration::ZERO;
        for context in contexts {
            redis::Cmd::del(&CACHE)
                .exec_async(&mut connection)
                .await
                .expect("Redis answers");
            let started = Instant::now();
            let applied = read_model::start(&context, &link, ProjectionConfig::default());
            let behind = applied
                .wait(
                    &Positions::of(Topic::Order, last),
                    REBUILD_MAX,
                    &*context.events,
                )
                .await
                .expect("Redis answers");
            assert_eq!(behind, [], "the rebuild has stalled");
            taken += started.elapsed();
            context.stop.cancel();
            context.tasks.close();
            context.tasks.wait().await;
        }
        taken
    })
}

fn rebuild(c: &mut Criterion) {
    let stage = Stage::start();
    let events = BATCHES * BATCH;
    let mut connection = stage.connection();
    let last = stage.run(async move {
        bare::fill_stream(&mut connection, ORDER_EVENTS, events).await;
        let mut range = redis::cmd("XREVRANGE");
        range
            .arg(ORDER_EVENTS)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let reply = bare::send_one(&mut connection, &range).await;
        let ids = bare::entry_ids(&reply);
        let last = ids.first().expect("the stream is filled");
        let text = String::from_utf8_lossy(last).into_owned();
        text.parse::<Position>().expect("a stream id")
    });
    let system = System::start(&stage);
    let mut group = c.benchmark_group(format!("projection rebuild of {events} events"));
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function("rebuild", |b| {
        b.iter_custom(|iterations| rebuilds(&stage, &system, last, iterations));
    });
    group.bench_function("floor: pipelined HSET, ZADD, SET", |b| {
        b.iter_custom(|iterations| bare_rebuilds(&stage, false, iterations));
    });
    group.bench_function("floor: XRANGE and pipelined HSET, ZADD, SET", |b| {
        b.iter_custom(|iterations| bare_rebuilds(&stage, true, iterations));
    });
    group.finish();
    stage.run(async move {
        system.queue.close().await;
        system.events.close().await;
    });
    stage.stop();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = fold, rebuild
}
criterion_main!(benches);
