//! Messages whose workers die, fail or are slow, and malformed messages.

use ordershop_contract::message_queue::{Answer, MessageQueue};
use ordershop_redis::message_queue::QueueConfig;

use crate::stage::*;

#[tokio::test]
async fn what_a_dead_worker_held_goes_to_another_and_is_counted() {
    let fixture = Fixture::start().await;
    let mortal = fixture.queue();
    let mut first = mortal.consume(ECHO, 3).await.unwrap();
    mortal.send(numbered(5)).await.unwrap();
    assert_eq!(take(&mut first, Vec::new()).await.len(), 3);
    die(mortal, first).await;
    let queue = fixture.queue();
    let status = queue.status(&[ECHO]).await.unwrap().remove(0);
    assert_eq!((status.depth, status.held), (2, 3));
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    let mut got = counted(take_all(&mut second, 5).await);
    got.sort();
    assert_eq!(got, three_of_five_redelivered());
    assert_eq!(fixture.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_worker_held_that_redis_forgot_goes_to_another_once_it_is_dead() {
    let fixture = Fixture::start().await;
    let mortal = fixture.queue();
    let mut first = mortal.consume(ECHO, 3).await.unwrap();
    let workers = format!("{SOURCE}:workers");
    for loss in ["FLUSHALL".to_owned(), format!("DEL {workers}")] {
        fixture.redis::<redis::Value>(&loss).await;
        eventually("its worker is known again", async || {
            fixture.redis::<u64>(&format!("ZCARD {workers}")).await == 1
        })
        .await;
    }
    mortal.send(numbered(3)).await.unwrap();
    assert_eq!(take(&mut first, Vec::new()).await.len(), 3);

    die(mortal, first).await;

    let queue = fixture.queue();
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    let got = counted(take_all(&mut second, 3).await);
    assert!(
        got.iter().all(|(_, redeliveries)| *redeliveries == 1),
        "{got:?}"
    );
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
async fn what_a_dropped_worker_held_comes_back_although_redis_forgot_the_worker() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let mut first = queue.consume(ECHO, 3).await.unwrap();
    queue.send(numbered(3)).await.unwrap();
    assert_eq!(take(&mut first, Vec::new()).await.len(), 3);
    // Nothing can be given back to what is no list.
    fixture.redis::<()>(&format!("SET {SOURCE} odd")).await;
    drop(first);
    eventually("the refusal to give back", async || {
        let errors: String = fixture.redis("INFO errorstats").await;
        errors.contains("WRONGTYPE")
    })
    .await;

    fixture
        .redis::<()>(&format!("DEL {SOURCE} {SOURCE}:workers"))
        .await;

    eventually("giving back", async || {
        fixture.redis::<u64>(&format!("LLEN {SOURCE}")).await == 3
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_was_only_slow_deletes_nobody_elses_messages() {
    let fixture = Fixture::start().await;
    // Its heartbeats are so rare that other processes consider it dead.
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
async fn a_message_that_kills_every_worker_is_buried_alone_and_its_caller_told() {
    let fixture = Fixture::start().await;
    let config = QueueConfig {
        deaths_max: 3,
        ..hasty()
    };
    let caller = fixture.queue_with(config.clone());
    caller.send(vec![message("before", "1")]).await.unwrap();
    let call = call(&caller, "poison", "1");
    eventually("two messages", async || {
        caller.status(&[ECHO]).await.unwrap()[0].depth == 2
    })
    .await;
    caller.send(vec![message("behind", "1")]).await.unwrap();

    // Whoever takes the poison dies, with all that it holds.
    let (mut alive, mut answered) = (None, Vec::new());
    let mut deaths = 0;
    eventually("burial", async || {
        let mortal = alive
            .take()
            .unwrap_or_else(|| fixture.queue_with(config.clone()));
        let mut consumer = mortal.consume(ECHO, 10).await.unwrap();
        let mut answers = Vec::new();
        while deaths < 4 || answered.len() < 2 {
            let deliveries = take(&mut consumer, answers).await;
            if deliveries
                .iter()
                .any(|delivery| delivery.message_id == "poison")
            {
                deaths += 1;
                die(mortal, consumer).await;
                return false;
            }
            answers = echo(&deliveries);
            answered.extend(deliveries.into_iter().map(|delivery| delivery.message_id));
        }
        consumer.finish(answers).await.unwrap();
        alive = Some(mortal);
        caller.status(&[ECHO]).await.unwrap()[0].dead_letters == 1
    })
    .await;

    let reply = call.await.unwrap().unwrap();
    assert_eq!(
        reply.get(),
        r#"{"error":"4 workers ended while they held it"}"#
    );
    answered.sort();
    assert_eq!(
        (deaths, answered),
        (4, vec!["before".to_owned(), "behind".to_owned()])
    );
    let status = &caller.status(&[ECHO]).await.unwrap()[0];
    assert_eq!((status.depth, status.dead_letters), (0, 1));
}

#[tokio::test]
async fn a_retry_is_delivered_again_as_often_as_it_takes_and_others_go_on() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.send(vec![message("stuck", "1")]).await.unwrap();
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let (mut answers, mut tries, mut others) = (Vec::new(), 0, 0);
    while tries < 40 {
        queue
            .send(vec![message(format!("m-{tries}"), "1")])
            .await
            .unwrap();
        let deliveries = take(&mut consumer, answers).await;
        answers = Vec::new();
        for delivery in &deliveries {
            if delivery.message_id == "stuck" {
                assert_eq!(delivery.redeliveries, tries);
                tries += 1;
                answers.push(Answer::Retry("the store is away".into()));
            } else {
                others += 1;
                answers.push(Answer::Reply(delivery.payload.clone()));
            }
        }
    }
    assert!(others >= 20, "{others}");
    answers = take(&mut consumer, answers)
        .await
        .iter()
        .map(|delivery| Answer::Reply(delivery.payload.clone()))
        .collect();
    consumer.finish(answers).await.unwrap();
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].dead_letters, 0);
}

#[tokio::test]
async fn a_retry_is_delivered_although_the_process_that_delayed_it_has_died() {
    let fixture = Fixture::start().await;
    let mortal = fixture.queue_with(QueueConfig {
        retry_delay_ms: 200,
        retry_delay_ms_max: 200,
        ..hasty()
    });
    mortal.send(numbered(1)).await.unwrap();
    let mut first = mortal.consume(ECHO, 10).await.unwrap();
    take(&mut first, Vec::new()).await;
    let retry = Answer::Retry("the store is away".into());
    first.finish(vec![retry]).await.unwrap();
    mortal.close().await;
    let queue = fixture.queue();
    let mut second = queue.consume(ECHO, 10).await.unwrap();
    let got = counted(take_all(&mut second, 1).await);
    assert_eq!(got, [("m-0".to_owned(), 1)]);
}

#[tokio::test]
async fn what_several_workers_died_of_is_found_by_a_process_that_saw_none_of_them() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let suspect = r#"{"redeliveries":2,"deaths":2,"id":"m","correlation_id":"c","causation_id":"k","payload":1}"#;
    let () = fixture
        .redis(&format!("RPUSH {SOURCE}:suspects {suspect}"))
        .await;
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let got = counted(take_all(&mut consumer, 1).await);
    assert_eq!(got, [("m".to_owned(), 2)]);
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
