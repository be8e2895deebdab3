//! Sends a topic's events to a consumer group. The contract has no acknowledgement: an event counts as handled when its stream is
//! still open one second after it was sent, or when the client unsubscribes. Any other end may be a crash: events sent within the last
//! second are sent again, to the group's then active member. New events are sent without delay.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::error;
use super::published::notification;
use super::subscriptions::Subscribed;
use crate::proto::eventstore::Notification;
use ordershop_contract::event_store::{EventStoreError, EventSubscription, RecordedEvent};
use ordershop_contract::position::Position;

/// Most events per batch from the store.
pub(super) const BATCH_EVENTS_MAX: usize = 256;
/// An event counts as handled if its stream is still open this long after it was sent.
const TOLD_FOR: Duration = Duration::from_secs(1);
/// Most events sent and not yet acknowledged; at this many, no further batch is read. Bounds memory (32 bytes each).
const TOLD_MAX: usize = 50_000;

struct GroupStream {
    subscription: Box<dyn EventSubscription>,
    /// Events read and not sent yet.
    batch: VecDeque<RecordedEvent>,
    /// Events sent and not acknowledged, in the order of sending.
    told: VecDeque<(Instant, Position)>,
    subscribed: Subscribed,
    drain: CancellationToken,
}

/// The notifications of events that the group has not handled. Polled only while the transport takes more, so that events waiting for
/// a slow client count as neither sent nor acknowledged.
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
    // The stream ends after an error; the client must subscribe again.
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
            // Acknowledge in the middle of a batch too: a busy stream must not postpone it.
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
                // Not acknowledged: the client may be gone, or may not have read the last events.
                () = self.drain.cancelled() => return Ok(None),
                () = tokio::time::sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {}
                batch = self.subscription.next_batch_ahead(), if self.told.len() < TOLD_MAX => {
                    self.batch.extend(batch?);
                }
            }
        }
    }

    /// How many events were sent long enough ago to count as handled.
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
