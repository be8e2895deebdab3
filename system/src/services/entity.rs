//! The service of one kind of entity: the facts that its commands need, and the handlers of its three queues.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use ordershop_domain::{Aggregate, Event};
use serde::Serialize;

use super::command::{create, delete, update};
use super::facts::{Facts, FactsError};
use super::reply::{CommandError, Reply};
use super::worker::{QueueHandler, ServiceContext, run_worker};
use crate::correlation::Correlation;
use crate::event_store::Claim;
use crate::message_queue::{Answer, Delivery, QueueName};
use crate::position::Positions;
use crate::queue_names;
use crate::telemetry::QueueLabels;
use crate::wire::{WireEntity, json};

/// Competing workers for each command queue: while one batch is written, the next is decided.
const WORKERS: usize = 2;

/// The parts that differ between the entities' services.
#[async_trait]
pub trait EntityService: Send + Sync + Sized + 'static {
    /// The kind of entity.
    type Entity: WireEntity;

    /// Loads the facts of other aggregates that are needed to decide commands on `entities`.
    async fn facts(
        facts: &Facts,
        entities: &[Self::Entity],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<<Self::Entity as Aggregate>::Facts, FactsError>;

    /// The claims that are taken and released with an event.
    fn claims(_event: &Event<Self::Entity>) -> Vec<Claim> {
        Vec::new()
    }

    /// Starts its workers.
    fn start(context: &ServiceContext) {
        let handler: Arc<dyn QueueHandler> = Arc::new(CommandHandler::<Self> {
            context: context.clone(),
            service: PhantomData,
        });
        let topic = Self::Entity::TOPIC;
        let queues = [
            queue_names::create(topic),
            queue_names::update(topic),
            queue_names::delete(topic),
        ];
        for queue in queues.into_iter().flatten() {
            run_worker(context, queue, WORKERS, &handler);
        }
    }
}

struct CommandHandler<S> {
    context: ServiceContext,
    service: PhantomData<S>,
}

#[async_trait]
impl<S: EntityService> QueueHandler for CommandHandler<S> {
    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        // All at once: their queries share a round trip, and their events share a group commit.
        join_all(
            batch
                .iter()
                .map(|delivery| self.handle_one(queue, delivery)),
        )
        .await
    }
}

impl<S: EntityService> CommandHandler<S> {
    async fn handle_one(&self, queue: QueueName, delivery: &Delivery) -> Answer {
        let topic = S::Entity::TOPIC;
        if Some(queue) == queue_names::create(topic) {
            self.answer(queue, delivery, create::<S>(&self.context, delivery).await)
        } else if Some(queue) == queue_names::update(topic) {
            self.answer(queue, delivery, update::<S>(&self.context, delivery).await)
        } else {
            self.answer(queue, delivery, delete::<S>(&self.context, delivery).await)
        }
    }

    fn answer<T: Serialize>(
        &self,
        queue: QueueName,
        delivery: &Delivery,
        outcome: Result<Reply<T>, CommandError>,
    ) -> Answer {
        match outcome {
            Ok(reply) => Answer::Reply(json(&reply)),
            Err(error) if error.is_transient() && !delivery.wants_reply => {
                Answer::Retry(error.to_string())
            }
            Err(error) => {
                if !delivery.wants_reply {
                    let labels = QueueLabels {
                        queue: queue.to_string(),
                    };
                    self.context
                        .metrics
                        .async_rejections
                        .get_or_create(&labels)
                        .inc();
                    tracing::warn!(%queue, message_id = delivery.message_id, %error, "an asynchronous command was refused");
                }
                Answer::Reply(error.reply())
            }
        }
    }
}
