//! Projectors: one a partition. Each applies the events after the position in the cache, in stream order, to the overlay, where readers see them at
//! once, and after a bounded linger writes the changes, the indexes, dead letters and the position in one transaction. A projector whose
//! position was changed by another one writes nothing and begins anew with the position in the cache. If the event at the position is gone
//! from the stream, the stream went back: the partition is projected anew.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, Sleep};

use super::applied_positions::AppliedPositions;
use super::config::ProjectionConfig;
use super::keys::{Collection, keys_of};
use super::projection::Projection;
use super::store::ReadStore;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::{now_us, until_tick};
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{
    EventStoreError, READ_MODEL, RecordedEvent, SubscribeRequest,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;
use ordershop_contract::worker::ServiceContext;
use ordershop_redis::applied::{self, Channels, position_key, position_of};
use ordershop_redis::connection::{MultiplexedConnection, RedisLink};
use ordershop_redis::event_store::ProjectionLetters;
use ordershop_redis::when_full::{is_full, when_full};

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
    #[error("the position was changed by another projector, or Redis went back")]
    Moved,
}

/// Applies a partition's events until the context stops.
pub(super) async fn run(
    context: ServiceContext,
    link: RedisLink,
    partition: Partition,
    (store, applied): (ReadStore, AppliedPositions),
    config: ProjectionConfig,
) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let connected = async {
            let projector = Projector {
                context: &context,
                partition,
                store: &store,
                applied: &applied,
                config,
                connection: link.dedicated_for(&position_key(partition)).await?,
                channels: Channels::of(&link, partition),
                position: Position::START,
                written: Position::START,
                unwritten: None,
                letters: ProjectionLetters::none(partition),
                epoch: None,
                is_full: false,
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
                tracing::warn!(topic = %partition, %error, "the projection was interrupted; trying again")
            }
            Ok(()) => {}
        }
        backoff.wait_unless(&context.stop).await;
    }
}

struct Projector<'a> {
    context: &'a ServiceContext,
    partition: Partition,
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
    /// The dead letters of events that are applied again.
    letters: ProjectionLetters,
    /// The epoch of the events that it was given; `None` while it stands by.
    epoch: Option<Epoch>,
    /// Whether Redis was full when changes were written last.
    is_full: bool,
}

/// Events that are applied and not written.
struct Unwritten {
    /// Their positions, to be acknowledged once they are written.
    given: Vec<Position>,
    /// Writes the dead letters of those that are malformed, and deletes those of the others.
    letters: Vec<Cmd>,
    /// When they must be written.
    due: Instant,
}

impl Projector<'_> {
    async fn project(mut self, backoff: &mut Backoff) -> Result<(), ProjectorError> {
        self.read_position().await?;
        if self.is_gone().await? {
            tracing::warn!(topic = %self.partition, position = %self.position, "the last applied event is gone from the stream, which went back; the topic is projected anew");
            self.clear().await?;
        }
        let request = SubscribeRequest {
            group: READ_MODEL.to_owned(),
            partition: self.partition,
            consumer: self.context.instance.clone(),
            batch_max: BATCH_EVENTS_MAX,
        };
        let mut subscription = self.context.events.subscribe(request).await?;
        loop {
            let batch = tokio::select! {
                biased;
                // It also tells what is applied.
                batch = subscription.next_batch_ahead() => batch?,
                () = self.pause() => {
                    match self.unwritten {
                        Some(_) => subscription.ack(&self.write().await?).await?,
                        None => self.look_back().await?,
                    }
                    continue;
                }
            };
            let epoch = Some(subscription.epoch());
            if std::mem::replace(&mut self.epoch, epoch) != epoch {
                self.read_position().await?;
                if self.is_gone().await? || !self.is_followed_by(&batch).await? {
                    return Err(ProjectorError::Moved);
                }
                let letters =
                    ProjectionLetters::after(&mut self.connection, self.partition, self.position);
                self.letters = letters.await?;
            }
            let received_at_us = now_us();
            if self.is_due() {
                subscription.ack(&self.write().await?).await?;
            }
            self.apply(&batch).await?;
            let positions = batch.iter().map(|event| event.position);
            match &mut self.unwritten {
                Some(unwritten) => unwritten.given.extend(positions),
                None => subscription.ack(&positions.collect::<Vec<_>>()).await?,
            }
            if batch.iter().any(|event| event.correlation.times.is_some()) {
                // On the connection that writes: when it is told as written, nobody looks for the batch any more.
                self.tell_sampled(received_at_us).await?;
            } else {
                subscription.tell_applied(self.position);
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

    /// Whether the stream has lost the last applied event.
    async fn is_gone(&self) -> Result<bool, EventStoreError> {
        let events = &self.context.events;
        events.is_gone(self.partition, self.position).await
    }

    /// Whether no event lies between the position and a batch: the batch follows the position as it was when the epoch began, and it may have
    /// been set back since.
    async fn is_followed_by(&self, batch: &[RecordedEvent]) -> Result<bool, EventStoreError> {
        let next = self.context.events.read(self.partition, self.position, 1);
        let next = next.await?.first().map(|event| event.position);
        let first = batch.first().map(|event| event.position);
        Ok(next >= first || first <= Some(self.position))
    }

    /// Looks whether the cache or the stream went back. While this projector stands by, another one moves the position.
    async fn look_back(&mut self) -> Result<(), ProjectorError> {
        let mut get = redis::cmd("GET");
        get.arg(position_key(self.partition));
        let there = position_of(get.query_async(&mut self.connection).await?)?;
        if there != self.position && self.epoch.is_none() {
            self.read_position().await?;
        } else if there != self.position {
            return Err(ProjectorError::Moved);
        }
        match self.is_gone().await? {
            true => Err(ProjectorError::Moved),
            false => Ok(()),
        }
    }

    /// Deletes what the partition's projection has written, unless another projector has moved the position.
    async fn clear(&mut self) -> Result<(), ProjectorError> {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        pipe.cmd("UNLINK").arg(keys_of(self.partition)).ignore();
        let applied = &self.channels.applied;
        let told = applied::message(applied, self.partition, Position::START, None);
        pipe.add_command(told).ignore();
        pipe.cmd("EXEC").ignore();
        pipe.query_async::<()>(&mut self.connection).await?;
        self.read_position().await
    }

    /// Watches and reads the position, and drops what is applied beyond it. No position means that the cache is empty.
    async fn read_position(&mut self) -> Result<(), ProjectorError> {
        let key = position_key(self.partition);
        let known = self.applied.written();
        let (position,): (Option<String>,) = redis::pipe()
            // Ends an earlier watch, which others' writes have broken meanwhile.
            .cmd("MULTI")
            .ignore()
            .cmd("EXEC")
            .ignore()
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
        *self.store.overlay().of(self.partition) = Projection::default();
        self.applied.found(self.partition, self.position, &known);
        Ok(())
    }

    /// Applies the events after the position.
    async fn apply(&mut self, events: &[RecordedEvent]) -> Result<(), ProjectorError> {
        let known = events.partition_point(|event| event.position <= self.position);
        let Some((last, _)) = events[known..].split_last() else {
            return Ok(());
        };
        let (partition, events) = (self.partition, &events[known..]);
        let unwritten = self.unwritten.get_or_insert_with(|| Unwritten {
            given: Vec::new(),
            letters: Vec::new(),
            due: Instant::now() + until_tick(self.config.linger),
        });
        {
            let mut changes = self.store.overlay().of(partition);
            for event in events {
                let letter = match changes.apply(event) {
                    Ok(()) => self.letters.without(event),
                    Err(reason) => {
                        tracing::error!(topic = %partition, position = %event.position, reason, "an event is malformed; it goes to the dead letters");
                        self.letters.of(event, &reason)
                    }
                };
                unwritten.letters.extend(letter);
            }
        }
        self.position = last.position;
        self.config.planted_cpu_cost.spend(events.len());
        self.set_versions().await?;
        self.applied.applied_here(partition, self.position);
        Failpoint::ChangesComputed.pass();
        Ok(())
    }

    /// Tells that a batch with events of a sampled request, which came at this time, is applied.
    async fn tell_sampled(&mut self, received_at_us: u64) -> redis::RedisResult<()> {
        let (channel, received) = (&self.channels.applied, Some(received_at_us));
        let told = applied::message(channel, self.partition, self.position, received);
        told.exec_async(&mut self.connection).await
    }

    fn is_due(&self) -> bool {
        self.unwritten.as_ref().is_some_and(|unwritten| {
            unwritten.given.len() >= BATCH_EVENTS_MAX || unwritten.due <= Instant::now()
        })
    }

    /// Writes the unwritten changes with the position; returns what may be acknowledged. If another projector has moved the position, nothing is
    /// written.
    async fn write(&mut self) -> Result<Vec<Position>, ProjectorError> {
        let written = match self.send_changes().await {
            // What the events took is taken already: their entities are written even so, that reads are answered.
            Err(error) if !self.is_full && is_full(&error) => {
                self.is_full = true;
                self.send_changes().await
            }
            written => written,
        };
        let (written, there) = written?;
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
            return Err(ProjectorError::Moved);
        }
        self.written = self.position;
        self.applied.written_here(self.partition, self.position);
        *self.store.overlay().of(self.partition) = Projection::default();
        let unwritten = self.unwritten.take();
        Ok(unwritten.map_or_else(Vec::new, |unwritten| unwritten.given))
    }

    /// Sends the changes; returns Redis's answer and the position that is there then.
    async fn send_changes(&mut self) -> redis::RedisResult<(Value, Option<String>)> {
        let key = position_key(self.partition);
        let mut pipe = redis::pipe();
        if self.is_full {
            let mut changes = redis::pipe();
            self.add_changes(&mut changes);
            let before = match self.written {
                Position::START => String::new(),
                position => position.to_string(),
            };
            let mut keys = keys_of(self.partition);
            keys.push(self.letters.key().to_owned());
            pipe.add_command(when_full(&keys, &before, &changes));
        } else {
            pipe.cmd("MULTI").ignore();
            self.add_changes(&mut pipe);
            pipe.cmd("EXEC");
        }
        // Also watches the position for the next transaction.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        pipe.query_async(&mut self.connection).await
    }

    /// Adds the commands that write what is applied, and tell it.
    fn add_changes(&self, pipe: &mut Pipeline) {
        let (partition, position) = (self.partition, self.position);
        self.store.overlay().of(partition).write_to(partition, pipe);
        for letter in self
            .unwritten
            .iter()
            .flat_map(|unwritten| &unwritten.letters)
        {
            pipe.add_command(letter.clone()).ignore();
        }
        let key = position_key(partition);
        pipe.cmd("SET").arg(key).arg(position.to_string()).ignore();
        let told = applied::message(&self.channels.written, partition, position, None);
        pipe.add_command(told).ignore();
    }

    /// Reads the cache entries of aggregates whose events changed only the version. The watch on the position guards them.
    async fn set_versions(&mut self) -> Result<(), ProjectorError> {
        for collection in [
            Collection::Entities(self.partition.topic),
            Collection::Reservations(self.partition.number),
        ] {
            let ids = self
                .store
                .overlay()
                .of(self.partition)
                .version_only_in(collection);
            if ids.is_empty() || collection.topic() != self.partition.topic {
                continue;
            }
            let there: Vec<Option<String>> = redis::cmd("HMGET")
                .arg(collection.key(self.partition))
                .arg(&ids)
                .query_async(&mut self.connection)
                .await?;
            let mut changes = self.store.overlay().of(self.partition);
            for (id, value) in ids.into_iter().zip(there) {
                if let Some(value) = value {
                    changes.set_version(collection, id, value);
                }
            }
        }
        Ok(())
    }
}
