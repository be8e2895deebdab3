//! What is answered only once a replica has it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ordershop_contract::event_store::{Appended, EventStore, EventStoreError, ExpectedVersion};
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueError, QueueName};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use serde_json::value::RawValue;

use crate::cut_line::CutLine;
use crate::pair::{ONE, Pair, eventually, store_at};
use crate::stage::*;

type Answer = Result<Vec<Appended>, EventStoreError>;

/// Appends a second event to aggregate `a`; its repeat conflicts with itself.
async fn second(store: &impl EventStore) -> Answer {
    let event = event("e1", "a", ExpectedVersion::Exact(1));
    store.append(vec![transaction(vec![event])]).await
}

fn is_open(answer: &Answer) -> bool {
    matches!(answer, Err(EventStoreError::Indeterminate(why)) if why.contains("replicas"))
}

/// Repeats until it is answered, which the repeat of what is written is with a conflict.
async fn is_found(store: &impl EventStore) {
    eventually("the repeat is answered", async || {
        let answer = second(store).await;
        assert!(answer.is_ok() || is_open(&answer), "{answer:?}");
        answer.is_ok_and(|told| matches!(&told[0], Appended::Conflict { version: 2, .. }))
    })
    .await;
    assert_eq!(all_events(store).await.len(), 2);
}

#[tokio::test]
async fn an_append_and_its_repeat_are_open_until_the_replica_has_the_event() {
    let pair = Pair::new(Duration::ZERO).await;
    let store = pair.store(ONE);
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;
    let there = pair.replica.tell(&["XLEN", "events:{order}"]).await;
    assert_eq!(there, "int(1)");

    pair.replica.signal("STOP");
    let first = second(&*store).await;
    let repeated = second(&*store).await;
    pair.replica.signal("CONT");

    assert!(is_open(&first), "{first:?}");
    assert!(is_open(&repeated), "{repeated:?}");
    is_found(&*store).await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_open_until_the_replica_has_the_event() {
    let pair = Pair::new(Duration::ZERO).await;
    let socket = pair.master.url();
    let socket = socket.strip_prefix("redis+unix://").unwrap();
    let line = CutLine::to(socket.into()).await;
    let store = store_at(&line.url, ONE);
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;

    pair.replica.signal("STOP");
    line.cuts.store(1, Ordering::Relaxed);
    let first = second(&*store).await;
    pair.replica.signal("CONT");

    assert_eq!(line.cuts.load(Ordering::Relaxed), 0, "nothing was cut");
    assert!(is_open(&first), "{first:?}");
    is_found(&*store).await;
}

#[tokio::test]
async fn an_accepted_message_is_open_until_the_replica_has_it_and_holds_up_nobody_else() {
    let pair = Pair::new(Duration::ZERO).await;
    let config = QueueConfig {
        replicas: ONE,
        ..QueueConfig::default()
    };
    let link = RedisLink::new(&pair.master.url()).unwrap();
    let queue = RedisMessageQueue::start(link, QueueMetrics::default(), config);
    let to = QueueName {
        service: "test-service",
        function: "echo",
    };
    let message = || OutgoingMessage {
        to,
        message_id: "m".to_owned(),
        payload: RawValue::from_string("1".to_owned()).unwrap(),
        correlation: event("e", "a", ExpectedVersion::Any).correlation,
    };
    queue.submit(message()).await.unwrap();
    let there = pair.replica.tell(&["LLEN", "mq:{test-service.echo}"]).await;
    assert_eq!(there, "int(1)");

    pair.replica.signal("STOP");
    let (submitted, (), called) = tokio::join!(
        queue.submit(message()),
        async {
            let began = Instant::now();
            queue.outcome(&[to], "m").await.unwrap().unwrap();
            assert!(began.elapsed() < Duration::from_millis(u64::from(ONE.ack_timeout_ms)));
        },
        queue.call(message(), Duration::from_millis(50)),
    );
    pair.replica.signal("CONT");

    assert!(
        matches!(&submitted, Err(QueueError::Indeterminate(why)) if why.contains("replicas")),
        "{submitted:?}"
    );
    // It was sent at once, and nobody took it.
    assert!(
        matches!(&called, Err(QueueError::NotBegun { .. })),
        "{called:?}"
    );
    eventually("the repeat is accepted", async || {
        queue.submit(message()).await.is_ok()
    })
    .await;
}
