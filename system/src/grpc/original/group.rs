//! A topic told to a consumer group. The contract has no acknowledgement: an event counts as handled when its stream has lived on for
//! a moment after it was told, or when the client unsubscribes. A stream that ends otherwise may be a crash, so what was told within
//! the last moment is told again, to whoever is the group's active member then. Meanwhile what is new is told without delay.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::error;
use super::published::notification;
use super::subscriptions::Subscribed;
use crate::event_store::{EventStoreError, EventSubscription, RecordedEvent};
use crate::grpc::proto::eventstore::Notification;
use crate::position::Position;

/// Events taken at once.
pub(super) const BATCH_EVENTS_MAX: usize = 256;
/// A stream that lives for so long after an event was told says that it arrived.
const TOLD_FOR: Duration = Duration::from_secs(1);
/// Events told and not yet acknowledged; with so many, acknowledging goes first. Bounds memory (32 bytes each).
const TOLD_MAX: usize = 50_000;

struct GroupStream {
    subscription: Box<dyn EventSubscription>,
    /// Taken and not told.
    batch: VecDeque<RecordedEvent>,
    /// Told and not acknowledged, in the order of telling.
    told: VecDeque<(Instant, Position)>,
    subscribed: Subscribed,
    drain: CancellationToken,
}

/// The notifications of what the group has not been told of. Only polled while the transport takes more, so that what waits for a slow
/// client is neither told nor acknowledged.
pub(super) fn open(
    subscription: Box<dyn EventSubscription>,
    subscribed: Subscribed,
    drain: CancellationToken,
) -> BoxStream<'static, Result<Notification, Status>> {
    let stream = GroupStream {
        subscription,
        batch: VecDeque::new(),
        told: VecDeque::new(),
        subscribed,
        drain,
    };
    stream::unfold(stream, |mut stream| async move {
        let next = match stream.next().await {
            Ok(event) => Ok(notification(event?)),
            Err(error) => Err(error::of_store(&error)),
        };
        Some((next, stream))
    })
    // After an error the client subscribes anew.
    .scan(false, |failed, next| {
        let over = std::mem::replace(failed, next.is_err());
        std::future::ready((!over).then_some(next))
    })
    .boxed()
}

impl GroupStream {
    async fn next(&mut self) -> Result<Option<RecordedEvent>, EventStoreError> {
        loop {
            if self.subscribed.unsubscribed.is_cancelled() {
                self.acknowledge(self.told.len()).await?;
                return Ok(None);
            }
            // In the middle of a batch, too: a busy stream must not put it off.
            let due = self.due();
            if due >= BATCH_EVENTS_MAX || self.batch.is_empty() && due > 0 {
                self.acknowledge(due).await?;
            }
            if let Some(event) = self.batch.pop_front() {
                self.told.push_back((Instant::now(), event.position));
                return Ok(Some(event));
            }
            let next_due = self.told.front().map(|(at, _)| *at + TOLD_FOR);
            tokio::select! {
                biased;
                () = self.subscribed.unsubscribed.cancelled() => {}
                // The client may be gone, or not have read the last of it: not acknowledged.
                () = self.drain.cancelled() => return Ok(None),
                () = tokio::time::sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {}
                batch = self.subscription.next_batch_ahead(), if self.told.len() < TOLD_MAX => {
                    self.batch.extend(batch?);
                }
            }
        }
    }

    /// How many were told long enough ago.
    fn due(&self) -> usize {
        let now = Instant::now();
        self.told.partition_point(|(at, _)| now - *at >= TOLD_FOR)
    }

    async fn acknowledge(&mut self, count: usize) -> Result<(), EventStoreError> {
        let told = self.told.range(..count);
        let positions: Vec<Position> = told.map(|(_, position)| *position).collect();
        for some in positions.chunks(BATCH_EVENTS_MAX) {
            self.subscription.ack(some).await?;
            self.told.drain(..some.len());
        }
        Ok(())
    }
}
