//! A consumer-group subscription over gRPC. Acknowledgements are sent without waiting: a lost one only repeats idempotent handling.
//! A broken stream is reported once as an error; the next call opens a new stream.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::convert;
use crate::batch_stream::BatchStream;
use crate::number::number;
use crate::peer::PeerChannel;
use crate::proto::ordershop as proto;
use crate::status::store_error;
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{
    EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest,
};
use ordershop_contract::position::Position;

use proto::subscription_request::{Acknowledge, DeadLetter, Next, Open, Request};

/// The generated client.
pub(super) type Client = proto::event_store_client::EventStoreClient<PeerChannel>;

/// A subscription to another process's event store.
pub(super) struct GrpcSubscription {
    client: Client,
    request: SubscribeRequest,
    closed: CancellationToken,
    stream: Option<Stream>,
    epoch: Epoch,
    reaches_end: bool,
    /// What is applied, told with the next request.
    told: Option<Position>,
}

type Stream = BatchStream<proto::SubscriptionRequest, proto::Events>;

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
            epoch: Epoch::default(),
            reaches_end: false,
            told: None,
        };
        subscription.stream = Some(subscription.reopen().await?);
        Ok(subscription)
    }

    async fn reopen(&mut self) -> Result<Stream, EventStoreError> {
        let first = message(Request::Open(Open {
            group: self.request.group.clone(),
            topic: self.request.partition.to_string(),
            consumer: self.request.consumer.clone(),
            batch_max: number("batch_max", self.request.batch_max)
                .map_err(EventStoreError::Invalid)?,
        }));
        let opening = Stream::open(first, |requests| self.client.subscribe(requests));
        let opened = self.closed.run_until_cancelled(opening).await;
        opened
            .ok_or(EventStoreError::Closed)?
            .map_err(|status| store_error(&status))
    }

    fn send(&mut self, request: Request) -> Result<(), EventStoreError> {
        let stream = self.stream.as_ref();
        if stream.is_some_and(|stream| stream.send(message(request))) {
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

impl GrpcSubscription {
    async fn next(&mut self, ahead: bool) -> Result<Vec<RecordedEvent>, EventStoreError> {
        if self.closed.is_cancelled() {
            return Err(EventStoreError::Closed);
        }
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.reopen().await?,
        };
        if !stream.awaits_batch() {
            let applied = self.told.take().map(convert::position);
            stream.ask(message(Request::Next(Next { ahead, applied })));
        }
        // Put back before waiting, so that a cancelled wait doesn't lose the stream.
        let stream = self.stream.insert(stream);
        let arrived = self
            .closed
            .run_until_cancelled(stream.next())
            .await
            .ok_or(EventStoreError::Closed)?;
        let error = match arrived {
            Ok(Some(events)) => {
                self.epoch = Epoch(events.epoch);
                self.reaches_end = events.reaches_end;
                return convert::to_events(self.request.partition, events);
            }
            Ok(None) => lost("the event store ended the subscription"),
            Err(status) => store_error(&status),
        };
        self.stream = None;
        Err(error)
    }
}

#[async_trait]
impl EventSubscription for GrpcSubscription {
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.next(false).await
    }

    async fn next_batch_ahead(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.next(true).await
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn reaches_end(&self) -> bool {
        self.reaches_end
    }

    fn tell_applied(&mut self, position: Position) {
        self.told = Some(position);
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
