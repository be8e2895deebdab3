//! The read model's subscription to a topic: under the group's lease, it delivers what comes after the position that the read model keeps with
//! its entities. Redis keeps nothing of the delivery, so nothing is acknowledged there. Knows that position's key, not what is projected.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Foreign, events_only};
use super::lags::GroupLag;
use super::members::Members;
use super::projection_letters::ProjectionLetters;
use super::readings::{Reading, Readings, entries_up_to};
use super::retrying::{READ_GRACE_MS, bounded};
use super::subscription::read;
use super::turn::Turn;
use crate::applied::{message, position_key, position_of};
use crate::connection::{MultiplexedConnection, RedisLink};
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{EventStoreError, EventSubscription, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// How long it is counted how much was read before, ms; then the backlog is told as where nothing is read.
const COUNT_MS_MAX: u64 = 1_000;

/// A subscription of the read model.
pub(super) struct ProjectionSubscription {
    pub link: RedisLink,
    pub partition: Partition,
    /// The stream's key.
    pub events: String,
    pub batch_max: usize,
    pub turn: Turn,
    pub lag: GroupLag,
    pub readings: Readings,
    /// The connection for dead letters.
    pub shared: SharedConnection,
    pub closing: CancellationToken,
    pub session: Option<Session>,
    /// Another one for each session: it begins at the position that is kept then.
    pub epoch: Epoch,
    /// Where it is told what is applied.
    pub channel: String,
    /// Tells what is applied, in front of the next read.
    pub told: Option<Cmd>,
    /// Events that are delivered and not handled, with their times of publication, µs.
    pub unhandled: Vec<(Position, u64)>,
}

/// A connection that reads the stream on from a position.
pub(super) struct Session {
    connection: MultiplexedConnection,
    after: Position,
    /// A read under way survives the cancellation of its caller: the connection waits for it anyway.
    reading: Option<BoxFuture<'static, RedisResult<Value>>>,
}

impl ProjectionSubscription {
    /// Reads the next events; may return none. An error means a broken connection.
    async fn step(&mut self) -> RedisResult<Vec<RecordedEvent>> {
        if !self.turn.lasts().await {
            self.end_session();
            self.turn.end(true).await;
            if !self.turn.begin().await? {
                return Ok(Vec::new());
            }
        }
        if self.session.is_none() {
            let session = self.begin_session().await?;
            if !self.turn.confirm().await? {
                return Ok(Vec::new());
            }
            self.session = Some(session);
            self.epoch = Epoch::begin();
            self.unhandled.clear();
        }
        let block = self.turn.config.block();
        let Some(session) = &mut self.session else {
            return Ok(Vec::new());
        };
        let told = self.told.take();
        let reply = session.read(&self.events, self.batch_max, block, told);
        let reply = reply.await?;
        let entries = read(self.partition, reply)?;
        let Some(last) = entries.last().map(Entry::position) else {
            return Ok(Vec::new());
        };
        let foreign = entries.iter().filter_map(|entry| match entry {
            Entry::Foreign(foreign) => Some(foreign),
            _ => None,
        });
        let foreign: Vec<&Foreign> = foreign.collect();
        if !foreign.is_empty() {
            tracing::error!(topic = %self.partition, ?foreign, "stream entries are not events; they go to the dead letters");
            let shared = &mut self.shared;
            let letters = ProjectionLetters::after(shared, self.partition, session.after).await?;
            for letter in foreign.iter().filter_map(|one| letters.of_foreign(one)) {
                letter.exec_async(shared).await?;
            }
        }
        // Nothing is awaited from here on: what is cancelled before is read again.
        session.after = last;
        let count = entries.len() as u64;
        let events = events_only(entries);
        self.readings.change(self.partition, |reading| {
            reading.delivered += count;
            reading.pending += events.len() as u64;
        });
        let delivered = events
            .iter()
            .map(|event| (event.position, event.published_at_us));
        self.unhandled.extend(delivered);
        Ok(events)
    }

    /// Begins to read after the position that is kept.
    async fn begin_session(&mut self) -> RedisResult<Session> {
        let mut get = redis::cmd("GET");
        get.arg(position_key(self.partition));
        let opening = async {
            let mut connection = self.link.dedicated_for(&self.events).await?;
            let kept: Option<String> = get.query_async(&mut connection).await?;
            Ok((connection, kept))
        };
        let grace = Duration::from_millis(READ_GRACE_MS);
        let (mut connection, kept) = bounded(grace, opening).await?;
        let after = position_of(kept)?;
        let counting = entries_up_to(&mut connection, &self.events, after);
        // Of a backlog of a million the size isn't worth the wait.
        let delivered =
            match tokio::time::timeout(Duration::from_millis(COUNT_MS_MAX), counting).await {
                Ok(counted) => Some(counted?),
                Err(_) => None,
            };
        let reading = delivered.map(|delivered| Reading {
            delivered,
            pending: 0,
        });
        self.readings.set(self.partition, reading);
        Ok(Session {
            connection,
            after,
            reading: None,
        })
    }

    fn end_session(&mut self) {
        self.session = None;
        // Another consumer may be further by now.
        self.told = None;
        self.readings.set(self.partition, None);
    }

    async fn deliver(&mut self) -> Vec<RecordedEvent> {
        let mut backoff = Backoff::default();
        loop {
            match self.step().await {
                Ok(events) if events.is_empty() => backoff.reset(),
                Ok(events) => {
                    Failpoint::EventsDelivered.pass();
                    return events;
                }
                Err(error) => {
                    if backoff.is_fresh() {
                        tracing::warn!(topic = %self.partition, %error, "the projection's connection broke; connecting again");
                    }
                    self.end_session();
                    backoff.wait().await;
                }
            }
        }
    }
}

impl Session {
    /// Waits at most `block` for entries; nil if there are none. `first` is sent before the read, in one round trip with it.
    async fn read(
        &mut self,
        events: &str,
        batch_max: usize,
        block: Duration,
        first: Option<Cmd>,
    ) -> RedisResult<Value> {
        let reading = self.reading.get_or_insert_with(|| {
            let mut pipe = Pipeline::with_capacity(2);
            if let Some(first) = first {
                pipe.add_command(first).ignore();
            }
            let cmd = pipe.cmd("XREAD").arg("COUNT").arg(batch_max);
            // 0 would block without a limit.
            cmd.arg("BLOCK").arg(block.as_millis().max(1) as u64);
            cmd.arg("STREAMS").arg(events).arg(self.after.to_string());
            let mut connection = self.connection.clone();
            let limit = block + Duration::from_millis(READ_GRACE_MS);
            Box::pin(async move {
                let (entries,): (Value,) =
                    bounded(limit, pipe.query_async(&mut connection)).await?;
                Ok(entries)
            })
        });
        let result = reading.await;
        self.reading = None;
        result
    }
}

#[async_trait]
impl EventSubscription for ProjectionSubscription {
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.next_batch_ahead().await
    }

    async fn next_batch_ahead(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        let closing = self.closing.clone();
        closing
            .run_until_cancelled(self.deliver())
            .await
            .ok_or(EventStoreError::Closed)
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn tell_applied(&mut self, position: Position) {
        self.told = Some(message(&self.channel, self.partition, position, None));
    }

    /// What is handled is handled in order.
    async fn ack(&mut self, positions: &[Position]) -> Result<(), EventStoreError> {
        let Some(last) = positions.iter().max() else {
            return Ok(());
        };
        let handled = self
            .unhandled
            .partition_point(|(position, _)| position <= last);
        self.lag
            .handled(self.unhandled.drain(..handled).map(|(_, at)| at));
        let pending = self.unhandled.len() as u64;
        self.readings
            .change(self.partition, |reading| reading.pending = pending);
        Ok(())
    }

    async fn dead_letter(&mut self, _: &RecordedEvent, _: &str) -> Result<(), EventStoreError> {
        Err(EventStoreError::Invalid(
            "the read model writes its dead letters itself, with its position".to_owned(),
        ))
    }
}

impl Drop for ProjectionSubscription {
    /// Gives the turn away at once if a runtime is left; otherwise the lease expires.
    fn drop(&mut self) {
        self.end_session();
        let (lease, members) = (self.turn.lease.take(), self.turn.share.members.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(members) = members {
                    Members::leave(members).await;
                }
                if let Some(lease) = lease {
                    lease.release().await;
                }
            });
        }
    }
}
