//! How many commands Redis carries out for calls, as it counts them itself: also those that scripts call.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordershop_contract::message_queue::{MessageQueue, QueueName};
use ordershop_redis::connection::MultiplexedConnection;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use tokio::task::JoinSet;

use crate::stage::*;

/// Without commands that come by time instead of by call: heartbeats, recovery, reads that end in vain.
fn undisturbed() -> QueueConfig {
    const HOUR_MS: u64 = 3_600_000;
    QueueConfig {
        heartbeat_ms: HOUR_MS,
        dead_after_ms: HOUR_MS,
        recover_ms: HOUR_MS,
        block_ms: HOUR_MS,
        ..QueueConfig::default()
    }
}

struct Meter(MultiplexedConnection);

impl Meter {
    /// Opens a connection of its own, so that nothing but `INFO` is sent between two readings.
    async fn on(fixture: &Fixture) -> Self {
        let link = RedisLink::new(fixture.server.url()).unwrap();
        Self(link.dedicated().await.unwrap())
    }

    /// The number of times that each command was carried out.
    async fn read(&mut self) -> BTreeMap<String, u64> {
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut self.0)
            .await
            .unwrap();
        let calls = info.lines().filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = figures.split_once(',')?;
            Some((name.to_owned(), calls.parse().unwrap()))
        });
        calls.filter(|(name, _)| name != "info").collect()
    }

    async fn count(&mut self, command: &str) -> u64 {
        self.read().await.get(command).copied().unwrap_or_default()
    }

    /// The commands since an earlier reading.
    async fn since(&mut self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut now = self.read().await;
        for (name, calls) in &mut now {
            *calls -= before.get(name).copied().unwrap_or_default();
        }
        now.retain(|_, calls| *calls > 0);
        now
    }
}

/// A queue with a worker that echoes, and waits for the next message.
async fn warm(fixture: &Fixture, meter: &mut Meter) -> Arc<RedisMessageQueue> {
    let queue = fixture.queue_with(undisturbed());
    let consumer = queue.consume(ECHO, 256).await.unwrap();
    spawn_echo(consumer, Arc::default());
    for n in 1..=10 {
        let call = queue.call(message(format!("warming-{n}"), "1"), CALL_TIMEOUT);
        call.await.unwrap();
        eventually("the batch's end", async || meter.count("ltrim").await == n).await;
    }
    queue
}

#[tokio::test]
async fn a_call_alone_costs_five_commands() {
    let fixture = Fixture::start().await;
    let mut meter = Meter::on(&fixture).await;
    let queue = warm(&fixture, &mut meter).await;

    let commands = [("blmove", 20), ("blmpop", 20), ("ltrim", 20), ("rpush", 40)];
    let expected: BTreeMap<_, _> = commands.map(|(name, n)| (name.to_owned(), n)).into();

    // On a busy machine a worker may find a message at once, and then asks for more than one.
    eventually("twenty calls of five commands each", async || {
        let before = meter.read().await;
        for n in 0..20 {
            let call = queue.call(message(format!("m-{n}"), "1"), CALL_TIMEOUT);
            call.await.unwrap();
        }
        eventually("the last batch's end", async || {
            meter.count("ltrim").await == before["ltrim"] + 20
        })
        .await;
        meter.since(&before).await == expected
    })
    .await;
}

#[tokio::test]
async fn a_process_on_which_nothing_happens_beats_once_for_all_its_queues_and_looks_at_none() {
    let fixture = Fixture::start().await;
    let mut meter = Meter::on(&fixture).await;
    let queue = fixture.queue();
    let mut consumers = Vec::new();
    for function in ["one", "two", "three"] {
        let name = QueueName { function, ..ECHO };
        consumers.push(queue.consume(name, 10).await.unwrap());
    }

    eventually("ten looks at nothing but the processes", async || {
        let before = meter.read().await;
        let looked = before.get("zrange").copied().unwrap_or_default();
        eventually("ten looks", async || {
            meter.count("zrange").await >= looked + 10
        })
        .await;
        let commands = meter.since(&before).await;
        !commands.contains_key("zcard") && commands["zadd"] <= commands["time"]
    })
    .await;
}

#[tokio::test]
async fn calls_under_load_share_their_commands() {
    const CALLERS: u64 = 64;
    const CALLS_EACH: u64 = 30;
    let fixture = Fixture::start().await;
    let mut meter = Meter::on(&fixture).await;
    let queue = warm(&fixture, &mut meter).await;

    let before = meter.read().await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let queue = Arc::clone(&queue);
        callers.spawn(async move {
            for n in 0..CALLS_EACH {
                let message = message(format!("{caller}-{n}"), "1");
                queue.call(message, CALL_TIMEOUT).await.unwrap();
            }
        });
    }
    callers.join_all().await;

    let commands = meter.since(&before).await;
    let all: u64 = commands.values().sum();
    assert!(all <= CALLERS * CALLS_EACH, "{commands:?}");
}
