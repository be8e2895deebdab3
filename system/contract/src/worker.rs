//! Workers: they take batches from a queue, pass them to a handler, and answer. Every service and the read model run on this loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::correlation::Correlation;
use crate::event_store::EventStore;
use crate::message_queue::{Answer, Delivery, MessageQueue, QueueError, QueueName};
use crate::metrics::{QueueLabels, QueueMetrics};
use crate::reply::{self, ReplyStatus, error_reply};

/// The maximum number of messages that a worker takes at once.
pub const BATCH_MESSAGES_MAX: usize = 256;

/// The connections of a service: the queue and the event store, by their traits.
#[derive(Clone)]
pub struct ServiceContext {
    /// The message queue, for commands and queries.
    pub queue: Arc<dyn MessageQueue>,
    /// The event store, the source of truth.
    pub events: Arc<dyn EventStore>,
    /// The metrics.
    pub metrics: QueueMetrics,
    /// This instance's name, unique among the running instances.
    pub instance: String,
    /// Cancelled when the service is to stop: no new batch is taken, the present one is finished.
    pub stop: CancellationToken,
    /// The tasks that must end before the connections may be closed.
    pub tasks: TaskTracker,
}

/// A handler of the batches of one or more queues.
#[async_trait]
pub trait QueueHandler: Send + Sync + 'static {
    /// Whether a message that is delivered again may be half done: it is carried on then, although its caller has given up.
    fn carries_on(&self) -> bool {
        true
    }

    /// Returns one answer a delivery, in their order.
    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer>;
}

/// Starts `workers` competing workers of a queue.
pub fn run_worker(
    context: &ServiceContext,
    queue: QueueName,
    workers: usize,
    handler: &Arc<dyn QueueHandler>,
) {
    for _ in 0..workers {
        let (context, handler) = (context.clone(), Arc::clone(handler));
        let tasks = context.tasks.clone();
        tasks.spawn(async move { work(&context, queue, &*handler).await });
    }
}

async fn work(context: &ServiceContext, queue: QueueName, handler: &dyn QueueHandler) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        match work_connected(context, queue, handler, &mut backoff).await {
            Ok(()) | Err(QueueError::Closed) => return,
            Err(error) => {
                tracing::warn!(%queue, %error, "the worker lost its queue; trying again");
                backoff.wait_unless(&context.stop).await;
            }
        }
    }
}

async fn work_connected(
    context: &ServiceContext,
    queue: QueueName,
    handler: &dyn QueueHandler,
    backoff: &mut Backoff,
) -> Result<(), QueueError> {
    let mut consumer = context.queue.consume(queue, BATCH_MESSAGES_MAX).await?;
    let labels = QueueLabels {
        queue: queue.to_string(),
    };
    let handled = context
        .metrics
        .messages_handled
        .get_or_create(&labels)
        .clone();
    let expired = context
        .metrics
        .messages_expired
        .get_or_create(&labels)
        .clone();
    // A counter that begins with its first refusal would not show it: Prometheus sees an increase only from a value that it has seen.
    context.metrics.calls_refused.get_or_create_owned(&labels);
    let mut answers = Vec::new();
    loop {
        if context.stop.is_cancelled() {
            return consumer.finish(answers).await;
        }
        // The answers are sent at once, even if the stop comes while the next batch is awaited.
        let batch = tokio::select! {
            biased;
            batch = consumer.exchange(answers) => batch?,
            () = context.stop.cancelled() => return Ok(()),
        };
        backoff.reset();
        let deliveries = batch.len();
        let (mut batch, late) = leave_out_late(batch, Instant::now(), handler.carries_on());
        if !late.is_empty() {
            expired.inc_by(late.len() as u64);
        }
        let correlations = batch.iter_mut().map(|delivery| &mut delivery.correlation);
        correlations.for_each(Correlation::received);
        answers = handle(queue, handler, &batch).await;
        reply::tell_times(&batch, &mut answers);
        handled.inc_by(batch.len() as u64);
        answers = with_late(answers, &late, deliveries);
    }
}

async fn handle(queue: QueueName, handler: &dyn QueueHandler, batch: &[Delivery]) -> Vec<Answer> {
    if batch.is_empty() {
        return Vec::new();
    }
    let handled = AssertUnwindSafe(handler.handle(queue, batch)).catch_unwind();
    match handled.await {
        Ok(answers) => answers,
        Err(_) => {
            tracing::error!(%queue, messages = batch.len(), "the handler panicked; each message is handled alone");
            isolate(queue, handler, batch).await
        }
    }
}

/// The deliveries whose callers still wait, and the places of the others in the batch. The queue drops most of them itself; these grew late
/// on their way here, for example because this process stood still.
fn leave_out_late(
    batch: Vec<Delivery>,
    now: Instant,
    carries_on: bool,
) -> (Vec<Delivery>, Vec<usize>) {
    let is_late = |delivery: &Delivery| match carries_on {
        true => delivery.is_late(now),
        false => delivery.is_over(now),
    };
    let places = batch.iter().enumerate();
    let late: Vec<usize> = places
        .filter(|(_, delivery)| is_late(delivery))
        .map(|(place, _)| place)
        .collect();
    if late.is_empty() {
        return (batch, late);
    }
    let in_time = batch.into_iter().filter(|delivery| !is_late(delivery));
    (in_time.collect(), late)
}

/// One answer a delivery of the whole batch, in their order; `late` are the places of those that were not begun.
fn with_late(answers: Vec<Answer>, late: &[usize], deliveries: usize) -> Vec<Answer> {
    if late.is_empty() {
        return answers;
    }
    let mut answers = answers.into_iter();
    let whole = (0..deliveries).filter_map(|place| {
        if late.contains(&place) {
            let text = "the request came too late and was not begun; try again";
            Some(Answer::Reply(error_reply(text, ReplyStatus::Unavailable)))
        } else {
            answers.next()
        }
    });
    whole.collect()
}

/// Handles each message alone after a panic, so that only the one that causes it becomes a dead letter.
async fn isolate(queue: QueueName, handler: &dyn QueueHandler, batch: &[Delivery]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(batch.len());
    for delivery in batch {
        let alone = std::slice::from_ref(delivery);
        let answer = AssertUnwindSafe(handler.handle(queue, alone))
            .catch_unwind()
            .await;
        answers.push(match answer.map(|mut answers| answers.pop()) {
            Ok(Some(answer)) => answer,
            _ => Answer::DeadLetter("its handler panicked".to_owned()),
        });
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::value::RawValue;

    use super::*;

    fn delivery(id: &str, deadline: Option<Instant>) -> Delivery {
        Delivery {
            message_id: id.to_owned(),
            payload: RawValue::NULL.to_owned(),
            correlation: Correlation {
                correlation_id: "c".into(),
                causation_id: "k".into(),
                times: None,
            },
            wants_reply: deadline.is_some(),
            redeliveries: 0,
            deadline,
        }
    }

    #[test]
    fn what_grew_late_on_its_way_is_not_begun_and_the_others_keep_their_answers() {
        let now = Instant::now();
        let (past, future) = (Some(now), Some(now + Duration::from_secs(1)));
        let batch = vec![
            delivery("late", past),
            delivery("in time", future),
            delivery("late too", past),
            delivery("nobody waits", None),
        ];

        let (begun, late) = leave_out_late(batch, now, true);
        let answers = begun.iter().map(|begun| {
            let text = serde_json::to_string(&begun.message_id).unwrap();
            Answer::Reply(RawValue::from_string(text).unwrap())
        });
        let answers = with_late(answers.collect(), &late, 4);

        let texts: Vec<String> = answers
            .into_iter()
            .map(|answer| match answer {
                Answer::Reply(reply) => reply.get().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts.len(), 4);
        assert_eq!(
            (&*texts[1], &*texts[3]),
            ("\"in time\"", "\"nobody waits\"")
        );
        for late in [&texts[0], &texts[2]] {
            assert!(late.contains("not begun") && late.contains("503"), "{late}");
        }
    }

    /// Panics at a message of this id.
    struct Panics(&'static str);

    #[async_trait]
    impl QueueHandler for Panics {
        async fn handle(&self, _: QueueName, batch: &[Delivery]) -> Vec<Answer> {
            assert!(batch.iter().all(|delivery| delivery.message_id != self.0));
            let reply = |_| Answer::Reply(RawValue::NULL.to_owned());
            batch.iter().map(reply).collect()
        }
    }

    #[tokio::test]
    async fn a_message_whose_handler_panics_is_a_dead_letter_and_its_neighbours_are_answered() {
        let batch = ["before", "poison", "after"].map(|id| delivery(id, None));
        let queue = crate::queue_names::GET_ENTITY;
        let answers = handle(queue, &Panics("poison"), &batch).await;
        let dead = answers.iter().map(|a| matches!(a, Answer::DeadLetter(_)));
        assert_eq!(dead.collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn what_comes_again_too_late_is_left_out_where_nothing_can_be_half_done() {
        let now = Instant::now();
        let mut again = delivery("again", Some(now));
        again.redeliveries = 1;
        let left_out = |carries_on| leave_out_late(vec![again.clone()], now, carries_on).1;
        assert_eq!((left_out(true), left_out(false)), (vec![], vec![0]));
    }
}
