//! A topic told without a group: what comes after the call, for as long as the client listens. Nothing is acknowledged or remembered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::published::notification;
use super::subscriptions::Subscribed;
use super::{error, subscriptions};
use crate::event_store::{EventStore, EventStoreError, RecordedEvent};
use crate::grpc::proto::eventstore::Notification;
use crate::position::Position;
use crate::topic::Topic;

/// Events read at once.
const BATCH_EVENTS_MAX: usize = 256;
/// One read waits for so long.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// A store that is away is asked again after this; nothing is missed meanwhile.
const RETRY: Duration = Duration::from_millis(200);

struct TopicStream {
    store: Arc<dyn EventStore>,
    topic: Topic,
    /// The last event that was read.
    after: Position,
    batch: VecDeque<RecordedEvent>,
    subscribed: Subscribed,
    drain: CancellationToken,
}

/// The notifications of what comes after a position.
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
            // Also with events in hand: who unsubscribed wants no more.
            if self.subscribed.unsubscribed.is_cancelled() {
                return None;
            }
            if let Some(event) = self.batch.pop_front() {
                return Some(Ok(event));
            }
            let follow = self
                .store
                .follow(self.topic, self.after, BATCH_EVENTS_MAX, WAIT_MAX);
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
