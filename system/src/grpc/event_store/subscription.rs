//! A place in a consumer group of another process's event store. Acknowledgements are sent and not waited for: one that is lost only
//! repeats what is idempotent. A broken stream is said once; who goes on asking gets a new one.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::client::Client;
use super::convert;
use crate::event_store::{EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest};
use crate::grpc::proto::ordershop as proto;
use crate::grpc::status::store_error;
use crate::position::Position;

use proto::subscription_request::{Acknowledge, DeadLetter, Next, Open, Request};

/// A peer that takes so long to accept a stream is away.
const OPEN_MS_MAX: u64 = 10_000;
/// How long a dropped place's last acknowledgements have to arrive.
const CLOSE_MS_MAX: u64 = 1_000;

/// See the module.
pub(super) struct GrpcSubscription {
    client: Client,
    request: SubscribeRequest,
    closed: CancellationToken,
    stream: Option<Stream>,
}

struct Stream {
    /// Unbounded, yet short: per batch one `next` and acknowledgements of it.
    requests: UnboundedSender<proto::SubscriptionRequest>,
    batches: Streaming<proto::Events>,
    /// A batch was asked for and has not come.
    awaits_batch: bool,
}

impl GrpcSubscription {
    pub(super) async fn open(
        client: Client,
        request: SubscribeRequest,
        closed: CancellationToken,
    ) -> Result<Self, EventStoreError> {
        let mut subscription = Self {
            client,
            request,
            closed,
            stream: None,
        };
        subscription.reopen().await?;
        Ok(subscription)
    }

    async fn reopen(&mut self) -> Result<(), EventStoreError> {
        let (requests, outflow) = mpsc::unbounded_channel();
        let open = Request::Open(Open {
            group: self.request.group.clone(),
            topic: self.request.topic.name().to_owned(),
            consumer: self.request.consumer.clone(),
            batch_max: u32::try_from(self.request.batch_max).unwrap_or(u32::MAX),
        });
        let _ = requests.send(message(open));
        let opening = self.client.subscribe(UnboundedReceiverStream::new(outflow));
        let opening = tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), opening);
        let opened = self.closed.run_until_cancelled(opening).await;
        let batches = opened
            .ok_or(EventStoreError::Closed)?
            .map_err(|_| lost("no subscription in time"))?
            .map_err(|status| store_error(&status))?
            .into_inner();
        self.stream = Some(Stream {
            requests,
            batches,
            awaits_batch: false,
        });
        Ok(())
    }

    fn send(&mut self, request: Request) -> Result<(), EventStoreError> {
        let sent = match &self.stream {
            Some(stream) => stream.requests.send(message(request)).is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        self.stream = None;
        Err(lost("the subscription's stream broke"))
    }
}

fn message(request: Request) -> proto::SubscriptionRequest {
    proto::SubscriptionRequest {
        request: Some(request),
    }
}

fn lost(reason: &str) -> EventStoreError {
    EventStoreError::Unavailable(reason.to_owned())
}

#[async_trait]
impl EventSubscription for GrpcSubscription {
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        if self.closed.is_cancelled() {
            return Err(EventStoreError::Closed);
        }
        if self.stream.is_none() {
            self.reopen().await?;
        }
        let asked = self.stream.as_ref().is_some_and(|s| s.awaits_batch);
        if !asked {
            self.send(Request::Next(Next {}))?;
        }
        let Some(stream) = &mut self.stream else {
            return Err(lost("the subscription's stream broke"));
        };
        stream.awaits_batch = true;
        let arrived = self
            .closed
            .run_until_cancelled(stream.batches.message())
            .await
            .ok_or(EventStoreError::Closed)?;
        let error = match arrived {
            Ok(Some(events)) => {
                stream.awaits_batch = false;
                return convert::to_events(self.request.topic, events);
            }
            Ok(None) => lost("the event store ended the subscription"),
            Err(status) => store_error(&status),
        };
        self.stream = None;
        Err(error)
    }

    async fn ack(&mut self, positions: &[Position]) -> Result<(), EventStoreError> {
        if positions.is_empty() {
            return Ok(());
        }
        let positions = positions.iter().copied().map(convert::position).collect();
        self.send(Request::Acknowledge(Acknowledge { positions }))
    }

    async fn dead_letter(
        &mut self,
        event: &RecordedEvent,
        reason: &str,
    ) -> Result<(), EventStoreError> {
        self.send(Request::DeadLetter(DeadLetter {
            position: Some(convert::position(event.position)),
            reason: reason.to_owned(),
        }))
    }
}

impl Drop for GrpcSubscription {
    /// Ends the stream behind what was sent, so that the last acknowledgements arrive.
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let Stream {
            requests,
            mut batches,
            ..
        } = stream;
        drop(requests);
        runtime.spawn(async move {
            let ended = async { while let Ok(Some(_)) = batches.message().await {} };
            let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), ended).await;
        });
    }
}
