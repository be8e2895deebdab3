//! Workers: they take batches from a queue, hand them to a handler, and answer. Every service and the read model run on this loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Facts, reply};
use crate::backoff::Backoff;
use crate::correlation::Correlation;
use crate::event_store::EventStore;
use crate::message_queue::{Answer, Delivery, MessageQueue, QueueError, QueueName};
use crate::telemetry::{Metrics, QueueLabels};

/// Messages that a worker takes at once.
pub const BATCH_MESSAGES_MAX: usize = 256;

/// What a service is connected to: the queue and the event store, by trait, and nothing else.
#[derive(Clone)]
pub struct ServiceContext {
    /// Unicast.
    pub queue: Arc<dyn MessageQueue>,
    /// Broadcast, and the truth.
    pub events: Arc<dyn EventStore>,
    /// Queries to the read model.
    pub facts: Facts,
    /// What is counted.
    pub metrics: Metrics,
    /// This instance's name, unique among those that run.
    pub instance: String,
    /// Cancelled when the service is to stop: no new batch is taken, the present one is finished.
    pub stop: CancellationToken,
    /// What must have ended before the connections may be closed.
    pub tasks: TaskTracker,
}

/// Handles batches of one or more queues.
#[async_trait]
pub trait QueueHandler: Send + Sync + 'static {
    /// One answer a delivery, in their order.
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
                tracing::warn!(%queue, %error, "worker lost its queue; trying again");
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
    let mut answers = Vec::new();
    loop {
        if context.stop.is_cancelled() {
            return consumer.finish(answers).await;
        }
        // Answers go out at once even when the stop comes while the next batch is awaited.
        let mut batch = tokio::select! {
            biased;
            batch = consumer.exchange(answers) => batch?,
            () = context.stop.cancelled() => return Ok(()),
        };
        let correlations = batch.iter_mut().map(|delivery| &mut delivery.correlation);
        correlations.for_each(Correlation::received);
        backoff.reset();
        answers = match AssertUnwindSafe(handler.handle(queue, &batch))
            .catch_unwind()
            .await
        {
            Ok(answers) => answers,
            Err(_) => {
                tracing::error!(%queue, messages = batch.len(), "the handler panicked");
                isolate(queue, handler, &batch).await
            }
        };
        reply::tell_times(&batch, &mut answers);
        handled.inc_by(batch.len() as u64);
    }
}

/// After a panic each message is tried alone, so that only the one at fault is lost to the dead letters.
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
