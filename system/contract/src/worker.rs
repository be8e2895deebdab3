//! Workers: they take batches from a queue, pass them to a handler, and answer. Every service and the read model run on this loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::correlation::Correlation;
use crate::event_store::EventStore;
use crate::message_queue::{Answer, Delivery, MessageQueue, QueueError, QueueName};
use crate::metrics::{QueueLabels, QueueMetrics};
use crate::reply;

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
    let mut answers = Vec::new();
    loop {
        if context.stop.is_cancelled() {
            return consumer.finish(answers).await;
        }
        // The answers are sent at once, even if the stop comes while the next batch is awaited.
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
                tracing::error!(%queue, messages = batch.len(), "the handler panicked; each message is handled alone");
                isolate(queue, handler, &batch).await
            }
        };
        reply::tell_times(&batch, &mut answers);
        handled.inc_by(batch.len() as u64);
    }
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
