//! The message queue: each function's lists are on the node of its slot, and the replies on that of the caller's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ordershop_contract::dead_letters::DeadLetterRequest;
use ordershop_contract::message_queue::{Answer, MessageOutcome, MessageQueue};
use ordershop_contract::open_queue::OpenQueue;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::message_queue::RedisMessageQueue;

use crate::cluster_server::RedisCluster;
use crate::queue_stage::*;

fn queue(cluster: &RedisCluster) -> Arc<RedisMessageQueue> {
    let link = RedisLink::new(&cluster.url()).unwrap();
    RedisMessageQueue::start(link, Default::default(), hasty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_callers_on_all_nodes_are_answered() {
    let cluster = RedisCluster::start(false, &[]).await;
    let (serving, callers) = (queue(&cluster), [(); 6].map(|()| queue(&cluster)));
    let worker = spawn_echo(serving.consume(ECHO, 128).await.unwrap(), Arc::default());
    let calls = (0..600).map(|n| call(&callers[n % 6], &format!("m-{n}"), &n.to_string()));
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap().get(), n.to_string());
    }
    assert!(callers[0].knows("test-service.echo").await.unwrap());
    let status = callers[0].status(&[ECHO]).await.unwrap();
    eventually("all messages are off their lists", async || {
        let status = callers[0].status(&[ECHO]).await.unwrap();
        (status[0].depth, status[0].held) == (0, 0)
    })
    .await;
    assert_eq!(status[0].dead_letters, 0);
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_retries_and_dead_letters_are_where_their_queue_is() {
    let cluster = RedisCluster::start(false, &[]).await;
    let queue = queue(&cluster);
    queue.submit(message("kept", "1")).await.unwrap();
    let outcome = async || queue.outcome(&[ECHO], "kept").await.unwrap();
    assert!(matches!(outcome().await, Some(MessageOutcome::Pending)));
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    take(&mut consumer, Vec::new()).await;

    let again = take(&mut consumer, vec![Answer::Retry("away".into())]).await;
    assert_eq!(again[0].redeliveries, 1);
    consumer
        .finish(vec![Answer::DeadLetter("poison".into())])
        .await
        .unwrap();

    let Some(MessageOutcome::Answered(told)) = outcome().await else {
        panic!("it is answered");
    };
    assert_eq!(told.get(), r#"{"error":"poison"}"#);
    let list = DeadLetterRequest::List { skip: 0, limit: 9 };
    let letters = queue.dead_letters(list).await.unwrap();
    assert_eq!(letters.len(), 1);
    let resend = DeadLetterRequest::Resend(letters[0].id.clone());
    assert_eq!(queue.dead_letters(resend).await.unwrap().len(), 1);
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let sent_again = take(&mut consumer, Vec::new()).await;
    assert_eq!(sent_again[0].message_id, "kept");
    consumer.finish(echo(&sent_again)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_held_is_delivered_again() {
    let cluster = RedisCluster::start(false, &[]).await;
    let (first, second) = (queue(&cluster), queue(&cluster));
    first.send(numbered(5)).await.unwrap();
    let mut consumer = first.consume(ECHO, 3).await.unwrap();
    let mut other = second.consume(ECHO, 1).await.unwrap();
    let mut held = take(&mut consumer, Vec::new()).await.len();
    while held < 3 {
        held += take(&mut other, Vec::new()).await.len();
    }
    std::mem::forget(other);
    die(first, consumer).await;

    let mut consumer = second.consume(ECHO, 10).await.unwrap();
    let all = take_all(&mut consumer, 5 - usize::from(held > 3)).await;

    assert!(all.iter().any(|delivery| delivery.redeliveries > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_while_the_slots_of_their_lists_move() {
    let cluster = RedisCluster::start(false, &[]).await;
    let queue = queue(&cluster);
    let handled = Arc::<Mutex<_>>::default();
    let worker = spawn_echo(queue.consume(ECHO, 16).await.unwrap(), Arc::clone(&handled));
    let stop = Arc::new(AtomicBool::new(false));
    let calling = {
        let (queue, stop) = (Arc::clone(&queue), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let calls = (count..count + 10).map(|n| {
                    let id = format!("m-{n}");
                    (n, call(&queue, &id, &n.to_string()))
                });
                for (n, call) in calls.collect::<Vec<_>>() {
                    assert_eq!(call.await.unwrap().unwrap().get(), n.to_string());
                }
                count += 10;
            }
            count
        })
    };
    let replies = cluster.tell_each(&["CLIENT", "LIST"]).await;
    assert!(replies.iter().any(|list| list.contains("cmd=blmpop")));
    for key in [SOURCE, SOURCE, "mq:processes", "mq:functions"] {
        cluster.move_slot_of(key, async || {}).await;
        let before = handled.lock().unwrap().len();
        eventually("calls are answered at the new place", async || {
            handled.lock().unwrap().len() > before + 10
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let count = calling.await.unwrap();
    assert_eq!(handled.lock().unwrap().len(), count);
    worker.abort();
}
