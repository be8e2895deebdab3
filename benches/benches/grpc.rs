//! The queue and the event store over gRPC, with 256 callers: client and server on a thread each, connected by a Unix socket. The floors
//! are the same calls on the Redis implementation itself, on one thread. After each function the bench prints the process's CPU time an
//! element (client, server and worker together, without Redis): if all cores of a machine are busy, it decides, not the rate.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::bare::{self, ORDER_EVENTS};
use ordershop_benches::sample;
use ordershop_benches::stage::Stage;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::event_store::{EventStore, SubscribeRequest};
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueName,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_grpc::connection::Tracked;
use ordershop_grpc::event_store::client::GrpcEventStore;
use ordershop_grpc::event_store::server::EventStoreService;
use ordershop_grpc::message_queue::client::GrpcMessageQueue;
use ordershop_grpc::message_queue::server::MessageQueueService;
use ordershop_grpc::peer::{PeerChannel, PeerConfig, connect};
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::metrics::AppendMetrics;
use serde_json::value::RawValue;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

const ECHO: QueueName = QueueName {
    service: "bench",
    function: "echo",
};
/// The number of concurrent calls.
const IN_FLIGHT: usize = 256;
/// The batch size of a service's workers.
const BATCH_MAX: usize = 256;
/// Events in one round of deliveries.
const ROUND_EVENTS: usize = 8_192;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The server side: both servers on a thread of their own, like a separate process.
struct Far {
    runtime: Runtime,
    queue: Arc<RedisMessageQueue>,
    store: Arc<RedisEventStore>,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Far {
    fn start(stage: &Stage) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let socket = dir.path().join("far.sock");
        let _guard = runtime.enter();
        let queue = RedisMessageQueue::start(
            stage.link(),
            QueueMetrics::default(),
            QueueConfig::default(),
        );
        let store = RedisEventStore::start(
            stage.link(),
            &AppendMetrics::default(),
            EventStoreConfig::default(),
        );
        let (_, runs_on) = watch::channel(ServerInfo::default());
        let drain = CancellationToken::new();
        let routes = Server::builder()
            .add_service(MessageQueueService::new(queue.clone(), drain.clone()).into_server())
            .add_service(EventStoreService::new(store.clone(), runs_on, drain).into_server());
        let listener = UnixListener::bind(&socket).expect("a socket");
        let sockets = UnixListenerStream::new(listener).map(|s| s.map(Tracked::new));
        runtime.spawn(routes.serve_with_incoming(sockets));
        drop(_guard);
        Self {
            runtime,
            queue,
            store,
            socket,
            _dir: dir,
        }
    }

    fn channel(&self) -> PeerChannel {
        let url = format!("unix://{}", self.socket.display());
        connect(&PeerConfig { url, token: None }).expect("a path")
    }

    fn stop(self) {
        let (queue, store) = (self.queue, self.store);
        self.runtime.block_on(async move {
            queue.close().await;
            store.close().await;
        });
        self.runtime.shutdown_background();
    }
}

/// The process's CPU time, in clock ticks of 10 ms.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields = fields.split_ascii_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum()
}

/// Adds up the cost of measured rounds.
#[derive(Default)]
struct Cpu {
    ticks: Cell<u64>,
    elements: Cell<u64>,
}

impl Cpu {
    fn of<T>(&self, elements: u64, round: impl FnOnce() -> T) -> T {
        let before = cpu_ticks();
        let result = round();
        self.ticks.set(self.ticks.get() + cpu_ticks() - before);
        self.elements.set(self.elements.get() + elements);
        result
    }

    fn print(&self, what: &str) {
        let us = self.ticks.get() * 10_000 * 10 / self.elements.get().max(1);
        eprintln!(
            "{what}: {}.{} us of the process's CPU each",
            us / 10,
            us % 10
        );
    }
}

fn message(caller: usize, number: u64) -> OutgoingMessage {
    let id = sample::id("order", 7);
    let json = format!(r#"{{"params":{{"name":"order","id":"{id}"}}}}"#);
    OutgoingMessage {
        to: ECHO,
        message_id: format!("{}-{number}", sample::id("message", caller)),
        payload: RawValue::from_string(json).expect("written as JSON"),
        correlation: sample::correlation(caller),
    }
}

fn start_worker(stage: &Stage, queue: &Arc<dyn MessageQueue>) {
    let queue = Arc::clone(queue);
    stage.run(async move {
        let mut worker = queue.consume(ECHO, BATCH_MAX).await.expect("a worker");
        tokio::spawn(async move {
            let mut answers = Vec::new();
            // Ends when the queue is closed.
            while let Ok(batch) = worker.exchange(std::mem::take(&mut answers)).await {
                let echo = |delivery: Delivery| Answer::Reply(delivery.payload);
                answers = batch.into_iter().map(echo).collect();
            }
        });
    });
}

fn calls(stage: &Stage, queue: &Arc<dyn MessageQueue>, from: u64, iterations: u64) -> Duration {
    let queue = Arc::clone(queue);
    stage.run(async move {
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..IN_FLIGHT {
            let queue = Arc::clone(&queue);
            callers.spawn(async move {
                for number in from..from + iterations {
                    let reply = queue.call(message(caller, number), TIMEOUT).await;
                    reply.expect("an echo");
                }
            });
        }
        callers.join_all().await;
        started.elapsed()
    })
}

fn queue_calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("grpc: 256 calls and echoes");
    group.throughput(Throughput::Elements(IN_FLIGHT as u64));
    let mut next = 0;
    for name in ["over gRPC", "floor: in one process"] {
        let stage = Stage::start();
        let far = (name == "over gRPC").then(|| Far::start(&stage));
        let queue: Arc<dyn MessageQueue> = match &far {
            Some(far) => {
                let channel = far.channel();
                stage.run(async move { GrpcMessageQueue::start(channel) })
            }
            None => {
                let link = stage.link();
                stage.run(async move {
                    RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default())
                })
            }
        };
        start_worker(&stage, &queue);
        let cpu = Cpu::default();
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                next += iterations;
                let elements = iterations * IN_FLIGHT as u64;
                cpu.of(elements, || {
                    calls(&stage, &queue, next - iterations, iterations)
                })
            });
        });
        cpu.print(name);
        drop(queue);
        far.into_iter().for_each(Far::stop);
        stage.stop();
    }
    group.finish();
}

fn near_store(stage: &Stage, far: Option<&Far>) -> Arc<dyn EventStore> {
    match far {
        Some(far) => {
            let channel = far.channel();
            stage.run(async move { GrpcEventStore::start(channel, Partitions::ONE) })
        }
        None => {
            let link = stage.link();
            stage.run(async move {
                RedisEventStore::start(link, &AppendMetrics::default(), EventStoreConfig::default())
            })
        }
    }
}

fn append(stage: &Stage, store: &Arc<dyn EventStore>, from: u64, iterations: u64) -> Duration {
    let store = Arc::clone(store);
    stage.run(async move {
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..IN_FLIGHT {
            let store = Arc::clone(&store);
            callers.spawn(async move {
                for version in from..from + iterations {
                    let transaction = sample::transaction(caller, version);
                    let answer = store.append(vec![transaction]).await;
                    answer.expect("the store appends");
                }
            });
        }
        callers.join_all().await;
        started.elapsed()
    })
}

fn empty_order_events(stage: &Stage) {
    let mut connection = stage.connection();
    stage.run(async move { bare::empty_stream(&mut connection, ORDER_EVENTS).await });
}

fn appends(c: &mut Criterion) {
    let mut group = c.benchmark_group("grpc: 256 appends");
    group.throughput(Throughput::Elements(IN_FLIGHT as u64));
    for name in ["over gRPC", "floor: in one process"] {
        let stage = Stage::start();
        let far = (name == "over gRPC").then(|| Far::start(&stage));
        let store = near_store(&stage, far.as_ref());
        let (cpu, mut version) = (Cpu::default(), 1);
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                version += iterations;
                let elements = iterations * IN_FLIGHT as u64;
                let from = version - iterations;
                let taken = cpu.of(elements, || append(&stage, &store, from, iterations));
                empty_order_events(&stage);
                taken
            });
        });
        cpu.print(name);
        drop(store);
        far.into_iter().for_each(Far::stop);
        stage.stop();
    }
    group.finish();
}

fn deliveries(c: &mut Criterion) {
    let mut group = c.benchmark_group("grpc: events delivered and acknowledged, by 256");
    group.throughput(Throughput::Elements(ROUND_EVENTS as u64));
    for name in ["over gRPC", "floor: in one process"] {
        let stage = Stage::start();
        let far = (name == "over gRPC").then(|| Far::start(&stage));
        let store = near_store(&stage, far.as_ref());
        let subscription = stage.run(async move {
            let request = SubscribeRequest {
                group: "bench".to_owned(),
                partition: Topic::Order.into(),
                consumer: "reader".to_owned(),
                batch_max: BATCH_MAX,
            };
            store.subscribe(request).await.map(|s| (s, store))
        });
        let (subscription, _store) = subscription.expect("a subscription");
        let subscription = Arc::new(tokio::sync::Mutex::new(subscription));
        let cpu = Cpu::default();
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                for _ in 0..iterations {
                    let mut connection = stage.connection();
                    stage.run(async move {
                        bare::fill_stream(&mut connection, ORDER_EVENTS, ROUND_EVENTS).await;
                    });
                    let subscription = Arc::clone(&subscription);
                    taken += cpu.of(ROUND_EVENTS as u64, || {
                        stage.run(async move {
                            let mut subscription = subscription.lock().await;
                            let started = Instant::now();
                            let mut count = 0;
                            while count < ROUND_EVENTS {
                                let events = subscription.next_batch().await.expect("a batch");
                                count += events.len();
                                let positions: Vec<Position> =
                                    events.iter().map(|event| event.position).collect();
                                subscription.ack(&positions).await.expect("acknowledged");
                            }
                            started.elapsed()
                        })
                    });
                    empty_order_events(&stage);
                }
                taken
            });
        });
        cpu.print(name);
        stage.run(async move { drop(subscription) });
        far.into_iter().for_each(Far::stop);
        stage.stop();
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = queue_calls, appends, deliveries
}
criterion_main!(benches);
