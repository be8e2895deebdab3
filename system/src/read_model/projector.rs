//! Projectors: one a topic. Each takes its topic's events in batches and writes what they change, its indexes and its position in one
//! transaction, in stream order only. A projector whose position was changed by another writes nothing and reads it anew.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::applied::Applied;
use super::burn::Burn;
use super::keys::{Collection, position_key};
use super::projection::Projection;
use super::shape;
use crate::backoff::Backoff;
use crate::clock::now_us;
use crate::event_store::{EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest};
use crate::position::{BadPosition, Position, Projected};
use crate::redis_connection::RedisLink;
use crate::services::ServiceContext;
use crate::topic::Topic;

/// The consumer group.
pub const GROUP: &str = "read-model";
/// Events applied in one transaction.
const BATCH_EVENTS_MAX: usize = 512;

#[derive(Debug, thiserror::Error)]
enum ProjectorError {
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    #[error(transparent)]
    Position(#[from] BadPosition),
}

/// Applies a topic's events until the context stops.
pub(super) async fn run(
    context: ServiceContext,
    link: RedisLink,
    topic: Topic,
    applied: Applied,
    burn: Burn,
) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let projected = project(&context, &link, topic, &applied, burn, &mut backoff);
        let outcome = tokio::select! {
            outcome = projected => outcome,
            () = context.stop.cancelled() => return,
        };
        match outcome {
            Err(ProjectorError::EventStore(EventStoreError::Closed)) => return,
            Err(error) => {
                tracing::warn!(%topic, %error, "the projection was interrupted; trying again")
            }
            Ok(()) => {}
        }
        backoff.wait_unless(&context.stop).await;
    }
}

async fn project(
    context: &ServiceContext,
    link: &RedisLink,
    topic: Topic,
    applied: &Applied,
    burn: Burn,
    backoff: &mut Backoff,
) -> Result<(), ProjectorError> {
    let mut projector = Projector {
        context,
        topic,
        applied,
        burn,
        connection: link.dedicated().await?,
        position: Position::START,
        received_at_us: 0,
    };
    projector.read_position().await?;
    projector.catch_up().await?;
    let mut subscription: Box<dyn EventSubscription> = context
        .events
        .subscribe(SubscribeRequest {
            group: GROUP.to_owned(),
            topic,
            consumer: context.instance.clone(),
            batch_max: BATCH_EVENTS_MAX,
        })
        .await?;
    loop {
        let batch = subscription.next_batch().await?;
        projector.received_at_us = now_us();
        let misfits = loop {
            if let Some(misfits) = projector.apply(&batch).await? {
                break misfits;
            }
            projector.read_position().await?;
            projector.catch_up().await?;
        };
        for Misfit { event, reason } in misfits {
            tracing::error!(%topic, position = %event.position, reason, "dead letter");
            subscription.dead_letter(event, &reason).await?;
        }
        let positions: Vec<Position> = batch.iter().map(|event| event.position).collect();
        subscription.ack(&positions).await?;
        backoff.reset();
    }
}

/// An event whose data is not what its action says.
struct Misfit<'a> {
    event: &'a RecordedEvent,
    reason: String,
}

struct Projector<'a> {
    context: &'a ServiceContext,
    topic: Topic,
    applied: &'a Applied,
    burn: Burn,
    /// Its own: it watches the position.
    connection: MultiplexedConnection,
    /// Up to where the cache is applied, as far as this projector knows.
    position: Position,
    /// The events at hand came then.
    received_at_us: u64,
}

impl Projector<'_> {
    /// Watches the position and learns it. None there means that the cache is empty.
    async fn read_position(&mut self) -> Result<(), ProjectorError> {
        let key = position_key(self.topic);
        let (position,): (Option<String>,) = redis::pipe()
            .cmd("WATCH")
            .arg(&key)
            .ignore()
            .cmd("GET")
            .arg(&key)
            .query_async(&mut self.connection)
            .await?;
        self.position = position.map_or(Ok(Position::START), |text| text.parse())?;
        self.applied.raise(self.topic, self.position);
        Ok(())
    }

    /// Applies what the event store has beyond the position: everything, when the cache is empty.
    async fn catch_up(&mut self) -> Result<(), ProjectorError> {
        loop {
            let events = self
                .context
                .events
                .read(self.topic, self.position, BATCH_EVENTS_MAX)
                .await?;
            if events.is_empty() {
                return Ok(());
            }
            self.received_at_us = now_us();
            // Misfits are the group's: it was told of them before, or will be.
            if self.apply(&events).await?.is_none() {
                self.read_position().await?;
            }
        }
    }

    /// Writes what the events beyond the position change; answers the misfits among all of them. None: another has moved the position, and
    /// nothing was written.
    async fn apply<'e>(
        &mut self,
        events: &'e [RecordedEvent],
    ) -> Result<Option<Vec<Misfit<'e>>>, ProjectorError> {
        let mut projection = Projection::default();
        let mut position = self.position;
        let mut misfits = Vec::new();
        for event in events {
            let fits = if event.position > self.position {
                position = event.position;
                projection.apply(event)
            } else {
                shape::check(event)
            };
            misfits.extend(fits.err().map(|reason| Misfit { event, reason }));
        }
        if position == self.position {
            return Ok(Some(misfits));
        }
        self.burn
            .spend(events.iter().filter(|e| e.position > self.position));
        self.keep_moved(&mut projection).await?;
        let key = position_key(self.topic);
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        projection.write_to(self.topic, &mut pipe);
        pipe.cmd("SET").arg(&key).arg(position.to_string()).ignore();
        pipe.cmd("EXEC");
        // The next transaction's watch rides along.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        let (written, there): (Value, Option<String>) =
            pipe.query_async(&mut self.connection).await?;
        if let Value::Array(replies) = &written
            && let Some(error) = replies
                .iter()
                .find(|reply| matches!(reply, Value::ServerError(_)))
        {
            return Err(redis::RedisError::from((
                redis::ErrorKind::UnexpectedReturnType,
                "a projection's command failed",
                format!("{error:?}"),
            ))
            .into());
        }
        if written == Value::Nil || there != Some(position.to_string()) {
            return Ok(None);
        }
        if events.iter().any(|event| event.correlation.times.is_some()) {
            self.applied.projected(Projected {
                topic: self.topic,
                to: position,
                received_at_us: self.received_at_us,
                applied_at_us: now_us(),
            });
        }
        self.position = position;
        self.applied.wrote(self.topic, position);
        Ok(Some(misfits))
    }

    /// Takes from the cache what events have moved on without changing it. The watch on the position covers it.
    async fn keep_moved(&mut self, projection: &mut Projection) -> Result<(), ProjectorError> {
        for collection in [Collection::Entities(self.topic), Collection::Reservations] {
            let ids = projection.moved_in(collection);
            if ids.is_empty() || collection.topic() != self.topic {
                continue;
            }
            let there: Vec<Option<String>> = redis::cmd("HMGET")
                .arg(collection.key())
                .arg(&ids)
                .query_async(&mut self.connection)
                .await?;
            for (id, value) in ids.into_iter().zip(there) {
                if let Some(value) = value {
                    projection.keep(collection, id, value);
                }
            }
        }
        Ok(())
    }
}
