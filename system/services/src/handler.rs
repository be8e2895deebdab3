//! The handlers of the three command queues of one kind of entity.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};
use ordershop_contract::metrics::QueueLabels;
use ordershop_contract::queue_names;
use ordershop_contract::reply::Reply;
use ordershop_contract::wire::{WireEntity, json};
use ordershop_contract::worker::{QueueHandler, ServiceContext, run_worker};
use serde::Serialize;

use super::change::{delete, update};
use super::command_error::CommandError;
use super::creation::create;
use super::entity::EntityService;
use super::own_effect::EarlierEffects;

/// Competing workers for each command queue: while one batch is written, the next is decided.
const WORKERS: usize = 2;

/// Starts the workers of one entity's service.
pub fn start<S: EntityService>(context: &ServiceContext) {
    let handler: Arc<dyn QueueHandler> = Arc::new(CommandHandler::<S> {
        context: context.clone(),
        service: PhantomData,
    });
    let topic = S::Entity::TOPIC;
    let queues = [
        queue_names::create(topic),
        queue_names::update(topic),
        queue_names::delete(topic),
    ];
    for queue in queues.into_iter().flatten() {
        run_worker(context, queue, WORKERS, &handler);
    }
}

struct CommandHandler<S> {
    context: ServiceContext,
    service: PhantomData<S>,
}

#[async_trait]
impl<S: EntityService> QueueHandler for CommandHandler<S> {
    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        let topic = S::Entity::TOPIC;
        // A creation knows its own effect by its id, which may tell no time.
        let looking_back = if Some(queue) == queue_names::create(topic) {
            &[]
        } else {
            batch
        };
        let earlier = match EarlierEffects::of(&*self.context.events, topic, looking_back).await {
            Ok(earlier) => earlier,
            Err(error) => {
                let again = |_| Answer::Retry(error.to_string());
                return batch.iter().map(again).collect();
            }
        };
        // All at once: their queries share a round trip, and their events share a group commit.
        join_all(
            batch
                .iter()
                .map(|delivery| self.handle_one(queue, delivery, &earlier)),
        )
        .await
    }
}

impl<S: EntityService> CommandHandler<S> {
    async fn handle_one(
        &self,
        queue: QueueName,
        delivery: &Delivery,
        earlier: &EarlierEffects,
    ) -> Answer {
        let context = &self.context;
        let topic = S::Entity::TOPIC;
        if Some(queue) == queue_names::create(topic) {
            self.answer(queue, delivery, create::<S>(context, delivery).await)
        } else if Some(queue) == queue_names::update(topic) {
            let outcome = update::<S>(context, delivery, earlier).await;
            self.answer(queue, delivery, outcome)
        } else {
            let outcome = delete::<S>(context, delivery, earlier).await;
            self.answer(queue, delivery, outcome)
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
            // Nobody could say what became of it, so it is carried on until that is known.
            Err(
                error @ (CommandError::HalfDone(_)
                | CommandError::EventStore(EventStoreError::Indeterminate(_))),
            ) => Answer::Retry(error.to_string()),
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
