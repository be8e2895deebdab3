//! Calls and workers: who gets which message, in which order, and calls without an answer.

use std::sync::Arc;

use ordershop_contract::message_queue::{Answer, MessageQueue, QueueError};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use prometheus_client::registry::Registry;
use serde_json::value::RawValue;

use crate::stage::*;

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
    let mut registry = Registry::with_prefix("ordershop");
    fixture.metrics.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
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
    // The worker still waits for replies of its own.
    replies_expire(&fixture, &fixture.queue(), &fixture.queue(), 1).await;
}

#[tokio::test]
async fn the_replies_that_a_process_has_sent_itself_expire_when_it_has_died() {
    let fixture = Fixture::start().await;
    let () = fixture.redis("RPUSH mq:reply:{x} late").await;
    let () = fixture.redis(&format!("ZADD {SOURCE}:workers 1 x-0")).await;
    let queue = fixture.queue();
    let _worker = queue.consume(ECHO, 10).await.unwrap();
    eventually("an expiry", async || {
        let ttl_s: i64 = fixture.redis("TTL mq:reply:{x}").await;
        (1..=60).contains(&ttl_s)
    })
    .await;
}

#[tokio::test]
async fn the_replies_that_a_process_has_sent_itself_expire_when_its_worker_ends() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    replies_expire(&fixture, &queue, &queue, 0).await;
}

/// Replies to a caller that has closed; `left` processes still wait for replies.
async fn replies_expire(
    fixture: &Fixture,
    caller: &Arc<RedisMessageQueue>,
    queue: &Arc<RedisMessageQueue>,
    left: usize,
) {
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let call = call(caller, "m", "1");
    let held = take(&mut consumer, Vec::new()).await;
    caller.close().await;
    assert!(matches!(call.await.unwrap(), Err(QueueError::Closed)));
    // The caller's last read must be gone, or it would take the reply.
    eventually("the caller's end", async || {
        let clients: String = fixture.redis("CLIENT LIST").await;
        clients.matches("cmd=blmpop").count() == left
    })
    .await;
    consumer.finish(echo(&held)).await.unwrap();
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
