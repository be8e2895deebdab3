//! The message queue: round trips (a call, an echo by a worker in this process, the reply) by calls in flight, through its trait, on a real
//! Redis without durability. Throughput is in calls. The floors are the same Redis commands sent directly over one connection for as many
//! messages: all in one pipeline (the minimum cost of Redis and its client), and with a round trip wherever caller or worker must wait for
//! the other (the minimum cost of a call). The difference is envelopes, the script that takes what waits behind the first message, and the
//! hand-over between tasks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ordershop_benches::stage::Stage;
use ordershop_benches::{bare, sample};
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueName,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use redis::{Cmd, Pipeline};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

const ECHO: QueueName = QueueName {
    service: "bench",
    function: "echo",
};
/// Numbers of concurrent calls.
const IN_FLIGHT: [usize; 4] = [1, 16, 64, 256];
/// The batch size of a service's workers.
const BATCH_MAX: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);
/// The batch size of a caller's reply reader.
const REPLIES_MAX: usize = 256;

/// A query of one entity, the most frequent message.
fn payload() -> Box<RawValue> {
    let id = sample::id("order", 7);
    let json = format!(r#"{{"params":{{"name":"order","id":"{id}"}}}}"#);
    RawValue::from_string(json).expect("written as JSON")
}

fn message(caller: usize, number: u64) -> OutgoingMessage {
    OutgoingMessage {
        to: ECHO,
        message_id: format!("{}-{number}", sample::id("message", caller)),
        payload: payload(),
        correlation: sample::correlation(caller),
    }
}

fn start_queue(stage: &Stage) -> Arc<RedisMessageQueue> {
    let link = stage.link();
    stage.run(async move {
        let queue = RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default());
        let mut worker = queue.consume(ECHO, BATCH_MAX).await.expect("a worker");
        tokio::spawn(async move {
            let mut answers = Vec::new();
            // Ends when the queue is closed.
            while let Ok(batch) = worker.exchange(std::mem::take(&mut answers)).await {
                let echo = |delivery: Delivery| Answer::Reply(delivery.payload);
                answers = batch.into_iter().map(echo).collect();
            }
        });
        queue
    })
}

async fn call(queue: Arc<RedisMessageQueue>, caller: usize, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let reply = queue.call(message(caller, number), TIMEOUT).await;
        reply.expect("an echo");
    }
}

/// The commands of `count` round trips, in groups that caller and worker send in turn.
fn bare_round_trip(count: usize) -> [Pipeline; 4] {
    let message = format!(
        r#"{{"id":"{}","reply_to":"bare-replies","correlation_id":"{:032x}","causation_id":"{}","payload":{}}}"#,
        sample::id("message", 1),
        1,
        sample::id("cause", 1),
        payload()
    );
    let reply = format!(
        r#"{{"id":"{}","payload":{}}}"#,
        sample::id("message", 1),
        payload()
    );
    let push = |key: &str, text: &str| {
        let mut cmd = redis::cmd("RPUSH");
        cmd.arg(key).arg(vec![text; count]);
        cmd
    };
    let of = |commands: Vec<Cmd>| {
        let mut pipe = Pipeline::with_capacity(commands.len());
        commands.into_iter().for_each(|cmd| {
            pipe.add_command(cmd);
        });
        pipe
    };
    let mut wait = redis::cmd("BLMOVE");
    wait.arg("bare-queue").arg("bare-processing");
    wait.arg("LEFT").arg("RIGHT").arg(1);
    let mut drain = redis::cmd("LMPOP");
    drain.arg(1).arg("bare-queue").arg("LEFT");
    drain.arg("COUNT").arg(BATCH_MAX);
    let mut done = redis::cmd("DEL");
    done.arg("bare-processing");
    let mut replies = redis::cmd("BLMPOP");
    replies.arg(1).arg(1).arg("bare-replies").arg("LEFT");
    replies.arg("COUNT").arg(REPLIES_MAX);
    [
        of(vec![push("bare-queue", &message)]),
        of(vec![wait, drain]),
        of(vec![push("bare-replies", &reply), done]),
        of(vec![replies]),
    ]
}

fn bare_commands(stage: &Stage, pipes: Vec<Pipeline>, iterations: u64) -> Duration {
    let mut connection = stage.connection();
    stage.run(async move {
        let started = Instant::now();
        for _ in 0..iterations {
            for pipe in &pipes {
                bare::send(&mut connection, pipe).await;
            }
        }
        started.elapsed()
    })
}

fn round_trips(c: &mut Criterion) {
    let stage = Stage::start();
    let queue = start_queue(&stage);
    let mut group = c.benchmark_group("queue round trip by calls in flight");
    for in_flight in IN_FLIGHT {
        group.throughput(Throughput::Elements(in_flight as u64));
        let mut next = 0;
        // Each caller calls again as soon as it has its answer; an iteration is one call of each.
        group.bench_function(BenchmarkId::new("call and echo", in_flight), |b| {
            b.iter_custom(|iterations| {
                let numbers = next..next + iterations;
                next += iterations;
                let queue = Arc::clone(&queue);
                stage.run(async move {
                    let started = Instant::now();
                    let mut callers = JoinSet::new();
                    for caller in 0..in_flight {
                        callers.spawn(call(Arc::clone(&queue), caller, numbers.clone()));
                    }
                    callers.join_all().await;
                    started.elapsed()
                })
            });
        });
        let id = BenchmarkId::new("floor: the bare commands, one pipeline", in_flight);
        group.bench_function(id, |b| {
            let mut all = Pipeline::new();
            for pipe in bare_round_trip(in_flight) {
                pipe.cmd_iter().for_each(|cmd| {
                    all.add_command(cmd.clone());
                });
            }
            b.iter_custom(|iterations| bare_commands(&stage, vec![all.clone()], iterations));
        });
        let id = BenchmarkId::new("floor: the bare commands, four round trips", in_flight);
        group.bench_function(id, |b| {
            let pipes = bare_round_trip(in_flight).to_vec();
            b.iter_custom(|iterations| bare_commands(&stage, pipes.clone(), iterations));
        });
    }
    group.finish();
    stage.run(async move { queue.close().await });
    stage.stop();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = round_trips
}
criterion_main!(benches);
