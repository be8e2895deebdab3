//! Reads events, last positions and claims on a shared connection, with retries. Knows keys and commands; not who writes, and nothing of what is
//! under way.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::config::EventStoreConfig;
use super::entry::{Entry, entries, events_only};
use super::keys::Keys;
use super::ledger::claim_key;
use super::retrying::retrying;
use crate::info;
use crate::refusal;
use crate::shared_connection::SharedConnection;
use ordershop_contract::event_store::{EventStoreError, RecordedEvent};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// Entries that are looked at together for the last event where the stream ends with others.
const FOREIGN_MAX: usize = 100;

/// Reads what Redis has of the partitions.
pub(super) struct Reads {
    /// By [`Partition::index`].
    pub keys: Vec<Keys>,
    /// It reconnects after a failure.
    pub shared: SharedConnection,
    pub config: Arc<EventStoreConfig>,
}

impl Reads {
    /// The keys of a partition; refuses one that the shop doesn't have.
    pub fn keys(&self, partition: Partition) -> Result<&Keys, EventStoreError> {
        let checked = self.config.partitions.check(partition);
        checked.map_err(|error| EventStoreError::Invalid(error.to_string()))?;
        Ok(&self.keys[partition.index()])
    }

    /// Repeats a read while Redis is away, for a bounded time.
    pub async fn retried<T, F: Future<Output = RedisResult<T>>>(
        &self,
        read: impl Fn() -> F,
    ) -> Result<T, EventStoreError> {
        match retrying(self.config.read_retry_max(), read).await {
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// The error of a read that failed; of a server that is loading its data, with how much it has loaded.
    async fn why(&self, error: RedisError) -> EventStoreError {
        if error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
            && let Ok(Some(percent)) = info::loaded_percent(&mut self.shared.clone()).await
        {
            return EventStoreError::Unavailable(format!("Redis is loading its data, {percent} %"));
        }
        unavailable(error)
    }

    async fn entries(
        &self,
        partition: Partition,
        cmd: &redis::Cmd,
    ) -> Result<Vec<Entry>, EventStoreError> {
        let read = || async { cmd.query_async(&mut self.shared.clone()).await };
        understood(entries(partition, self.retried(read).await?))
    }

    /// The events after a position, at most so many, oldest first.
    pub async fn after(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        let key = &self.keys(partition)?.events;
        if after == Position::END {
            // Redis refuses to look behind it.
            return Ok(Vec::new());
        }
        let (mut after, mut events) = (after, Vec::new());
        loop {
            let asked = limit - events.len();
            let mut cmd = redis::cmd("XRANGE");
            cmd.arg(key).arg(format!("({after}")).arg("+");
            cmd.arg("COUNT").arg(asked);
            let found = self.entries(partition, &cmd).await?;
            let (last, is_full) = (found.last().map(Entry::position), found.len() == asked);
            events.extend(events_only(found));
            // Fewer than were asked for mean the stream's end, whatever else is in it.
            match last {
                Some(last) if is_full && events.len() < limit => after = last,
                _ => return Ok(events),
            }
        }
    }

    /// The position of a partition's last event; [`Position::START`] if there is none.
    pub async fn last_position(&self, partition: Partition) -> Result<Position, EventStoreError> {
        let key = &self.keys(partition)?.events;
        let (mut before, mut count) = ("+".to_owned(), 1);
        loop {
            let mut cmd = redis::cmd("XREVRANGE");
            cmd.arg(key).arg(before).arg("-").arg("COUNT").arg(count);
            let found = self.entries(partition, &cmd).await?;
            let Some(oldest) = found.last().map(Entry::position) else {
                return Ok(Position::START);
            };
            // Nobody applies what is no event, so nobody may wait for it.
            let is_event = |entry: &&Entry| matches!(entry, Entry::Event(_));
            if let Some(last) = found.iter().find(is_event) {
                return Ok(last.position());
            }
            (before, count) = (format!("({oldest}"), FOREIGN_MAX);
        }
    }

    /// The partitions of a topic in which a claim is taken.
    pub async fn claimed(
        &self,
        topic: Topic,
        claim: &str,
    ) -> Result<Vec<Partition>, EventStoreError> {
        let partitions = self.config.partitions.of_topic(topic);
        let mut pipe = redis::Pipeline::new();
        for partition in partitions.clone() {
            let versions = &self.keys[partition.index()].versions;
            pipe.cmd("HMGET").arg(versions).arg(claim_key(claim));
        }
        let read = || async { pipe.query_async(&mut self.shared.clone()).await };
        let found: Vec<[Option<u64>; 1]> = self.retried(read).await?;
        let is_there = |(partition, [taken]): (_, [Option<u64>; 1])| taken.map(|_| partition);
        Ok(partitions.zip(found).filter_map(is_there).collect())
    }
}

/// The error of a call that failed.
pub(super) fn unavailable(error: RedisError) -> EventStoreError {
    EventStoreError::Unavailable(refusal::words(&error))
}

/// The entries of a reply, which must be of the form of entries.
pub(super) fn understood(entries: Option<Vec<Entry>>) -> Result<Vec<Entry>, EventStoreError> {
    entries.ok_or_else(|| EventStoreError::Unavailable("unexpected reply to a read".into()))
}
