//! How far this process's projections have read their partitions, counted in entries: Redis counts that for consumer groups alone. Knows the
//! streams' lengths, not what is done with their entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::RedisResult;
use redis::aio::ConnectionLike;

use super::retrying::{READ_GRACE_MS, bounded};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// Entries that are counted with one command: some milliseconds of Redis's time.
const COUNT_MAX: usize = 1_000;

/// Counts the entries after an id, and says how many the stream was given: those that were deleted since count too.
const COUNT: &str = "#!lua flags=no-writes
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, '', 0} end
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local last = entries[#entries]
local stream = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #stream, 2 do
  if stream[i] == 'entries-added' then return {#entries, last and last[1] or '', stream[i + 1]} end
end";

/// What a projection has read of its partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Entries that are delivered, of those that the stream was given.
    pub delivered: u64,
    /// Events that are delivered and not handled.
    pub pending: u64,
}

/// The partitions that this process reads for projections; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings(Arc<Mutex<BTreeMap<Partition, Reading>>>);

impl Readings {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Partition, Reading>> {
        // A panic elsewhere leaves whole numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is read of a partition; `None` if it isn't read here.
    pub fn of(&self, partition: Partition) -> Option<Reading> {
        self.all().get(&partition).copied()
    }

    pub fn set(&self, partition: Partition, reading: Option<Reading>) {
        match reading {
            Some(reading) => self.all().insert(partition, reading),
            None => self.all().remove(&partition),
        };
    }

    pub fn change(&self, partition: Partition, change: impl FnOnce(&mut Reading)) {
        if let Some(reading) = self.all().get_mut(&partition) {
            change(reading);
        }
    }
}

/// How many of the entries that a stream was given lie before or at a position, or are deleted.
pub(super) async fn entries_up_to(
    connection: &mut impl ConnectionLike,
    key: &str,
    position: Position,
) -> RedisResult<u64> {
    let (mut after, mut beyond) = (position.to_string(), 0);
    loop {
        let (count, last, added) = count_after(connection, key, &after).await?;
        beyond += count;
        // The last look is the one that also tells how many there were, so that both are of one moment.
        if count < COUNT_MAX as u64 {
            return Ok(added.saturating_sub(beyond));
        }
        after = last;
    }
}

/// How many entries a stream has after a position; what is beyond [`COUNT_MAX`] isn't counted.
pub(super) async fn entries_after(
    connection: &mut impl ConnectionLike,
    key: &str,
    position: Position,
) -> RedisResult<u64> {
    let (count, ..) = count_after(connection, key, &position.to_string()).await?;
    Ok(count)
}

async fn count_after(
    connection: &mut impl ConnectionLike,
    key: &str,
    after: &str,
) -> RedisResult<(u64, String, u64)> {
    let mut count = redis::cmd("EVAL");
    count.arg(COUNT).arg(1).arg(key);
    count.arg(format!("({after}")).arg(COUNT_MAX);
    bounded(
        Duration::from_millis(READ_GRACE_MS),
        count.query_async(connection),
    )
    .await
}
