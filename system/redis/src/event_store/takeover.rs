//! Becoming the writer of a partition: increments the fence, then reads the last position and versions, and finds out whether a batch whose
//! answer was lost was written. Knows how to read them, not their use.

use redis::{RedisResult, Value};

use super::commit::{Verdicts, admitted};
use super::config::EventStoreConfig;
use super::entry::{Entry, entries};
use super::fence;
use super::inbox::Job;
use super::keys::Keys;
use super::retrying::bounded;
use super::version_cache::VersionCache;
use crate::connection::{MultiplexedConnection, RedisLink};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// Entries of the hash that are loaded with one call.
const SCAN_COUNT: usize = 5_000;

/// A writer's state of its partition, valid while it owns the fence.
pub(super) struct Term {
    pub connection: MultiplexedConnection,
    pub fence: u64,
    pub cache: VersionCache,
    /// The partition's last position.
    pub last: Position,
    /// The time of the last event's publication, µs since the Unix epoch; later events are later than it.
    pub last_published_us: u64,
    /// Whether the last event that this writer knew of is gone: Redis went back, and what was decided on it must be decided again.
    pub went_back: bool,
    /// Redis's time when it began, ms since the Unix epoch: what is older may have been lost before.
    pub since_ms: u64,
}

/// A batch that was sent and not answered.
pub(super) struct InFlight {
    pub jobs: Vec<Job>,
    pub verdicts: Verdicts,
    /// The partition's last position before the batch.
    pub after: Position,
    pub since: tokio::time::Instant,
}

/// The result of a takeover.
pub(super) struct Takeover {
    /// `None`: another writer has taken over.
    pub term: Option<Term>,
    /// The positions of the batch in flight; `None` if it was not written and never will be.
    pub found: Option<Vec<Position>>,
    /// Why the batch that was found can't be answered: too few replicas have it.
    pub missing: Option<String>,
}

/// Takes over and finds out about the batch in flight. `previous` is our last fence, if this writer leads across a broken connection; `known`
/// is the last position that it knew of. May be repeated.
pub(super) async fn take_over(
    link: &RedisLink,
    config: &EventStoreConfig,
    partition: Partition,
    keys: &Keys,
    previous: Option<u64>,
    known: Position,
    in_flight: Option<&InFlight>,
) -> RedisResult<Takeover> {
    let work = async {
        let mut connection = link.dedicated_for(&keys.events).await?;
        // After this the batch in flight can't be written any more: its EXEC aborts.
        let fence = fence::take(&mut connection, &keys.fence, previous).await?;
        Failpoint::FenceRaised.pass();
        let found = match in_flight {
            Some(batch) => find(&mut connection, partition, keys, batch).await?,
            None => None,
        };
        let missing = match (&found, fence) {
            // It was written before the fence was raised on this connection.
            (Some(_), Some(_)) => config.replicas.wait(&mut connection).await?,
            // On this connection nothing was written, so nothing can be waited for.
            (Some(_), None) => config.replicas.unknown(),
            (None, _) => None,
        };
        let term = match fence {
            Some(fence) => Some(begin(connection, config, partition, keys, fence, known).await?),
            None => None,
        };
        Ok(Takeover {
            term,
            found,
            missing,
        })
    };
    bounded(config.call_timeout(), work).await
}

async fn begin(
    mut connection: MultiplexedConnection,
    config: &EventStoreConfig,
    partition: Partition,
    keys: &Keys,
    fence: u64,
    known: Position,
) -> RedisResult<Term> {
    let mut pipe = redis::pipe();
    pipe.cmd("XREVRANGE")
        .arg(&keys.events)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .cmd("HLEN")
        .arg(&keys.versions)
        .cmd("XRANGE")
        .arg(&keys.events)
        .arg(known.to_string())
        .arg(known.to_string())
        .cmd("TIME");
    let (tail, size, known_still, (seconds, micros)): (Value, usize, Vec<Value>, (u64, u64)) =
        pipe.query_async(&mut connection).await?;
    let (last, last_published_us) = match entries(partition, tail).and_then(|mut tail| tail.pop()) {
        Some(Entry::Event(event)) => (event.position, event.published_at_us),
        Some(other) => (other.position(), 0),
        None => (Position::START, 0),
    };
    let complete = size <= config.cache_load_max.min(config.cache_entries_max / 2);
    let mut cache = VersionCache::new(config.cache_entries_max, complete);
    if complete {
        load(&mut connection, keys, &mut cache).await?;
    }
    Ok(Term {
        connection,
        fence,
        cache,
        last,
        last_published_us,
        went_back: known != Position::START && known_still.is_empty(),
        since_ms: seconds * 1_000 + micros / 1_000,
    })
}

/// Loads the whole hash into the cache. No other writer changes it meanwhile: the fence is ours.
async fn load(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    cache: &mut VersionCache,
) -> RedisResult<()> {
    let mut cursor = 0_u64;
    loop {
        let (next, page): (u64, Vec<(String, u64)>) = redis::cmd("HSCAN")
            .arg(&keys.versions)
            .arg(cursor)
            .arg("COUNT")
            .arg(SCAN_COUNT)
            .query_async(connection)
            .await?;
        for (key, version) in page {
            cache.insert(key.into(), version);
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Returns the positions of a batch's events if it was written. A batch is one Redis transaction, so its events directly follow the last
/// position before it, without gaps.
async fn find(
    connection: &mut MultiplexedConnection,
    partition: Partition,
    keys: &Keys,
    batch: &InFlight,
) -> RedisResult<Option<Vec<Position>>> {
    let expected: Vec<&str> = admitted(&batch.jobs, &batch.verdicts)
        .map(|event| event.event_id.as_str())
        .collect();
    let reply: Value = redis::cmd("XRANGE")
        .arg(&keys.events)
        .arg(format!("({}", batch.after))
        .arg("+")
        .arg("COUNT")
        .arg(expected.len())
        .query_async(connection)
        .await?;
    let written = entries(partition, reply).unwrap_or_default();
    if written.len() != expected.len() {
        return Ok(None);
    }
    let positions = written.iter().zip(expected).map(|(entry, id)| match entry {
        Entry::Event(event) if event.event_id == id => Some(event.position),
        _ => None,
    });
    Ok(positions.collect())
}
