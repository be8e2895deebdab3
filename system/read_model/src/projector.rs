//! Projectors: one a topic. Each applies its topic's events in stream order to the overlay, where readers see them at once, and after a
//! bounded linger writes the changes, the indexes and the position in one transaction. A projector whose position was changed by another one
//! writes nothing and begins again from the position in the cache. If the event at the position is gone from the stream, the stream went
//! back: the topic is projected anew.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use tokio::time::{Instant, Sleep};

use super::applied_positions::AppliedPositions;
use super::config::ProjectionConfig;
use super::keys::{Collection, keys_of};
use super::projection::Projection;
use super::store::ReadStore;
use super::validation;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::now_us;
use ordershop_contract::event_store::{EventStoreError, RecordedEvent, SubscribeRequest};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::{BadPosition, Position};
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;
use ordershop_redis::applied::{self, Channels, position_key};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::when_full::{is_full, when_full};

/// The read model's consumer group.
pub const GROUP: &str = "read-model";
/// Maximum events in a batch, and those after which no more are waited for before they are written.
const BATCH_EVENTS_MAX: usize = 512;
/// How long a projector without events waits before it looks whether the cache or the stream went back.
const IDLE_LOOK_MS: u64 = 2_000;

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
    (store, applied): (ReadStore, AppliedPositions),
    config: ProjectionConfig,
) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let connected = async {
            let projector = Projector {
                context: &context,
                topic,
                store: &store,
                applied: &applied,
                config,
                connection: link.dedicated().await?,
                channels: Channels::of(&link),
                position: Position::START,
                written: Position::START,
                unwritten: None,
                is_full: false,
                received_at_us: 0,
            };
            projector.project(&mut backoff).await
        };
        let outcome = tokio::select! {
            outcome = connected => outcome,
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

/// The position that the cache keeps; without one it is empty.
fn position_of(kept: Option<String>) -> Result<Position, BadPosition> {
    kept.map_or(Ok(Position::START), |text| text.parse())
}

/// A malformed event: its data doesn't match its action.
struct MalformedEvent<'a> {
    event: &'a RecordedEvent,
    reason: String,
}

struct Projector<'a> {
    context: &'a ServiceContext,
    topic: Topic,
    store: &'a ReadStore,
    applied: &'a AppliedPositions,
    config: ProjectionConfig,
    /// The projector's own connection, as it watches the position.
    connection: MultiplexedConnection,
    /// Where it is told what is applied, and what is written.
    channels: Channels,
    /// The position up to which events are applied, as far as this projector knows.
    position: Position,
    /// The position in the cache, as far as this projector knows.
    written: Position,
    /// What is applied and not written.
    unwritten: Option<Unwritten>,
    /// Whether Redis was full when changes were written last.
    is_full: bool,
    /// The time at which the present events arrived, µs since the Unix epoch.
    received_at_us: u64,
}

/// Events that are applied and not written.
struct Unwritten {
    /// The positions to be acknowledged once they are written.
    given: Vec<Position>,
    /// When they must be written.
    due: Instant,
}

impl Projector<'_> {
    async fn project(mut self, backoff: &mut Backoff) -> Result<(), ProjectorError> {
        let topic = self.topic;
        self.resume().await?;
        let mut epoch = None;
        let request = SubscribeRequest {
            group: GROUP.to_owned(),
            topic,
            consumer: self.context.instance.clone(),
            batch_max: BATCH_EVENTS_MAX,
        };
        let mut subscription = self.context.events.subscribe(request).await?;
        loop {
            let batch = tokio::select! {
                batch = subscription.next_batch_ahead() => batch?,
                () = self.pause() => {
                    match self.unwritten {
                        Some(_) => subscription.ack(&self.write().await?).await?,
                        None => self.look_back().await?,
                    }
                    continue;
                }
            };
            if epoch.replace(subscription.epoch()) != Some(subscription.epoch()) {
                self.resume().await?;
            }
            self.received_at_us = now_us();
            for MalformedEvent { event, reason } in self.apply(&batch).await? {
                tracing::error!(%topic, position = %event.position, reason, "an event is malformed; it goes to the dead letters");
                subscription.dead_letter(event, &reason).await?;
            }
            let positions = batch.iter().map(|event| event.position);
            match &mut self.unwritten {
                Some(unwritten) => unwritten.given.extend(positions),
                None => subscription.ack(&positions.collect::<Vec<_>>()).await?,
            }
            if self.is_due() {
                subscription.ack(&self.write().await?).await?;
            }
            backoff.reset();
        }
    }

    /// Waits until unwritten changes must be written; without any, for a while.
    fn pause(&self) -> Sleep {
        match &self.unwritten {
            Some(unwritten) => tokio::time::sleep_until(unwritten.due),
            None => tokio::time::sleep(Duration::from_millis(IDLE_LOOK_MS)),
        }
    }

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
        let mut get = redis::cmd("GET");
        get.arg(position_key(self.topic));
        let there = position_of(get.query_async(&mut self.connection).await?)?;
        let events = &self.context.events;
        if there != self.position || events.is_gone(self.topic, self.position).await? {
            self.resume().await?;
        }
        Ok(())
    }

    /// Deletes what the topic's projection has written, unless another projector has moved the position.
    async fn clear(&mut self) -> Result<(), ProjectorError> {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        pipe.cmd("UNLINK").arg(keys_of(self.topic)).ignore();
        applied::publish(
            &mut pipe,
            &self.channels.applied,
            self.topic,
            Position::START,
            None,
        );
        pipe.cmd("EXEC").ignore();
        pipe.query_async::<()>(&mut self.connection).await?;
        self.read_position().await
    }

    /// Watches and reads the position, and drops what is applied beyond it. No position means that the cache is empty.
    async fn read_position(&mut self) -> Result<(), ProjectorError> {
        let key = position_key(self.topic);
        let known = self.applied.written();
        let (position,): (Option<String>,) = redis::pipe()
            .cmd("WATCH")
            .arg(&key)
            .ignore()
            .cmd("GET")
            .arg(&key)
            .query_async(&mut self.connection)
            .await?;
        self.position = position_of(position)?;
        self.written = self.position;
        self.unwritten = None;
        *self.store.overlay().of(self.topic) = Projection::default();
        self.applied.found(self.topic, self.position, &known);
        Ok(())
    }

    /// Applies and writes the event store's events after the position: all, if the cache is empty.
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
            self.apply(&events).await?;
            self.write().await?;
        }
    }

    /// Applies the events after the position; returns the malformed ones among all events.
    async fn apply<'e>(
        &mut self,
        events: &'e [RecordedEvent],
    ) -> Result<Vec<MalformedEvent<'e>>, ProjectorError> {
        let mut malformed = Vec::new();
        let mut applied = 0;
        let before = self.position;
        {
            let mut changes = self.store.overlay().of(self.topic);
            for event in events {
                let fits = if event.position > before {
                    applied += 1;
                    self.position = event.position;
                    changes.apply(event)
                } else {
                    validation::check(event)
                };
                malformed.extend(fits.err().map(|reason| MalformedEvent { event, reason }));
            }
        }
        if applied == 0 {
            return Ok(malformed);
        }
        self.unwritten.get_or_insert_with(|| Unwritten {
            given: Vec::new(),
            due: Instant::now() + self.config.linger,
        });
        self.config.planted_cpu_cost.spend(applied);
        self.set_versions().await?;
        self.applied.applied_here(self.topic, self.position);
        let is_sampled = events.iter().any(|event| event.correlation.times.is_some());
        let received_at_us = is_sampled.then_some(self.received_at_us);
        let mut told = redis::pipe();
        applied::publish(
            &mut told,
            &self.channels.applied,
            self.topic,
            self.position,
            received_at_us,
        );
        told.exec_async(&mut self.connection).await?;
        Failpoint::ChangesComputed.pass();
        Ok(malformed)
    }

    fn is_due(&self) -> bool {
        self.unwritten.as_ref().is_some_and(|unwritten| {
            unwritten.given.len() >= BATCH_EVENTS_MAX || unwritten.due <= Instant::now()
        })
    }

    /// Writes the unwritten changes with the position; returns what may be acknowledged. If another projector has moved the position, they are
    /// dropped, and what the cache lacks is applied again and written.
    async fn write(&mut self) -> Result<Vec<Position>, ProjectorError> {
        let given = self.unwritten.take().map(|unwritten| unwritten.given);
        let given = given.unwrap_or_default();
        let key = position_key(self.topic);
        let mut pipe = redis::pipe();
        if self.is_full {
            let mut changes = redis::pipe();
            self.add_changes(&mut changes);
            let before = match self.written {
                Position::START => String::new(),
                position => position.to_string(),
            };
            pipe.add_command(when_full(&keys_of(self.topic), &before, &changes));
        } else {
            pipe.cmd("MULTI").ignore();
            self.add_changes(&mut pipe);
            pipe.cmd("EXEC");
        }
        // Also watches the position for the next transaction.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        let written = pipe.query_async(&mut self.connection).await;
        let (written, there): (Value, Option<String>) = match written {
            // What the events took is taken already: their entities are written even so, that reads are answered.
            Err(error) if !self.is_full && is_full(&error) => {
                self.is_full = true;
                Box::pin(self.resume()).await?;
                return Ok(given);
            }
            written => written?,
        };
        self.is_full = false;
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
        if matches!(written, Value::Nil | Value::Int(0)) || there != Some(self.position.to_string())
        {
            Box::pin(self.resume()).await?;
            return Ok(given);
        }
        self.written = self.position;
        self.applied.written_here(self.topic, self.position);
        *self.store.overlay().of(self.topic) = Projection::default();
        Ok(given)
    }

    /// Adds the commands that write what is applied, and tell it.
    fn add_changes(&self, pipe: &mut Pipeline) {
        let (topic, position) = (self.topic, self.position);
        self.store.overlay().of(topic).write_to(topic, pipe);
        let key = position_key(topic);
        pipe.cmd("SET").arg(key).arg(position.to_string()).ignore();
        applied::publish(pipe, &self.channels.written, topic, position, None);
    }

    /// Reads the cache entries of aggregates whose events changed only the version. The watch on the position guards them.
    async fn set_versions(&mut self) -> Result<(), ProjectorError> {
        for collection in [Collection::Entities(self.topic), Collection::Reservations] {
            let ids = self
                .store
                .overlay()
                .of(self.topic)
                .version_only_in(collection);
            if ids.is_empty() || collection.topic() != self.topic {
                continue;
            }
            let there: Vec<Option<String>> = redis::cmd("HMGET")
                .arg(collection.key())
                .arg(&ids)
                .query_async(&mut self.connection)
                .await?;
            let mut changes = self.store.overlay().of(self.topic);
            for (id, value) in ids.into_iter().zip(there) {
                if let Some(value) = value {
                    changes.set_version(collection, id, value);
                }
            }
        }
        Ok(())
    }
}
