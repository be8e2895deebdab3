//! The contract of the `MessageQueue` trait, without failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_contract::dead_letters::DeadLetterRequest;
use ordershop_contract::message_queue::{
    Answer, MessageOutcome, MessageQueue, QueueError, QueueName,
};
use tokio::task::JoinSet;

use crate::stage::*;

async fn a_thousand_calls(stage: Stage) {
    let mut worker = stage.worker(256).await;
    tokio::spawn(async move {
        let mut answers = Vec::new();
        while let Ok(deliveries) = worker.exchange(answers).await {
            answers = echo(&deliveries);
        }
    });
    let mut calls = JoinSet::new();
    for n in 0..1_000 {
        let client = Arc::clone(&stage.client);
        calls.spawn(async move {
            let sent = message(format!("m-{n}"), &n.to_string());
            (n, client.call(sent, PATIENCE).await.unwrap())
        });
    }

    for (n, reply) in calls.join_all().await {
        assert_eq!(reply.get(), n.to_string());
    }
}

#[tokio::test]
async fn a_thousand_concurrent_calls_get_each_its_own_reply() {
    a_thousand_calls(Stage::new().await).await;
}

#[tokio::test]
async fn a_thousand_concurrent_calls_get_each_its_own_reply_over_tcp() {
    a_thousand_calls(Stage::over_tcp().await).await;
}

#[tokio::test]
async fn deliveries_say_what_was_sent_and_whether_anyone_waits() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    stage.client.send(numbered(1)).await.unwrap();

    let sent = take(&mut worker, Vec::new()).await;
    worker
        .finish(vec![Answer::DeadLetter("no".into())])
        .await
        .unwrap();

    assert_eq!(
        (sent.len(), sent[0].wants_reply, sent[0].redeliveries),
        (1, false, 0)
    );
    assert_eq!(sent[0].correlation, message("x", "1").correlation);
    let status = stage.client.status(&[ECHO]).await.unwrap().remove(0);
    assert_eq!((status.depth, status.dead_letters), (0, 1));
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_were_sent() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(7).await;
    stage.client.send(numbered(100)).await.unwrap();

    let seen = take_all(&mut worker, 100).await;

    let expected: Vec<_> = (0..100).map(|n| format!("m-{n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_call_that_nobody_answers_times_out_and_one_that_nobody_begins_is_withdrawn() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    let timeout = Duration::from_millis(50);

    let ignored = stage.client.call(message("m", "1"), timeout).await;
    assert!(
        matches!(ignored, Err(QueueError::NotBegun { timeout_ms: 50, .. })),
        "{ignored:?}"
    );
    assert_eq!(stage.status().await.depth, 0);

    let client = Arc::clone(&stage.client);
    let timeout = Duration::from_secs(2);
    let call = tokio::spawn(async move { client.call(message("n", "1"), timeout).await });
    let held = take(&mut worker, Vec::new()).await;
    let unanswered = call.await.unwrap();
    assert!(
        matches!(
            unanswered,
            Err(QueueError::Timeout {
                timeout_ms: 2_000,
                ..
            })
        ),
        "{unanswered:?}"
    );
    // The worker is told how long the caller waits.
    assert!(held[0].is_late(Instant::now()));
    worker.finish(echo(&held)).await.unwrap();
}

#[tokio::test]
async fn what_becomes_of_a_submitted_message_can_be_asked_for() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    let outcome = async |id: &str| stage.client.outcome(&[ECHO], id).await.unwrap();
    assert!(outcome("m").await.is_none());
    stage.client.submit(message("m", "7")).await.unwrap();
    assert!(matches!(outcome("m").await, Some(MessageOutcome::Pending)));

    take_all(&mut worker, 1).await;

    let done = outcome("m").await;
    assert!(
        matches!(&done, Some(MessageOutcome::Answered(reply)) if reply.get() == "7"),
        "{done:?}"
    );
}

#[tokio::test]
async fn dead_letters_are_looked_after_from_another_process() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    stage.client.send(numbered(1)).await.unwrap();
    take(&mut worker, Vec::new()).await;
    let buried = vec![Answer::DeadLetter("no".into())];
    worker.finish(buried).await.unwrap();
    let list = DeadLetterRequest::List { skip: 0, limit: 5 };

    let letters = stage.client.dead_letters(list.clone()).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let id = letters[0].id.clone();
    let again = [DeadLetterRequest::Show, DeadLetterRequest::Resend].map(|what| what(id.clone()));
    for request in again {
        assert_eq!(stage.client.dead_letters(request).await.unwrap(), letters);
    }
    assert_eq!(stage.client.dead_letters(list).await.unwrap(), []);
    stage.until_depth(1).await;
    let gone = DeadLetterRequest::Drop(id);
    assert_eq!(stage.client.dead_letters(gone).await.unwrap(), []);
}

#[tokio::test]
async fn a_function_that_nobody_has_ever_consumed_is_refused() {
    let stage = Stage::new().await;
    let slip = QueueName {
        service: "test-service",
        function: "ehco",
    };
    let mut sent = message("m", "1");
    sent.to = slip;

    let call = stage.client.call(sent.clone(), PATIENCE).await.unwrap_err();
    let send = stage.client.send(vec![sent]).await.unwrap_err();

    assert!(call.to_string().contains("test-service.ehco"), "{call}");
    assert!(send.to_string().contains("test-service.ehco"), "{send}");
}

#[tokio::test]
async fn a_closed_client_fails_its_calls_and_workers() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    let client = Arc::clone(&stage.client);
    let call = tokio::spawn(async move { client.call(message("m", "1"), PATIENCE).await });
    let held = take(&mut worker, Vec::new()).await;

    stage.client.close().await;
    let call = call.await.unwrap();
    let exchange = worker.exchange(echo(&held)).await;
    let send = stage.client.send(numbered(1)).await;

    assert!(matches!(call, Err(QueueError::Closed)), "{call:?}");
    assert!(matches!(exchange, Err(QueueError::Closed)), "{exchange:?}");
    assert!(matches!(send, Err(QueueError::Closed)), "{send:?}");
    assert_eq!(stage.status().await.depth, 0);
}
