//! What becomes of submitted messages.

use ordershop_contract::message_queue::{Answer, MessageOutcome, MessageQueue, QueueName};
use ordershop_redis::message_queue::RedisMessageQueue;
use serde_json::value::RawValue;

use crate::stage::*;

const OTHER: QueueName = QueueName {
    service: "test-service",
    function: "other",
};

/// The outcome as text: empty while it is open.
async fn outcome(queue: &RedisMessageQueue, id: &str) -> Option<String> {
    let outcome = queue.outcome(&[OTHER, ECHO], id).await.unwrap()?;
    Some(match outcome {
        MessageOutcome::Pending => String::new(),
        MessageOutcome::Answered(reply) => reply.get().to_owned(),
    })
}

#[tokio::test]
async fn a_submitted_message_is_pending_until_it_is_answered() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    for id in ["done", "refused", "buried"] {
        queue.submit(message(id, "1")).await.unwrap();
    }
    queue.send(vec![message("sent", "1")]).await.unwrap();
    assert_eq!(outcome(&queue, "done").await.as_deref(), Some(""));
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let taken = take(&mut consumer, Vec::new()).await;
    assert!(taken.iter().all(|delivery| !delivery.wants_reply));

    // A retry leaves it open.
    let retry = |_: &_| Answer::Retry("away".into());
    let taken = take(&mut consumer, taken.iter().map(retry).collect()).await;
    assert_eq!(outcome(&queue, "done").await.as_deref(), Some(""));
    let mut answers = Vec::new();
    let mut deliveries = taken;
    let mut seen = 0;
    while seen < 4 {
        answers = deliveries
            .iter()
            .map(|delivery| match &*delivery.message_id {
                "refused" => reply(r#"{"error":"no","status":409}"#),
                "buried" => Answer::DeadLetter("poison".into()),
                _ => reply(r#"{"result":["x"]}"#),
            })
            .collect();
        seen += deliveries.len();
        if seen < 4 {
            deliveries = take(&mut consumer, std::mem::take(&mut answers)).await;
        }
    }
    consumer.finish(answers).await.unwrap();

    let expected = [
        ("done", Some(r#"{"result":["x"]}"#)),
        ("refused", Some(r#"{"error":"no","status":409}"#)),
        ("buried", Some(r#"{"error":"poison"}"#)),
        ("sent", None),
        ("unknown", None),
    ];
    for (id, expected) in expected {
        assert_eq!(outcome(&queue, id).await.as_deref(), expected, "{id}");
    }
    let ttl_s: i64 = fixture.redis(&format!("TTL {SOURCE}:outcome:done")).await;
    assert!((1..=86_400).contains(&ttl_s), "{ttl_s}");
}

fn reply(json: &str) -> Answer {
    Answer::Reply(RawValue::from_string(json.to_owned()).unwrap())
}

#[tokio::test]
async fn a_message_that_is_submitted_again_keeps_its_outcome() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.submit(message("m", "1")).await.unwrap();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    take_all(&mut consumer, 1).await;

    queue.submit(message("m", "1")).await.unwrap();

    assert_eq!(outcome(&queue, "m").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_message_that_kills_its_workers_ends_as_refused() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.submit(message("m", "1")).await.unwrap();
    eventually("burial", async || {
        let mut consumer = queue.consume(ECHO, 10).await.unwrap();
        let exchange = consumer.exchange(Vec::new());
        let _ = tokio::time::timeout(std::time::Duration::from_millis(300), exchange).await;
        drop(consumer);
        queue.status(&[ECHO]).await.unwrap()[0].dead_letters == 1
    })
    .await;
    let outcome = outcome(&queue, "m").await.unwrap();
    assert!(outcome.contains("6 workers ended"), "{outcome}");
}
