//! The message queue on a real Redis: calls, workers, deaths and outages.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ordershop::correlation::Correlation;
use ordershop::message_queue::redis::{QueueConfig, RedisMessageQueue};
use ordershop::message_queue::{
    Answer, Delivery, MessageQueue, OutgoingMessage, QueueConsumer, QueueError, QueueName,
};
use ordershop::redis_connection::RedisLink;
use ordershop::redis_server::{Durability, RedisServer};
use ordershop::telemetry::Metrics;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

const ECHO: QueueName = QueueName {
    service: "test-service",
    function: "echo",
};
const SOURCE: &str = "mq:{test-service.echo}";
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

type Call = JoinHandle<Result<Box<RawValue>, QueueError>>;
type Consumer = Box<dyn QueueConsumer>;

struct Fixture {
    server: RedisServer,
    dir: tempfile::TempDir,
    metrics: Metrics,
}

impl Fixture {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        Self {
            server,
            dir,
            metrics: Metrics::default(),
        }
    }

    fn queue_with(&self, config: QueueConfig) -> Arc<RedisMessageQueue> {
        let link = RedisLink::new(self.server.url()).unwrap();
        RedisMessageQueue::start(link, self.metrics.clone(), config).unwrap()
    }

    fn queue(&self) -> Arc<RedisMessageQueue> {
        self.queue_with(hasty())
    }

    async fn redis<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let link = RedisLink::new(self.server.url()).unwrap();
        let mut connection = link.dedicated().await.unwrap();
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(word);
        }
        cmd.query_async(&mut connection).await.unwrap()
    }

    async fn held(&self) -> Vec<String> {
        self.redis(&format!("KEYS {SOURCE}:processing:*")).await
    }
}

/// Times short enough for a test.
fn hasty() -> QueueConfig {
    QueueConfig {
        heartbeat_ms: 50,
        dead_after_ms: 400,
        recover_ms: 50,
        retry_delay_ms: 5,
        retry_delay_ms_max: 20,
        block_ms: 200,
        block_delayed_ms: 10,
        ..QueueConfig::default()
    }
}

fn message(id: impl Into<String>, payload: &str) -> OutgoingMessage {
    OutgoingMessage {
        to: ECHO,
        message_id: id.into(),
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
        correlation: Correlation {
            correlation_id: "request".into(),
            causation_id: "cause".into(),
            times: None,
        },
    }
}

fn numbered(count: usize) -> Vec<OutgoingMessage> {
    (0..count)
        .map(|n| message(format!("m-{n}"), &n.to_string()))
        .collect()
}

fn call(queue: &Arc<RedisMessageQueue>, id: &str, payload: &str) -> Call {
    let (queue, message) = (Arc::clone(queue), message(id, payload));
    tokio::spawn(async move { queue.call(message, CALL_TIMEOUT).await })
}

fn echo(deliveries: &[Delivery]) -> Vec<Answer> {
    deliveries
        .iter()
        .map(|delivery| Answer::Reply(delivery.payload.clone()))
        .collect()
}

fn counted(deliveries: Vec<Delivery>) -> Vec<(String, u32)> {
    deliveries
        .into_iter()
        .map(|delivery| (delivery.message_id, delivery.redeliveries))
        .collect()
}

/// m-0 to m-4, of which the first three were delivered before.
fn three_of_five_redelivered() -> Vec<(String, u32)> {
    (0..5)
        .map(|n| (format!("m-{n}"), u32::from(n < 3)))
        .collect()
}

/// A worker that answers with what it was sent until the queue is closed; counts what it handles by message id.
fn spawn_echo(
    mut consumer: Consumer,
    handled: Arc<Mutex<HashMap<String, usize>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut answers = Vec::new();
        loop {
            match consumer.exchange(std::mem::take(&mut answers)).await {
                Ok(deliveries) => {
                    for delivery in &deliveries {
                        *handled
                            .lock()
                            .unwrap()
                            .entry(delivery.message_id.clone())
                            .or_default() += 1;
                    }
                    answers = echo(&deliveries);
                }
                Err(QueueError::Closed) => return,
                Err(_) => {}
            }
        }
    })
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not happen in 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn take(consumer: &mut Consumer, answers: Vec<Answer>) -> Vec<Delivery> {
    let taken = tokio::time::timeout(Duration::from_secs(20), consumer.exchange(answers)).await;
    taken.expect("something is delivered within 20 s").unwrap()
}

/// Takes and echoes until so many were delivered.
async fn take_all(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    let mut answers = Vec::new();
    while all.len() < count {
        let deliveries = take(consumer, answers).await;
        answers = echo(&deliveries);
        all.extend(deliveries);
    }
    consumer.finish(answers).await.unwrap();
    all
}

/// What a process leaves behind that dies while it handles a batch: its heartbeats end, its messages stay where they are.
async fn die(queue: Arc<RedisMessageQueue>, consumer: Consumer) {
    std::mem::forget(consumer);
    queue.close().await;
}

#[tokio::test]
async fn a_call_is_answered_with_what_the_worker_replies() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(&queue, "m", r#"{"params": "ä\"/"}"#);
    let deliveries = take(&mut consumer, Vec::new()).await;
    let reply = RawValue::from_string(r#"{"result":[1]}"#.into()).unwrap();
    consumer.finish(vec![Answer::Reply(reply)]).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].message_id, "m");
    assert_eq!(deliveries[0].payload.get(), r#"{"params": "ä\"/"}"#);
    assert_eq!(deliveries[0].correlation.correlation_id, "request");
    assert_eq!(deliveries[0].correlation.causation_id, "cause");
    assert!(deliveries[0].wants_reply);
    assert_eq!(deliveries[0].redeliveries, 0);
    assert_eq!(call.await.unwrap().unwrap().get(), r#"{"result":[1]}"#);
    let left: Vec<String> = fixture.redis(&format!("KEYS {SOURCE}*")).await;
    assert!(left.is_empty(), "{left:?}");
    assert!(matches!(
        consumer.exchange(Vec::new()).await,
        Err(QueueError::Closed)
    ));
}

#[tokio::test]
async fn a_thousand_concurrent_calls_get_each_its_own_reply_in_batches() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let worker = spawn_echo(queue.consume(ECHO, 128).await.unwrap(), Arc::default());
    let calls: Vec<_> = (0..1_000)
        .map(|n| call(&queue, &format!("m-{n}"), &n.to_string()))
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().get(), n.to_string());
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &fixture.metrics.registry()).unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!((value("ordershop_queue_batch_messages_sum") - 1_000.0).abs() < 0.5);
    assert!(
        value("ordershop_queue_batch_messages_count") <= 250.0,
        "{text}"
    );
    queue.close().await;
    worker.await.unwrap();
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_were_sent() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut consumer = queue.consume(ECHO, 7).await.unwrap();
    queue.send(numbered(100)).await.unwrap();
    let got = take_all(&mut consumer, 100).await;
    let expected: Vec<(String, u32)> = (0..100).map(|n| (format!("m-{n}"), 0)).collect();
    assert!(got.iter().all(|delivery| !delivery.wants_reply));
    assert_eq!(counted(got), expected);
}

#[tokio::test]
async fn a_call_that_nobody_answers_times_out() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let error = queue
        .call(message("m", "1"), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, QueueError::Timeout { queue, timeout_ms: 50 } if queue == "test-service.echo"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_dead_worker_held_goes_to_another_and_is_counted() {
    let fixture = Fixture::start().await;
    let mortal = fixture.queue();
    let mut first = mortal.consume(ECHO, 3).await.unwrap();
    mortal.send(numbered(5)).await.unwrap();
    assert_eq!(take(&mut first, Vec::new()).await.len(), 3);
    die(mortal, first).await;
    let queue = fixture.queue();
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    let mut got = counted(take_all(&mut second, 5).await);
    got.sort();
    assert_eq!(got, three_of_five_redelivered());
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_dropped_worker_held_stands_before_what_waits() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut first = queue.consume(ECHO, 3).await.unwrap();
    queue.send(numbered(5)).await.unwrap();
    assert_eq!(take(&mut first, Vec::new()).await.len(), 3);
    drop(first);
    eventually("giving back", async || {
        fixture.redis::<u64>(&format!("LLEN {SOURCE}")).await == 5
    })
    .await;
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    assert_eq!(
        counted(take(&mut second, Vec::new()).await),
        three_of_five_redelivered()
    );
}

#[tokio::test]
async fn a_worker_that_was_only_slow_deletes_nobody_elses_messages() {
    let fixture = Fixture::start().await;
    // Its heartbeats come so seldom that others think it dead.
    let slow = fixture.queue_with(QueueConfig {
        heartbeat_ms: 3_600_000,
        ..hasty()
    });
    let queue = fixture.queue();
    let mut first = slow.consume(ECHO, 10).await.unwrap();
    let call = call(&queue, "m", "1");
    let late = take(&mut first, Vec::new()).await;
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    let taken_over = take(&mut second, Vec::new()).await;
    first.finish(echo(&late)).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap().get(), "1");
    assert_eq!(taken_over[0].redeliveries, 1);
    assert_eq!(fixture.held().await.len(), 1);
    second.finish(echo(&taken_over)).await.unwrap();
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_kills_every_worker_is_buried_and_its_caller_told() {
    let fixture = Fixture::start().await;
    let config = QueueConfig {
        retries_max: 2,
        ..hasty()
    };
    let caller = fixture.queue_with(config.clone());
    let call = call(&caller, "poison", "1");
    for redeliveries in 0..=2 {
        let mortal = fixture.queue_with(config.clone());
        let mut consumer = mortal.consume(ECHO, 10).await.unwrap();
        assert_eq!(
            take(&mut consumer, Vec::new()).await[0].redeliveries,
            redeliveries
        );
        die(mortal, consumer).await;
    }
    let last = fixture.queue_with(config);
    let _consumer = last.consume(ECHO, 10).await.unwrap();
    let reply = call.await.unwrap().unwrap();
    assert_eq!(
        reply.get(),
        r#"{"error":"delivered 3 times and never answered"}"#
    );
    let status = &last.status(&[ECHO]).await.unwrap()[0];
    assert_eq!((status.depth, status.dead_letters), (0, 1));
}

#[tokio::test]
async fn a_retry_is_delivered_again_until_it_is_buried() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue_with(QueueConfig {
        retries_max: 3,
        ..hasty()
    });
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(&queue, "m", "1");
    let mut answers = Vec::new();
    for redeliveries in 0..=3 {
        let deliveries = take(&mut consumer, answers).await;
        assert_eq!(
            (deliveries.len(), deliveries[0].redeliveries),
            (1, redeliveries)
        );
        answers = vec![Answer::Retry("the store is away".into())];
    }
    consumer.finish(answers).await.unwrap();
    let reply = call.await.unwrap().unwrap();
    assert_eq!(
        reply.get(),
        r#"{"error":"gave up after 3 retries: the store is away"}"#
    );
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].dead_letters, 1);
}

#[tokio::test]
async fn a_dead_letter_says_why_and_its_caller_is_told() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(&queue, "m", "1");
    take(&mut consumer, Vec::new()).await;
    consumer
        .finish(vec![Answer::DeadLetter("no such \"thing\"".into())])
        .await
        .unwrap();
    assert_eq!(
        call.await.unwrap().unwrap().get(),
        r#"{"error":"no such \"thing\""}"#
    );
    let letters: Vec<String> = fixture.redis(&format!("LRANGE {SOURCE}:dead 0 -1")).await;
    let letter: serde_json::Value = serde_json::from_str(&letters[0]).unwrap();
    assert_eq!(letter["reason"], "no such \"thing\"");
    assert!(letter["at_ms"].as_u64().unwrap() > 0);
    assert!(letter["message"].as_str().unwrap().contains(r#""id":"m""#));
}

#[tokio::test]
async fn what_is_no_message_is_buried_and_stops_nobody() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let () = fixture
        .redis(&format!("RPUSH {SOURCE} garbage {{}} [1] {{\"id\":1}}"))
        .await;
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(&queue, "m", "1");
    take_all(&mut consumer, 1).await;
    assert_eq!(call.await.unwrap().unwrap().get(), "1");
    let status = &queue.status(&[ECHO]).await.unwrap()[0];
    assert_eq!((status.depth, status.dead_letters), (0, 4));
}

#[tokio::test]
async fn a_queue_beyond_its_depth_refuses_until_it_is_shorter() {
    let fixture = Fixture::start().await;
    let patient = fixture.queue_with(QueueConfig {
        depth_max: 10,
        overload_ms: 30_000,
        ..hasty()
    });
    patient.send(numbered(11)).await.unwrap();
    let refused = patient.send(numbered(1)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            QueueError::Overloaded {
                depth: 11,
                depth_max: 10,
                ..
            }
        ),
        "{refused}"
    );
    let refused = patient
        .call(message("m", "1"), CALL_TIMEOUT)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, QueueError::Overloaded { .. }),
        "{refused}"
    );
    assert_eq!(patient.status(&[ECHO]).await.unwrap()[0].depth, 11);

    let brief = fixture.queue_with(QueueConfig {
        depth_max: 10,
        overload_ms: 20,
        ..hasty()
    });
    brief.send(numbered(1)).await.unwrap();
    assert!(matches!(
        brief.send(numbered(1)).await,
        Err(QueueError::Overloaded { .. })
    ));
    let () = fixture.redis(&format!("DEL {SOURCE}")).await;
    eventually("taking messages again", async || {
        brief.send(numbered(1)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn two_workers_share_the_work() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut first = queue.consume(ECHO, 10).await.unwrap();
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    queue.send(numbered(20)).await.unwrap();
    let (ours, theirs) = (
        take(&mut first, Vec::new()).await,
        take(&mut second, Vec::new()).await,
    );
    let mut ids: Vec<&str> = ours
        .iter()
        .chain(&theirs)
        .map(|delivery| delivery.message_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ours.len(), theirs.len(), ids.len()), (10, 10, 20));
}

#[tokio::test]
async fn the_replies_to_a_dead_caller_expire() {
    let fixture = Fixture::start().await;
    let (caller, queue) = (fixture.queue(), fixture.queue());
    let call = caller
        .call(message("m", "1"), Duration::from_millis(100))
        .await;
    assert!(matches!(call, Err(QueueError::Timeout { .. })));
    caller.close().await;
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    take_all(&mut consumer, 1).await;
    let lists: Vec<String> = fixture.redis("KEYS mq:reply:*").await;
    assert_eq!(lists.len(), 1);
    let ttl_s: i64 = fixture.redis(&format!("TTL {}", lists[0])).await;
    assert!((1..=60).contains(&ttl_s), "{ttl_s}");
}

#[tokio::test]
async fn closing_fails_waiting_calls_and_workers() {
    let fixture = Fixture::start().await;
    let (queue, other) = (fixture.queue(), fixture.queue());
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(&other, "m", "1");
    let deliveries = take(&mut consumer, Vec::new()).await;
    other.close().await;
    assert!(matches!(call.await.unwrap(), Err(QueueError::Closed)));
    assert!(matches!(
        other.call(message("n", "1"), CALL_TIMEOUT).await,
        Err(QueueError::Closed)
    ));
    assert!(matches!(
        other.send(numbered(1)).await,
        Err(QueueError::Closed)
    ));
    let waiting = tokio::spawn(async move { consumer.exchange(echo(&deliveries)).await.map(drop) });
    eventually("answering", async || fixture.held().await.is_empty()).await;
    queue.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(QueueError::Closed)));
}

#[tokio::test]
async fn an_exchange_that_is_dropped_half_way_loses_nothing() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue_with(QueueConfig {
        retries_max: 1_000,
        ..hasty()
    });
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let (mut got, mut acknowledged) = (Vec::new(), vec!["last".to_owned()]);
    for round in 0..40 {
        // Dropped at about the moment at which the message arrives: sometimes before, sometimes after Redis has moved it.
        let id = format!("m-{round}");
        let deliveries = tokio::select! {
            taken = consumer.exchange(Vec::new()) => taken.unwrap(),
            sent = queue.send(vec![message(&id, "1")]) => {
                sent.unwrap();
                acknowledged.push(id);
                Vec::new()
            }
        };
        if !deliveries.is_empty() {
            consumer.finish(echo(&deliveries)).await.unwrap();
            got.extend(deliveries.into_iter().map(|delivery| delivery.message_id));
            consumer = queue.consume(ECHO, 10).await.unwrap();
        }
    }
    queue.send(vec![message("last", "1")]).await.unwrap();
    let mut answers = Vec::new();
    while !got.iter().any(|id| id == "last") {
        let deliveries = take(&mut consumer, answers).await;
        answers = echo(&deliveries);
        got.extend(deliveries.into_iter().map(|delivery| delivery.message_id));
    }
    consumer.finish(answers).await.unwrap();
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !got.contains(id)).collect();
    assert!(
        acknowledged.len() > 10 && lost.is_empty(),
        "{lost:?} of {}",
        acknowledged.len()
    );
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].depth, 0);
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn answers_of_an_exchange_that_is_dropped_at_once_arrive_and_its_batch_is_not_carried_out_again()
 {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    for n in 0..50 {
        let mut consumer = queue.consume(ECHO, 10).await.unwrap();
        let call = call(&queue, &format!("m-{n}"), "1");
        let held = take(&mut consumer, Vec::new()).await;

        // As a worker does that is told to stop.
        tokio::select! {
            biased;
            _ = consumer.exchange(echo(&held)) => panic!("there is nothing more"),
            () = std::future::ready(()) => {}
        }
        drop(consumer);

        assert_eq!(call.await.unwrap().unwrap().get(), "1");
    }
    queue.close().await;
    let status = fixture.queue().status(&[ECHO]).await.unwrap();
    assert_eq!(status[0].depth, 0);
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn calls_fail_while_redis_is_away_and_work_again_after() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let handled: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let worker = spawn_echo(queue.consume(ECHO, 10).await.unwrap(), Arc::clone(&handled));
    assert_eq!(
        queue
            .call(message("before", "1"), CALL_TIMEOUT)
            .await
            .unwrap()
            .get(),
        "1"
    );
    let Fixture { server, dir, .. } = fixture;
    let pid = server.pid().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    drop(server);
    eventually("a refusal", async || {
        matches!(
            queue.call(message("during", "1"), CALL_TIMEOUT).await,
            Err(QueueError::Unavailable(_))
        )
    })
    .await;
    let restarted = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    eventually("an answer", async || {
        queue
            .call(message("after", "2"), Duration::from_secs(2))
            .await
            .is_ok()
    })
    .await;
    assert!(handled.lock().unwrap().contains_key("after"));
    queue.close().await;
    worker.await.unwrap();
    restarted.stop().await;
}

#[tokio::test]
async fn a_server_that_has_lost_its_scripts_is_given_them_again() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut consumer = queue.consume(ECHO, 1).await.unwrap();
    queue.send(numbered(3)).await.unwrap();
    let first = take(&mut consumer, Vec::new()).await;
    let () = fixture.redis("SCRIPT FLUSH").await;
    let second = take(&mut consumer, echo(&first)).await;
    let () = fixture.redis("SCRIPT FLUSH").await;
    let third = take(&mut consumer, echo(&second)).await;
    consumer.finish(echo(&third)).await.unwrap();
    let got = counted([first, second, third].concat());
    assert_eq!(
        got,
        [("m-0".into(), 0), ("m-1".into(), 0), ("m-2".into(), 0)]
    );
}

#[tokio::test]
async fn a_worker_that_is_there_before_redis_works_as_soon_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let server = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let link = RedisLink::new(server.url()).unwrap();
    server.stop().await;
    let queue = RedisMessageQueue::start(link, Metrics::default(), hasty()).unwrap();
    let worker = spawn_echo(queue.consume(ECHO, 10).await.unwrap(), Arc::default());
    let early = queue.call(message("early", "1"), CALL_TIMEOUT).await;
    assert!(
        matches!(early, Err(QueueError::Unavailable(_))),
        "{early:?}"
    );
    let server = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    eventually("an answer", async || {
        queue
            .call(message("later", "2"), Duration::from_secs(2))
            .await
            .is_ok()
    })
    .await;
    queue.close().await;
    worker.await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn connections_killed_under_load_hang_no_call_and_lose_no_message() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue_with(QueueConfig {
        retries_max: 1_000,
        ..hasty()
    });
    let handled: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let mut workers = Vec::new();
    for _ in 0..2 {
        workers.push(spawn_echo(
            queue.consume(ECHO, 32).await.unwrap(),
            Arc::clone(&handled),
        ));
    }
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<JoinHandle<Vec<String>>> = (0..32)
        .map(|caller| {
            let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
            tokio::spawn(async move {
                let mut sure = Vec::new();
                for n in 0..60 {
                    let id = format!("{caller}-{n}");
                    match queue
                        .call(message(&id, &format!("\"{id}\"")), Duration::from_secs(1))
                        .await
                    {
                        Ok(reply) => {
                            assert_eq!(reply.get(), format!("\"{id}\""));
                            sure.push(id);
                        }
                        // Its push was acknowledged, or it would have been told: it must be handled, whatever became of the reply.
                        Err(QueueError::Timeout { .. }) => sure.push(id),
                        Err(QueueError::Unavailable(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                sure
            })
        })
        .collect();
    for kill_at in [200, 600, 1_000, 1_400] {
        eventually("progress", async || done.load(Ordering::Relaxed) >= kill_at).await;
        let _: i64 = fixture.redis("CLIENT KILL TYPE normal SKIPME yes").await;
    }
    let mut sure = Vec::new();
    for caller in callers {
        sure.extend(
            tokio::time::timeout(Duration::from_secs(60), caller)
                .await
                .expect("no call hangs")
                .unwrap(),
        );
    }
    eventually("the end of all work", async || {
        let depth = queue
            .status(&[ECHO])
            .await
            .map_or(1, |statuses| statuses[0].depth);
        depth == 0 && fixture.held().await.is_empty()
    })
    .await;
    assert!(sure.len() > 960, "most calls get through: {}", sure.len());
    {
        let handled = handled.lock().unwrap();
        let lost: Vec<&String> = sure
            .iter()
            .filter(|id| !handled.contains_key(*id))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].dead_letters, 0);
    queue.close().await;
    for worker in workers {
        worker.await.unwrap();
    }
}
