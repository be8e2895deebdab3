//! Serves one client's subscription: sends a batch only on request, takes acknowledgements only for what it has sent, and leaves the
//! consumer group as soon as the client ends its stream.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::convert;
use crate::proto::ordershop as proto;
use crate::status::of_store;
use ordershop_contract::event_store::{
    EventStore, EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest,
};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

use proto::subscription_request::{Acknowledge, DeadLetter, Next, Request};

/// How long a client may take to send its first message.
const OPEN_MS_MAX: u64 = 10_000;
/// How long the last batch may take to be acknowledged once the server is to stop.
const DRAIN_MS_MAX: u64 = 2_000;

struct Subscribing {
    store: Arc<dyn EventStore>,
    subscription: Box<dyn EventSubscription>,
    partition: Partition,
    requests: Streaming<proto::SubscriptionRequest>,
    drain: CancellationToken,
    /// The batch that the client waits for.
    asked: Option<Next>,
    /// Positions that were given and not acknowledged, in stream order.
    given: Vec<Position>,
    /// Whether there may be acknowledgements that wait for the next read.
    acks_wait: bool,
}

/// Opens the subscription that the stream's first message names.
pub(super) async fn subscribe(
    store: Arc<dyn EventStore>,
    mut requests: Streaming<proto::SubscriptionRequest>,
    drain: CancellationToken,
) -> Result<impl Stream<Item = Result<proto::Events, Status>>, Status> {
    let first = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), requests.message());
    let first = first
        .await
        .map_err(|_| Status::deadline_exceeded("a subscription starts with `open`"))??;
    let Some(Request::Open(open)) = first.and_then(|message| message.request) else {
        return Err(Status::failed_precondition(
            "a subscription starts with `open`",
        ));
    };
    let partition = convert::named_partition(&open.topic)?;
    let request = SubscribeRequest {
        group: open.group,
        partition,
        consumer: open.consumer,
        batch_max: open.batch_max as usize,
    };
    let subscription = store
        .subscribe(request)
        .await
        .map_err(|error| of_store(&error))?;
    let subscribing = Subscribing {
        store,
        subscription,
        partition,
        requests,
        drain,
        asked: None,
        given: Vec::new(),
        acks_wait: false,
    };
    // An error ends the subscription: it leaves the group, and its unacknowledged events are delivered again.
    Ok(stream::try_unfold(
        subscribing,
        |mut subscribing| async move {
            let next = subscribing.next().await?;
            Ok(next.map(|events| (events, subscribing)))
        },
    ))
}

impl Subscribing {
    /// The next batch; `None` when the client has ended its stream.
    async fn next(&mut self) -> Result<Option<proto::Events>, Status> {
        let mut ends_at = None;
        loop {
            if self.drain.is_cancelled() {
                if self.asked.is_some() || self.given.is_empty() {
                    self.flush_acks().await?;
                    return Err(shutting_down());
                }
                ends_at.get_or_insert(Instant::now() + Duration::from_millis(DRAIN_MS_MAX));
            }
            let deadline = async {
                match ends_at {
                    Some(instant) => tokio::time::sleep_until(instant).await,
                    None => self.drain.cancelled().await,
                }
            };
            let message = tokio::select! {
                biased;
                message = self.requests.message() => message?,
                () = ready(()), if self.acks_wait && self.asked.is_none() => {
                    self.flush_acks().await?;
                    continue;
                }
                batch = next_batch(&mut *self.subscription, self.asked), if self.asked.is_some() => {
                    let batch = batch.map_err(|error| of_store(&error))?;
                    if !self.asked.take().is_some_and(|next| next.ahead) {
                        self.given.clear();
                    }
                    self.given.extend(batch.iter().map(|event| event.position));
                    return Ok(Some(proto::Events {
                        epoch: self.subscription.epoch().0,
                        reaches_end: self.subscription.reaches_end(),
                        ..convert::events(self.partition, batch)
                    }));
                }
                () = deadline => {
                    if ends_at.is_some() {
                        return Err(shutting_down());
                    }
                    continue;
                }
            };
            let Some(message) = message else {
                self.flush_acks().await?;
                return Ok(None);
            };
            self.take(message).await?;
        }
    }

    /// Sends the acknowledgements that no request for a batch came with.
    async fn flush_acks(&mut self) -> Result<(), Status> {
        self.acks_wait = false;
        let flushed = self.subscription.ack(&[]).await;
        flushed.map_err(|error| of_store(&error))
    }

    async fn take(&mut self, message: proto::SubscriptionRequest) -> Result<(), Status> {
        match message.request {
            Some(Request::Next(_)) if self.asked.is_some() => {
                Err(precondition("the batch of the last `next` is still due"))
            }
            Some(Request::Next(next)) => {
                if let Some(applied) = next.applied {
                    let applied = convert::to_position(applied);
                    self.subscription.tell_applied(applied);
                }
                self.asked = Some(next);
                Ok(())
            }
            Some(Request::Acknowledge(acknowledge)) => self.acknowledge(acknowledge).await,
            Some(Request::DeadLetter(letter)) => self.dead_letter(letter).await,
            Some(Request::Open(_)) => Err(precondition("`open` may only be the first message")),
            None => Err(Status::invalid_argument("the request has no field set")),
        }
    }

    async fn acknowledge(&mut self, acknowledge: Acknowledge) -> Result<(), Status> {
        let positions = acknowledge.positions.into_iter();
        let positions: Vec<Position> = positions.map(convert::to_position).collect();
        // Mostly they are the first ones that were given.
        let are_first = self.given.starts_with(&positions);
        if !are_first {
            positions.iter().try_for_each(|at| self.check_given(*at))?;
        }
        // The client mostly asks for the next batch right behind.
        self.acks_wait = true;
        self.subscription
            .ack_with_next(&positions)
            .await
            .map_err(|error| of_store(&error))?;
        if are_first {
            self.given.drain(..positions.len());
        } else {
            self.given.retain(|given| !positions.contains(given));
        }
        Ok(())
    }

    async fn dead_letter(&mut self, letter: DeadLetter) -> Result<(), Status> {
        let position = convert::to_position(letter.position.unwrap_or_default());
        self.check_given(position)?;
        // Dead letters are rare: reading the event again is cheaper than keeping every event.
        let read = self
            .store
            .read(self.partition, position.just_before(), 1)
            .await;
        let events = read.map_err(|error| of_store(&error))?;
        let Some(event) = events.first().filter(|event| event.position == position) else {
            return Err(Status::data_loss(format!(
                "the event at {position} is no longer in the store"
            )));
        };
        self.subscription
            .dead_letter(event, &letter.reason)
            .await
            .map_err(|error| of_store(&error))
    }

    fn check_given(&self, position: Position) -> Result<(), Status> {
        if self.given.binary_search(&position).is_ok() {
            return Ok(());
        }
        Err(precondition(format!(
            "{position} is no unacknowledged event of this subscription"
        )))
    }
}

async fn next_batch(
    subscription: &mut dyn EventSubscription,
    asked: Option<Next>,
) -> Result<Vec<RecordedEvent>, EventStoreError> {
    match asked {
        Some(Next { ahead: true, .. }) => subscription.next_batch_ahead().await,
        _ => subscription.next_batch().await,
    }
}

fn precondition(reason: impl Into<String>) -> Status {
    Status::failed_precondition(reason)
}

fn shutting_down() -> Status {
    Status::unavailable("the event store is shutting down")
}
