//! Calls whose callers give up: what was not begun is never begun, and what was is said to be unknown.

use std::time::{Duration, Instant};

use ordershop_contract::message_queue::{MessageQueue, QueueError};
use ordershop_contract::metrics::QueueLabels;

use crate::stage::*;

fn expired(fixture: &Fixture) -> u64 {
    let labels = QueueLabels {
        queue: ECHO.to_string(),
    };
    let expired = fixture.metrics.messages_expired.get_or_create(&labels);
    expired.get()
}

#[tokio::test]
async fn a_call_that_nobody_begins_is_withdrawn() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let timeout = Duration::from_millis(50);
    let ignored = queue.call(message("m", "1"), timeout).await.unwrap_err();
    assert!(
        matches!(&ignored, QueueError::NotBegun { queue, timeout_ms: 50 } if queue == "test-service.echo"),
        "{ignored}"
    );
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].depth, 0);
    assert_eq!(expired(&fixture), 1);
}

#[tokio::test]
async fn a_call_that_was_begun_and_not_answered_is_unknown() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    // Redis's clock is known from the first heartbeat on.
    eventually("a deadline", async || {
        let begun = Instant::now();
        let timeout = Duration::from_millis(500);
        let call = queue.call(message("m", "1"), timeout);
        let (unanswered, held) = tokio::join!(call, take(&mut consumer, Vec::new()));
        assert!(
            matches!(
                unanswered,
                Err(QueueError::Timeout {
                    timeout_ms: 500,
                    ..
                })
            ),
            "{unanswered:?}"
        );
        consumer.finish(echo(&held)).await.unwrap();
        consumer = queue.consume(ECHO, 10).await.unwrap();
        let Some(deadline) = held[0].deadline else {
            return false;
        };
        assert!(deadline >= begun + Duration::from_millis(400));
        assert!(held[0].is_late(Instant::now() + Duration::from_millis(100)));
        true
    })
    .await;
}

#[tokio::test]
async fn a_message_whose_caller_is_gone_is_dropped_and_the_next_are_delivered() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let stopped = fixture.queue_with(hasty());
    // A caller that dies can't withdraw anything.
    let timeout = Duration::from_millis(300);
    eventually("a message with a deadline", async || {
        let call = stopped.call(message("late", "1"), timeout);
        let _ = tokio::time::timeout(Duration::from_millis(100), call).await;
        let waiting: Vec<String> = fixture.redis(&format!("LRANGE {SOURCE} 0 -1")).await;
        let has_deadline = waiting
            .iter()
            .any(|message| message.contains("deadline_ms"));
        if !has_deadline {
            let () = fixture.redis(&format!("DEL {SOURCE}")).await;
        }
        has_deadline
    })
    .await;
    queue.send(numbered(1)).await.unwrap();
    tokio::time::sleep(timeout).await;

    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let seen = take_all(&mut consumer, 1).await;

    assert_eq!(counted(seen), [("m-0".to_owned(), 0)]);
    assert_eq!(expired(&fixture), 1);
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].depth, 0);
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_queue_that_nobody_serves_soon_refuses_at_once() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    // Those that wait outlast the patience with further ones, which is as long as their timeout: the queue goes on with what was begun.
    let (timeout, waiting) = (Duration::from_secs(1), Duration::from_secs(6));
    let many: Vec<_> = (0..40)
        .map(|n| {
            let (queue, id) = (queue.clone(), format!("m-{n}"));
            tokio::spawn(async move { queue.call(message(id, "1"), waiting).await })
        })
        .collect();
    let mut further = 0;
    eventually("a refusal", async || {
        further += 1;
        let id = format!("further-{further}");
        let brief = Duration::from_millis(1);
        let refused = tokio::time::timeout(brief, queue.call(message(id, "1"), timeout)).await;
        match refused {
            Ok(Err(QueueError::Overloaded { depth, .. })) => {
                assert!(depth >= 16, "{depth}");
                true
            }
            _ => false,
        }
    })
    .await;
    for call in many {
        let call = call.await.unwrap();
        assert!(
            matches!(
                call,
                Err(QueueError::NotBegun { .. } | QueueError::Overloaded { .. })
            ),
            "{call:?}"
        );
    }
    // As soon as somebody serves it, it is open again.
    let worker = spawn_echo(
        queue.consume(ECHO, 10).await.unwrap(),
        std::sync::Arc::default(),
    );
    eventually("an answer", async || {
        queue
            .call(message("after", "2"), CALL_TIMEOUT)
            .await
            .is_ok()
    })
    .await;
    queue.close().await;
    worker.await.unwrap();
}
