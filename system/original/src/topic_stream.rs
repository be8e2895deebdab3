//! Sends a topic's events without a group: those after the call, as long as the stream is open. Nothing is acknowledged or stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::published::notification;
use super::subscriptions::Subscribed;
use super::{error, subscriptions};
use crate::proto::eventstore::Notification;
use ordershop_contract::event_store::{EventStore, EventStoreError, RecordedEvent};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// Most events per read.
const BATCH_EVENTS_MAX: usize = 256;
/// How long one read waits for events.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The pause before a retry while the store is unavailable; no event is missed.
const RETRY: Duration = Duration::from_millis(200);

struct TopicStream {
    store: Arc<dyn EventStore>,
    topic: Topic,
    /// Position of the last event that was read.
    after: Position,
    batch: VecDeque<RecordedEvent>,
    subscribed: Subscribed,
    drain: CancellationToken,
}

/// The notifications of events after a position.
pub(super) fn open(
    store: Arc<dyn EventStore>,
    topic: Topic,
    after: Position,
    subscribed: subscriptions::Subscribed,
    drain: CancellationToken,
) -> BoxStream<'static, Result<Notification, Status>> {
    let stream = TopicStream {
        store,
        topic,
        after,
        batch: VecDeque::new(),
        subscribed,
        drain,
    };
    stream::unfold(stream, |mut stream| async move {
        let next = stream.next().await?;
        Some((next.map(notification), stream))
    })
    .boxed()
}

impl TopicStream {
    async fn next(&mut self) -> Option<Result<RecordedEvent, Status>> {
        loop {
            // Events that are already read are dropped: the client has unsubscribed.
            if self.subscribed.unsubscribed.is_cancelled() {
                return None;
            }
            if let Some(event) = self.batch.pop_front() {
                return Some(Ok(event));
            }
            let follow =
                self.store
                    .follow(self.topic.into(), self.after, BATCH_EVENTS_MAX, WAIT_MAX);
            let read = tokio::select! {
                biased;
                () = self.subscribed.unsubscribed.cancelled() => return None,
                () = self.drain.cancelled() => return None,
                read = follow => read,
            };
            match read {
                Ok(events) => {
                    if let Some(last) = events.last() {
                        self.after = last.position;
                    }
                    self.batch.extend(events);
                }
                Err(EventStoreError::Unavailable(_)) => tokio::time::sleep(RETRY).await,
                Err(error) => return Some(Err(error::of_store(&error))),
            }
        }
    }
}
