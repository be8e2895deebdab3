//! The dead letters of consumer groups, looked after like those of queues.

use std::sync::Arc;

use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::event_store::ExpectedVersion;
use ordershop_contract::message_queue::{MessageQueue, QueueError};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};

use crate::projection::{LETTERS, POSITION, keep, projection};
use crate::stage::*;

fn queue_of(stage: &Stage) -> Arc<RedisMessageQueue> {
    let (metrics, config) = (QueueMetrics::default(), QueueConfig::default());
    RedisMessageQueue::start(stage.link(), metrics, config)
}

async fn is_not_sent_again(queue: &RedisMessageQueue, letter: &DeadLetter) {
    let resend = DeadLetterRequest::Resend(letter.id.clone());
    let refused = queue.dead_letters(resend).await;
    assert!(
        matches!(refused, Err(QueueError::Invalid(_))),
        "{refused:?}"
    );
}

async fn list(queue: &RedisMessageQueue) -> Vec<DeadLetter> {
    let request = DeadLetterRequest::List { skip: 0, limit: 10 };
    queue.dead_letters(request).await.unwrap()
}

#[tokio::test]
async fn an_event_of_a_groups_dead_letters_is_delivered_again_or_dropped() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 3).await;
    let mut subscription = subscribe(&*store, "one", 10).await;
    let batch = subscription.next_batch().await.unwrap();
    for event in &batch[..2] {
        let reason = format!("no {}", event.event_id);
        subscription.dead_letter(event, &reason).await.unwrap();
    }
    subscription.ack(&[batch[2].position]).await.unwrap();

    let letters = list(&queue).await;
    let reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    assert_eq!(reasons, ["no e0", "no e1"]);
    let first = &letters[0];
    assert!(first.id.starts_with("order:test-service:"), "{}", first.id);
    assert!(first.content.contains("\"e0\""), "{}", first.content);

    let lease = ["GET", "lease:{order}:test-service"];
    let owner: String = stage.redis(&lease).await;
    let resend = DeadLetterRequest::Resend(first.id.clone());
    assert_eq!(queue.dead_letters(resend).await.unwrap(), letters[..1]);
    assert_eq!(stage.redis::<String>(&lease).await, owner);
    let (again, positions) = next(&mut subscription).await;
    assert_eq!(
        (again, &positions[..]),
        (ids(0..1), &[batch[0].position][..])
    );
    subscription.ack(&positions).await.unwrap();
    let drop = DeadLetterRequest::Drop(letters[1].id.clone());
    assert_eq!(queue.dead_letters(drop).await.unwrap(), letters[1..]);
    assert_eq!(list(&queue).await, []);
}

#[tokio::test]
async fn an_event_that_is_sent_again_comes_to_who_asks_ahead_and_what_it_has_in_hand_does_not() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 3).await;
    let mut subscription = subscribe(&*store, "one", 10).await;
    let batch = subscription.next_batch_ahead().await.unwrap();
    subscription.dead_letter(&batch[0], "no").await.unwrap();

    let letter = list(&queue).await.remove(0);
    let resend = DeadLetterRequest::Resend(letter.id);
    queue.dead_letters(resend).await.unwrap();
    let again = tokio::time::timeout(PATIENCE, subscription.next_batch_ahead()).await;
    let again = again.expect("it comes in time").unwrap();

    assert_eq!(again.len(), 1);
    assert_eq!(again[0].event_id, batch[0].event_id);
    append_one(&*store, "new", "b", ExpectedVersion::NoStream).await;
    let next = tokio::time::timeout(PATIENCE, subscription.next_batch_ahead()).await;
    assert_eq!(next.expect("it comes in time").unwrap()[0].event_id, "new");
}

#[tokio::test]
async fn of_two_requests_about_one_letter_at_one_moment_one_is_carried_out() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 30).await;
    let mut subscription = subscribe(&*store, "one", 30).await;
    let batch = subscription.next_batch().await.unwrap();
    for event in &batch {
        subscription.dead_letter(event, "no").await.unwrap();
    }
    let letters = DeadLetterRequest::List { skip: 0, limit: 30 };
    for letter in queue.dead_letters(letters).await.unwrap() {
        let resend = DeadLetterRequest::Resend(letter.id.clone());
        let drop = DeadLetterRequest::Drop(letter.id.clone());
        let (resent, dropped) = tokio::join!(queue.dead_letters(resend), queue.dead_letters(drop));
        let both = [resent.unwrap(), dropped.unwrap()].concat();
        assert_eq!(both, [letter]);
    }
}

#[tokio::test]
async fn an_event_that_is_no_longer_in_its_stream_can_only_be_dropped() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 1).await;
    let mut subscription = subscribe(&*store, "one", 10).await;
    let batch = subscription.next_batch().await.unwrap();
    subscription.dead_letter(&batch[0], "no").await.unwrap();
    let position = batch[0].position.to_string();
    let _: u64 = stage.redis(&["XDEL", "events:{order}", &position]).await;

    let letter = list(&queue).await.remove(0);
    is_not_sent_again(&queue, &letter).await;
    assert_eq!(list(&queue).await, [letter]);
}

#[tokio::test]
async fn a_letter_of_the_read_model_that_is_sent_again_sets_the_position_back_before_its_event() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 3).await;
    let written = all_events(&*store).await;
    keep(&stage, written[2].position).await;
    for event in &written {
        let position = event.position.to_string();
        let add = ["XADD", LETTERS, "*", "reason", "no", "position", &position];
        let _: String = stage.redis(&add).await;
    }
    let known = list(&queue).await;

    let resend = DeadLetterRequest::Resend(known[1].id.clone());
    assert_eq!(queue.dead_letters(resend).await.unwrap(), known[1..2]);
    let kept: String = stage.redis(&["GET", POSITION]).await;
    assert_eq!(kept, written[0].position.to_string());
    let mut subscription = projection(&*store, "one").await;
    assert_eq!(next(&mut subscription).await.0, ids(1..3));

    // What is still to be projected needs no way back.
    let resend = DeadLetterRequest::Resend(known[2].id.clone());
    queue.dead_letters(resend).await.unwrap();
    let kept: String = stage.redis(&["GET", POSITION]).await;
    assert_eq!(kept, written[0].position.to_string());
    let resend = DeadLetterRequest::Resend(known[0].id.clone());
    queue.dead_letters(resend).await.unwrap();
    let kept: Option<String> = stage.redis(&["GET", POSITION]).await;
    assert_eq!(kept, None);
    // The projector decides what becomes of the letters.
    assert_eq!(list(&queue).await, known);
}

#[tokio::test]
async fn a_letter_of_the_read_model_whose_event_is_not_in_the_stream_can_only_be_dropped() {
    let stage = Stage::new().await;
    let store = stage.store();
    let queue = queue_of(&stage);
    append_many(&*store, 1).await;
    keep(&stage, all_events(&*store).await[0].position).await;
    let add = ["XADD", LETTERS, "*", "reason", "no", "position", "1-1"];
    let _: String = stage.redis(&add).await;
    let letter = list(&queue).await.remove(0);

    is_not_sent_again(&queue, &letter).await;
    let drop = DeadLetterRequest::Drop(letter.id);
    queue.dead_letters(drop).await.unwrap();
    assert_eq!(list(&queue).await, []);
}
