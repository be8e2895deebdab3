//! Servers and workers that are killed, stop and start again.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ordershop_contract::message_queue::{MessageQueue, QueueError};
use tokio::task::JoinSet;

use crate::stage::*;

#[tokio::test]
async fn what_a_dropped_worker_held_is_delivered_again() {
    let stage = Stage::new().await;
    let mut dropped = stage.worker(3).await;
    stage.client.send(numbered(5)).await.unwrap();
    let held = take(&mut dropped, Vec::new()).await;

    drop(dropped);
    stage.until_depth(5).await;
    let mut successor = stage.worker(10).await;
    let seen = take_all(&mut successor, 5).await;

    assert_eq!(held.len(), 3);
    assert_eq!(seen, ["m-0", "m-1", "m-2", "m-3", "m-4"]);
}

#[tokio::test]
async fn answers_of_an_exchange_that_is_dropped_at_once_arrive() {
    let stage = Stage::new().await;
    for n in 0..20 {
        let mut worker = stage.worker(10).await;
        let client = Arc::clone(&stage.client);
        let id = format!("m-{n}");
        let call = tokio::spawn(async move { client.call(message(id, "1"), PATIENCE).await });
        let held = take(&mut worker, Vec::new()).await;

        tokio::select! {
            biased;
            _ = worker.exchange(echo(&held)) => panic!("there is nothing more"),
            () = std::future::ready(()) => {}
        }
        drop(worker);

        assert_eq!(call.await.unwrap().unwrap().get(), "1");
    }
    assert_eq!(stage.status().await.depth, 0);
}

#[tokio::test]
async fn an_exchange_that_is_dropped_half_way_loses_nothing() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    let (mut got, mut answers) = (Vec::new(), Vec::new());
    for round in 0..40 {
        let mut sending = pin!(stage.client.send(vec![message(format!("m-{round}"), "1")]));
        // The exchange is dropped at about the moment at which the message arrives.
        tokio::select! {
            taken = worker.exchange(std::mem::take(&mut answers)) => {
                let deliveries = taken.unwrap();
                answers = echo(&deliveries);
                got.extend(ids(&deliveries));
                // A send that has begun goes on: begun anew, it would put its message into the queue twice.
                sending.await.unwrap();
            }
            sent = &mut sending => sent.unwrap(),
        }
    }
    while got.iter().collect::<HashSet<_>>().len() < 40 {
        let deliveries = take(&mut worker, answers).await;
        answers = echo(&deliveries);
        got.extend(ids(&deliveries));
    }
    worker.finish(answers).await.unwrap();

    stage.until_depth(0).await;
}

#[tokio::test]
async fn a_worker_whose_server_dies_says_so_and_gets_its_batch_again() {
    let stage = Stage::new().await;
    let mut worker = stage.worker(10).await;
    stage.client.send(numbered(3)).await.unwrap();
    let held = take(&mut worker, Vec::new()).await;

    stage.kill_server();
    let lost = worker.exchange(echo(&held)).await;
    stage.start_server();
    let mut seen = HashSet::new();
    let mut answers = Vec::new();
    while seen.len() < 3 {
        let Ok(deliveries) = worker.exchange(std::mem::take(&mut answers)).await else {
            continue;
        };
        answers = echo(&deliveries);
        seen.extend(ids(&deliveries));
    }
    worker.finish(answers).await.unwrap();

    assert_eq!(held.len(), 3);
    assert!(matches!(lost, Err(QueueError::Unavailable(_))), "{lost:?}");
    assert_eq!(stage.status().await.depth, 0);
}

#[tokio::test]
async fn calls_on_a_dying_server_fail_or_are_answered_and_never_hang() {
    let stage = Arc::new(Stage::new().await);
    let mut worker = stage.worker(64).await;
    let working = tokio::spawn(async move {
        let mut answers = Vec::new();
        loop {
            match worker.exchange(std::mem::take(&mut answers)).await {
                Ok(deliveries) => answers = echo(&deliveries),
                Err(QueueError::Closed) => return,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let (answered, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let (stage, answered, failed) = (stage.clone(), answered.clone(), failed.clone());
        callers.spawn(async move {
            for n in 0.. {
                let sent = message(format!("m-{caller}-{n}"), &n.to_string());
                let begun = Instant::now();
                match stage.client.call(sent, PATIENCE).await {
                    Ok(reply) => {
                        assert_eq!(reply.get(), n.to_string());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(QueueError::Closed) => return,
                    Err(QueueError::Unavailable(_) | QueueError::Indeterminate(_)) => {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => panic!("{error}"),
                }
                assert!(begun.elapsed() < PATIENCE);
            }
        });
    }
    for _ in 0..4 {
        until_more(&answered, 200).await;
        stage.kill_server();
        stage.start_server();
    }
    until_more(&answered, 200).await;
    stage.client.close().await;
    callers.join_all().await;
    working.await.unwrap();

    assert!(failed.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_server_that_stops_and_its_successor_answer_every_call() {
    let stage = Arc::new(Stage::new().await);
    // It works at the queue itself, slowly, so that there is always something under way.
    let mut worker = stage.queue.consume(ECHO, 4).await.unwrap();
    let working = tokio::spawn(async move {
        let mut answers = Vec::new();
        while let Ok(deliveries) = worker.exchange(answers).await {
            tokio::time::sleep(Duration::from_millis(2)).await;
            answers = echo(&deliveries);
        }
    });
    let answered = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let (stage, answered) = (stage.clone(), answered.clone());
        callers.spawn(async move {
            for n in 0.. {
                let sent = message(format!("m-{caller}-{n}"), "1");
                match stage.client.call(sent, PATIENCE).await {
                    Ok(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                    Err(QueueError::Closed) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    for _ in 0..5 {
        until_more(&answered, 200).await;
        stage.stop_server().await;
        stage.start_server();
    }
    until_more(&answered, 200).await;
    stage.client.close().await;
    callers.join_all().await;
    working.abort();
}

async fn until_more(count: &AtomicU64, more: u64) {
    let goal = count.load(Ordering::Relaxed) + more;
    let deadline = Instant::now() + PATIENCE;
    while count.load(Ordering::Relaxed) < goal {
        assert!(Instant::now() < deadline, "calls are answered");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_takes_the_last_answers_and_ends() {
    let stage = Arc::new(Stage::new().await);
    let mut worker = stage.worker(10).await;
    let client = Arc::clone(&stage.client);
    let call = tokio::spawn(async move { client.call(message("m", "1"), PATIENCE).await });
    let held = take(&mut worker, Vec::new()).await;

    let stopping = {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.stop_server().await })
    };
    let ended = worker.exchange(echo(&held)).await;
    stopping.await.unwrap();

    assert_eq!(call.await.unwrap().unwrap().get(), "1");
    assert!(
        matches!(ended, Err(QueueError::Unavailable(_))),
        "{ended:?}"
    );
    assert_eq!(stage.status().await.depth, 0);
}
