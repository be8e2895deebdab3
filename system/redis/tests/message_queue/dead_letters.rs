//! Dead letters are kept until somebody has them handled again or drops them.

use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::{Answer, MessageOutcome, MessageQueue, QueueError};
use ordershop_redis::message_queue::RedisMessageQueue;

use crate::stage::*;

async fn list(queue: &RedisMessageQueue, skip: usize, limit: usize) -> Vec<DeadLetter> {
    let request = DeadLetterRequest::List { skip, limit };
    queue.dead_letters(request).await.unwrap()
}

/// Makes each of the waiting messages a dead letter.
async fn bury(queue: &RedisMessageQueue, count: usize) {
    let mut consumer = queue.consume(ECHO, 100).await.unwrap();
    let (mut seen, mut answers) = (0, Vec::new());
    while seen < count {
        let deliveries = take(&mut consumer, answers).await;
        seen += deliveries.len();
        let reason = |delivery: &ordershop_contract::message_queue::Delivery| {
            Answer::DeadLetter(format!("no {}", delivery.message_id))
        };
        answers = deliveries.iter().map(reason).collect();
    }
    consumer.finish(answers).await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_listed_by_pages_and_shown() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    assert_eq!(list(&queue, 0, 10).await, []);
    queue.send(numbered(5)).await.unwrap();
    bury(&queue, 5).await;

    let all = list(&queue, 0, 10).await;
    let pages = [list(&queue, 0, 3).await, list(&queue, 3, 3).await].concat();

    let reasons: Vec<&str> = all.iter().map(|letter| &*letter.reason).collect();
    assert_eq!(reasons, ["no m-0", "no m-1", "no m-2", "no m-3", "no m-4"]);
    assert_eq!(all, pages);
    assert!(all[2].id.starts_with("test-service.echo:"), "{}", all[2].id);
    assert!(all[2].at_ms > 0 && all[2].content.contains(r#""id":"m-2""#));
    let show = DeadLetterRequest::Show(all[2].id.clone());
    assert_eq!(queue.dead_letters(show).await.unwrap(), all[2..3]);
    for unknown in [
        "test-service.echo:0",
        "nobody",
        "order:nobody:1-1",
        "order:nobody:x",
    ] {
        let show = DeadLetterRequest::Show(unknown.to_owned());
        assert_eq!(queue.dead_letters(show).await.unwrap(), [], "{unknown}");
    }
}

#[tokio::test]
async fn a_letter_that_is_sent_again_is_handled_as_a_redelivery_that_nobody_waits_for() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.submit(message("kept", "1")).await.unwrap();
    let call = call(&queue, "called", "2");
    bury(&queue, 2).await;
    assert_eq!(
        call.await.unwrap().unwrap().get(),
        r#"{"error":"no called"}"#
    );

    for letter in list(&queue, 0, 10).await {
        let resend = DeadLetterRequest::Resend(letter.id.clone());
        assert_eq!(queue.dead_letters(resend.clone()).await.unwrap(), [letter]);
        assert_eq!(queue.dead_letters(resend).await.unwrap(), [], "once");
    }
    let open = queue.outcome(&[ECHO], "kept").await.unwrap();
    assert!(matches!(open, Some(MessageOutcome::Pending)), "{open:?}");
    let mut consumer = queue.consume(ECHO, 10).await.unwrap();
    let mut taken = take_all(&mut consumer, 2).await;

    taken.sort_by(|a, b| a.message_id.cmp(&b.message_id));
    for (delivery, id) in taken.iter().zip(["called", "kept"]) {
        assert_eq!(
            (
                &*delivery.message_id,
                delivery.wants_reply,
                delivery.redeliveries
            ),
            (id, false, 1)
        );
    }
    let done = queue.outcome(&[ECHO], "kept").await.unwrap();
    assert!(
        matches!(done, Some(MessageOutcome::Answered(_))),
        "{done:?}"
    );
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].dead_letters, 0);
}

#[tokio::test]
async fn a_letter_that_is_dropped_is_gone_and_what_is_no_message_can_only_be_dropped() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    queue.send(numbered(1)).await.unwrap();
    let () = fixture.redis(&format!("RPUSH {SOURCE} garbage")).await;
    bury(&queue, 1).await;
    let letters = list(&queue, 0, 10).await;
    assert_eq!(letters.len(), 2, "{letters:?}");

    for letter in letters {
        let resend = DeadLetterRequest::Resend(letter.id.clone());
        if letter.content == "garbage" {
            let refused = queue.dead_letters(resend).await;
            assert!(
                matches!(refused, Err(QueueError::Invalid(_))),
                "{refused:?}"
            );
        }
        let drop = DeadLetterRequest::Drop(letter.id.clone());
        assert_eq!(queue.dead_letters(drop.clone()).await.unwrap(), [letter]);
        assert_eq!(queue.dead_letters(drop).await.unwrap(), []);
    }
    assert_eq!(list(&queue, 0, 10).await, []);
    assert_eq!(queue.status(&[ECHO]).await.unwrap()[0].dead_letters, 0);
}
