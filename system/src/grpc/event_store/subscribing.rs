//! One client's subscription, served: a batch only when asked for, acknowledgements of that batch alone, and the place is given up at
//! once when the client ends its stream.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::convert;
use crate::event_store::{EventStore, EventSubscription, SubscribeRequest};
use crate::grpc::proto::ordershop as proto;
use crate::grpc::status::of_store;
use crate::position::Position;
use crate::topic::Topic;

use proto::subscription_request::{Acknowledge, DeadLetter, Request};

/// A client has so long to say what it wants.
const OPEN_MS_MAX: u64 = 10_000;
/// When the server is to stop, a batch under way has so long to be acknowledged.
const DRAIN_MS_MAX: u64 = 2_000;

struct Subscribing {
    store: Arc<dyn EventStore>,
    subscription: Box<dyn EventSubscription>,
    topic: Topic,
    requests: Streaming<proto::SubscriptionRequest>,
    drain: CancellationToken,
    /// The client waits for a batch.
    is_asked: bool,
    /// The last batch, in stream order.
    given: Vec<Position>,
    /// Some of it may be unacknowledged.
    has_unacked: bool,
}

/// Opens what the stream's first message asks for.
pub(super) async fn subscribe(
    store: Arc<dyn EventStore>,
    mut requests: Streaming<proto::SubscriptionRequest>,
    drain: CancellationToken,
) -> Result<impl Stream<Item = Result<proto::Events, Status>>, Status> {
    let first = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), requests.message());
    let first = first
        .await
        .map_err(|_| Status::deadline_exceeded("a subscription begins with `open`"))??;
    let Some(Request::Open(open)) = first.and_then(|message| message.request) else {
        return Err(Status::failed_precondition(
            "a subscription begins with `open`",
        ));
    };
    let topic: Topic = open
        .topic
        .parse()
        .map_err(|error: crate::topic::UnknownTopic| Status::not_found(error.to_string()))?;
    let request = SubscribeRequest {
        group: open.group,
        topic,
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
        topic,
        requests,
        drain,
        is_asked: false,
        given: Vec::new(),
        has_unacked: false,
    };
    // With an error its place goes, and what it held.
    Ok(stream::try_unfold(
        subscribing,
        |mut subscribing| async move {
            let next = subscribing.next().await?;
            Ok(next.map(|events| (events, subscribing)))
        },
    ))
}

impl Subscribing {
    /// The next batch; none at the client's end.
    async fn next(&mut self) -> Result<Option<proto::Events>, Status> {
        let mut ends_at = None;
        loop {
            if self.drain.is_cancelled() {
                if self.is_asked || !self.has_unacked {
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
                batch = self.subscription.next_batch(), if self.is_asked => {
                    let batch = batch.map_err(|error| of_store(&error))?;
                    self.given.clear();
                    self.given.extend(batch.iter().map(|event| event.position));
                    self.is_asked = false;
                    self.has_unacked = true;
                    return Ok(Some(convert::events(self.topic, batch)));
                }
                () = deadline => {
                    if ends_at.is_some() {
                        return Err(shutting_down());
                    }
                    continue;
                }
            };
            let Some(message) = message else {
                return Ok(None);
            };
            self.take(message).await?;
        }
    }

    async fn take(&mut self, message: proto::SubscriptionRequest) -> Result<(), Status> {
        match message.request {
            Some(Request::Next(_)) if self.is_asked => {
                Err(precondition("`next` was sent and has no batch yet"))
            }
            Some(Request::Next(_)) => {
                self.is_asked = true;
                Ok(())
            }
            Some(Request::Acknowledge(acknowledge)) => self.acknowledge(acknowledge).await,
            Some(Request::DeadLetter(letter)) => self.dead_letter(letter).await,
            Some(Request::Open(_)) => Err(precondition("`open` is the first message only")),
            None => Err(Status::invalid_argument("a request says what it is")),
        }
    }

    async fn acknowledge(&mut self, acknowledge: Acknowledge) -> Result<(), Status> {
        let positions = acknowledge.positions.into_iter();
        let positions: Vec<Position> = positions.map(convert::to_position).collect();
        if positions != self.given {
            positions.iter().try_for_each(|at| self.check_given(*at))?;
        }
        self.subscription
            .ack(&positions)
            .await
            .map_err(|error| of_store(&error))?;
        // Who acknowledges in parts ends with the last.
        self.has_unacked = positions.last() != self.given.last();
        Ok(())
    }

    async fn dead_letter(&mut self, letter: DeadLetter) -> Result<(), Status> {
        let position = convert::to_position(letter.position.unwrap_or_default());
        self.check_given(position)?;
        // Rare enough to be read again rather than kept for every event.
        let read = self.store.read(self.topic, just_before(position), 1).await;
        let events = read.map_err(|error| of_store(&error))?;
        let Some(event) = events.first().filter(|event| event.position == position) else {
            return Err(Status::data_loss(format!(
                "the event at {position} is gone"
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
            "{position} is not in the last batch of this subscription"
        )))
    }
}

fn just_before(position: Position) -> Position {
    match position.seq.checked_sub(1) {
        Some(seq) => Position { seq, ..position },
        None => Position {
            ms: position.ms.saturating_sub(1),
            seq: u64::MAX,
        },
    }
}

fn precondition(reason: impl Into<String>) -> Status {
    Status::failed_precondition(reason)
}

fn shutting_down() -> Status {
    Status::unavailable("the event store is shutting down")
}
