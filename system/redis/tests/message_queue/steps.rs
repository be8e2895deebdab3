//! The message queue in smaller steps than `call` and `consume`, on a real Redis: a request and its reply, single messages, known
//! functions.

use std::sync::Arc;
use std::time::Duration;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{
    Answer, MessageQueue, OutgoingMessage, QueueError, QueueName,
};
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::open_queue::OpenQueue;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::RedisServer;
use serde_json::value::RawValue;

const STEP: QueueName = QueueName {
    service: "test-service",
    function: "step",
};
/// The timeout of every condition; far longer than any should take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Fixture {
    server: RedisServer,
    _dir: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = RedisServer::start(dir.path(), Durability::None).await;
        Self {
            server: started.unwrap(),
            _dir: dir,
        }
    }

    fn queue(&self) -> Arc<RedisMessageQueue> {
        let link = RedisLink::new(self.server.url()).unwrap();
        RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default())
    }
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn message(id: &str) -> OutgoingMessage {
    OutgoingMessage {
        to: STEP,
        message_id: id.into(),
        payload: json("1"),
        correlation: Correlation {
            correlation_id: "request".into(),
            causation_id: "cause".into(),
            times: None,
        },
    }
}

async fn depth(queue: &RedisMessageQueue) -> u64 {
    queue.status(&[STEP]).await.unwrap()[0].depth
}

#[tokio::test]
async fn a_request_is_in_the_queue_when_it_is_said_to_be_and_its_reply_comes_later() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();

    let pending = queue.request(message("m"), PATIENCE).await.unwrap();
    let waiting = depth(&queue).await;
    let mut worker = queue.consume_singly(STEP).await.unwrap();
    let delivery = worker.next().await.unwrap();
    worker.answer(Answer::Reply(json("2"))).await.unwrap();

    assert_eq!(waiting, 1);
    assert!(delivery.wants_reply);
    assert_eq!(pending.await.unwrap().get(), "2");
}

#[tokio::test]
async fn a_request_that_nobody_answers_ends_in_time_and_is_still_carried_out() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let limit = Duration::from_millis(50);

    let pending = queue.request(message("m"), limit).await.unwrap();

    let error = pending.await.unwrap_err();
    assert!(matches!(error, QueueError::Timeout { timeout_ms: 50, .. }));
    assert_eq!(depth(&queue).await, 1);
}

#[tokio::test]
async fn a_request_that_redis_does_not_get_fails_and_leaves_nothing_waiting() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    fixture.server.stop().await;

    let refused = queue.request(message("m"), PATIENCE).await.map(drop);

    assert!(matches!(
        refused,
        Err(QueueError::Unavailable(_) | QueueError::Indeterminate(_))
    ));
}

#[tokio::test]
async fn a_closing_queue_ends_what_is_pending() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let pending = queue.request(message("m"), PATIENCE).await.unwrap();

    queue.close().await;

    assert!(matches!(pending.await, Err(QueueError::Closed)));
    let refused = queue.request(message("n"), PATIENCE).await.map(drop);
    assert!(matches!(refused, Err(QueueError::Closed)));
}

#[tokio::test]
async fn a_worker_of_single_messages_takes_no_other_before_it_is_asked() {
    let fixture = Fixture::start().await;
    let queue = fixture.queue();
    let sent = ["m0", "m1"].map(message).to_vec();
    queue.send(sent).await.unwrap();
    let mut worker = queue.consume_singly(STEP).await.unwrap();

    let first = worker.next().await.unwrap();
    let behind_it = depth(&queue).await;
    worker.answer(Answer::Reply(json("1"))).await.unwrap();
    let answered = depth(&queue).await;
    let second = worker.next().await.unwrap();

    assert_eq!((first.message_id.as_str(), behind_it), ("m0", 1));
    assert_eq!((second.message_id.as_str(), answered), ("m1", 1));
}

#[tokio::test]
async fn what_a_dropped_worker_of_single_messages_held_is_back_when_the_queue_has_closed() {
    let fixture = Fixture::start().await;
    let (queue, other) = (fixture.queue(), fixture.queue());
    queue.send(vec![message("m")]).await.unwrap();
    let mut worker = queue.consume_singly(STEP).await.unwrap();
    worker.next().await.unwrap();

    drop(worker);
    queue.close().await;

    assert_eq!(depth(&other).await, 1);
    let mut worker = other.consume_singly(STEP).await.unwrap();
    assert_eq!(worker.next().await.unwrap().redeliveries, 1);
}

#[tokio::test]
async fn a_function_is_known_to_everybody_once_anybody_has_consumed_it() {
    let fixture = Fixture::start().await;
    let (queue, other) = (fixture.queue(), fixture.queue());
    let name = STEP.to_string();
    let before = other.knows(&name).await.unwrap();

    let worker = queue.consume(STEP, 10).await.unwrap();
    drop(worker);

    assert!(!before);
    assert!(other.knows(&name).await.unwrap() && queue.knows(&name).await.unwrap());
    assert!(!other.knows("test-service.other").await.unwrap());
    assert!(!other.knows(&"x".repeat(1_000)).await.unwrap());
}

#[tokio::test]
async fn a_function_can_be_introduced_before_it_has_a_worker() {
    let fixture = Fixture::start().await;
    let (queue, other) = (fixture.queue(), fixture.queue());

    queue.introduce(STEP).await.unwrap();

    assert!(other.knows(&STEP.to_string()).await.unwrap());
}
