//! Projectors: one a topic. Each takes its topic's events in batches and writes their changes, its indexes and its position in one
//! transaction, in stream order. A projector whose position was changed by another one writes nothing and reads the position again. If the
//! event at the position is gone from the stream, the stream went back: the topic is projected anew.

use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::applied_positions::AppliedPositions;
use super::keys::{Collection, keys_of, position_key};
use super::planted_cpu_cost::PlantedCpuCost;
use super::projection::Projection;
use super::validation;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::now_us;
use ordershop_contract::event_store::{
    EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::{BadPosition, Position, Projected};
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;
use ordershop_redis::connection::RedisLink;

/// The read model's consumer group.
pub const GROUP: &str = "read-model";
/// Maximum events applied in one transaction.
const BATCH_EVENTS_MAX: usize = 512;
/// How long a projector without events waits before it looks whether the cache or the stream went back.
const IDLE_LOOK_MS: u64 = 1_000;

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
    applied: AppliedPositions,
    planted: PlantedCpuCost,
) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let projected = project(&context, &link, topic, &applied, planted, &mut backoff);
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
    applied: &AppliedPositions,
    planted: PlantedCpuCost,
    backoff: &mut Backoff,
) -> Result<(), ProjectorError> {
    let mut projector = Projector {
        context,
        topic,
        applied,
        planted,
        connection: link.dedicated().await?,
        position: Position::START,
        received_at_us: 0,
    };
    projector.resume().await?;
    let mut epoch = None;
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
        let batch = {
            let mut next = std::pin::pin!(subscription.next_batch());
            loop {
                let idle = tokio::time::sleep(Duration::from_millis(IDLE_LOOK_MS));
                tokio::select! {
                    batch = &mut next => break batch?,
                    () = idle => projector.look_back().await?,
                }
            }
        };
        if epoch.replace(subscription.epoch()) != Some(subscription.epoch()) {
            projector.resume().await?;
        }
        projector.received_at_us = now_us();
        let malformed = loop {
            if let Some(malformed) = projector.apply(&batch).await? {
                break malformed;
            }
            projector.read_position().await?;
            projector.catch_up().await?;
        };
        for MalformedEvent { event, reason } in malformed {
            tracing::error!(%topic, position = %event.position, reason, "an event is malformed; it goes to the dead letters");
            subscription.dead_letter(event, &reason).await?;
        }
        let positions: Vec<Position> = batch.iter().map(|event| event.position).collect();
        subscription.ack(&positions).await?;
        backoff.reset();
    }
}

/// A malformed event: its data doesn't match its action.
struct MalformedEvent<'a> {
    event: &'a RecordedEvent,
    reason: String,
}

struct Projector<'a> {
    context: &'a ServiceContext,
    topic: Topic,
    applied: &'a AppliedPositions,
    planted: PlantedCpuCost,
    /// The projector's own connection, as it watches the position.
    connection: MultiplexedConnection,
    /// The position up to which the cache is applied, as far as this projector knows.
    position: Position,
    /// The time at which the present events arrived, µs since the Unix epoch.
    received_at_us: u64,
}

impl Projector<'_> {
    /// Starts from what the cache and the stream have now; what was known before doesn't count.
    async fn resume(&mut self) -> Result<(), ProjectorError> {
        self.read_position().await?;
        let events = &self.context.events;
        if events.is_gone(self.topic, self.position).await? {
            tracing::warn!(topic = %self.topic, position = %self.position, "the last applied event is gone from the stream, which went back; the topic is projected anew");
            self.clear().await?;
        }
        self.catch_up().await
    }

    /// Looks whether the cache or the stream went back; projects what is missing then.
    async fn look_back(&mut self) -> Result<(), ProjectorError> {
        let known = self.position;
        self.read_position().await?;
        let events = &self.context.events;
        if self.position < known || events.is_gone(self.topic, self.position).await? {
            self.resume().await?;
        }
        Ok(())
    }

    /// Deletes what the topic's projection has written, unless another projector has moved the position.
    async fn clear(&mut self) -> Result<(), ProjectorError> {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        pipe.cmd("UNLINK").arg(keys_of(self.topic)).ignore();
        pipe.cmd("EXEC").ignore();
        pipe.query_async::<()>(&mut self.connection).await?;
        self.read_position().await
    }

    /// Watches and reads the position. No position means that the cache is empty.
    async fn read_position(&mut self) -> Result<(), ProjectorError> {
        let key = position_key(self.topic);
        let known = self.applied.now();
        let (position,): (Option<String>,) = redis::pipe()
            .cmd("WATCH")
            .arg(&key)
            .ignore()
            .cmd("GET")
            .arg(&key)
            .query_async(&mut self.connection)
            .await?;
        self.position = position.map_or(Ok(Position::START), |text| text.parse())?;
        self.applied.found(self.topic, self.position, &known);
        Ok(())
    }

    /// Applies the event store's events after the position: all, if the cache is empty.
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
            // Malformed events are handled with the group's batch, which contains them sooner or later.
            if self.apply(&events).await?.is_none() {
                self.read_position().await?;
            }
        }
    }

    /// Writes the changes of the events after the position; returns the malformed ones among all events. `None` if another projector has
    /// moved the position: nothing was written.
    async fn apply<'e>(
        &mut self,
        events: &'e [RecordedEvent],
    ) -> Result<Option<Vec<MalformedEvent<'e>>>, ProjectorError> {
        let mut projection = Projection::default();
        let mut position = self.position;
        let mut malformed = Vec::new();
        for event in events {
            let fits = if event.position > self.position {
                position = event.position;
                projection.apply(event)
            } else {
                validation::check(event)
            };
            malformed.extend(fits.err().map(|reason| MalformedEvent { event, reason }));
        }
        if position == self.position {
            return Ok(Some(malformed));
        }
        self.planted
            .spend(events.iter().filter(|e| e.position > self.position));
        self.set_versions(&mut projection).await?;
        Failpoint::ChangesComputed.pass();
        let key = position_key(self.topic);
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        projection.write_to(self.topic, &mut pipe);
        pipe.cmd("SET").arg(&key).arg(position.to_string()).ignore();
        pipe.cmd("EXEC");
        // Also watches the position for the next transaction.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        let (written, there): (Value, Option<String>) =
            pipe.query_async(&mut self.connection).await?;
        Failpoint::ChangesWritten.pass();
        if let Value::Array(replies) = &written
            && let Some(error) = replies
                .iter()
                .find(|reply| matches!(reply, Value::ServerError(_)))
        {
            return Err(redis::RedisError::from((
                redis::ErrorKind::UnexpectedReturnType,
                "a command of the projection's transaction failed",
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
        self.applied.applied_here(self.topic, position);
        Ok(Some(malformed))
    }

    /// Reads the cache entries of aggregates whose events changed only the version. The watch on the position guards them.
    async fn set_versions(&mut self, projection: &mut Projection) -> Result<(), ProjectorError> {
        for collection in [Collection::Entities(self.topic), Collection::Reservations] {
            let ids = projection.version_only_in(collection);
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
                    projection.set_version(collection, id, value);
                }
            }
        }
        Ok(())
    }
}
