//! Exchanges that are dropped, and a Redis that stops and starts again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ordershop_contract::message_queue::{Answer, MessageQueue, QueueError};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::RedisServer;
use tokio::task::JoinHandle;

use crate::stage::*;

#[tokio::test]
async fn an_exchange_that_is_dropped_half_way_loses_nothing() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue_with(QueueConfig {
        deaths_max: 1_000,
        ..hasty()
    });
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let (mut got, mut acknowledged) = (Vec::new(), vec!["last".to_owned()]);
    for round in 0..40 {
        // The exchange is dropped at about the moment at which the message arrives: sometimes before Redis has moved it, sometimes after.
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
async fn a_message_whose_retry_redis_refuses_is_delivered_again() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.send(vec![message("m", "1")]).await.unwrap();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    take(&mut consumer, Vec::new()).await;

    // The delayed messages are a sorted set.
    let _: String = fixture.redis("ACL SETUSER default -zadd").await;
    let retry = Answer::Retry("not yet".to_owned());
    let refused = consumer.exchange(vec![retry]).await;
    let _: String = fixture.redis("ACL SETUSER default +zadd").await;

    assert!(refused.is_err(), "{refused:?}");
    drop(consumer);
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let again = take_all(&mut consumer, 1).await;
    assert_eq!(again[0].message_id, "m");
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

        // The exchange is dropped, as by a worker that is told to stop.
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
            Err(QueueError::Unavailable(_) | QueueError::Indeterminate(_))
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
    let queue = RedisMessageQueue::start(link, QueueMetrics::default(), hasty());
    let worker = spawn_echo(queue.consume(ECHO, 10).await.unwrap(), Arc::default());
    let early = queue.call(message("early", "1"), CALL_TIMEOUT).await;
    assert!(
        matches!(
            early,
            Err(QueueError::Unavailable(_) | QueueError::Indeterminate(_))
        ),
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
        deaths_max: 1_000,
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
                        // The push was acknowledged, or the error would be another: the message must be handled, whatever happens to the
                        // reply.
                        Err(QueueError::Timeout { .. }) => sure.push(id),
                        Err(
                            QueueError::Unavailable(_)
                            | QueueError::Indeterminate(_)
                            | QueueError::NotBegun { .. }
                            | QueueError::Overloaded { .. },
                        ) => {}
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
