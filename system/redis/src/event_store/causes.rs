//! Whether Redis still has what led to transactions. Each partition has a writer of its own: after a restart it may be given what was decided on
//! an event of another one, without which Redis came back. Knows positions, not what was decided.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::{RedisResult, Value};

use super::inbox::Job;
use super::keys::Keys;
use super::takeover::Term;
use crate::shared_connection::SharedConnection;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;

/// The clocks of two servers, of which one replaces the other, differ by less than this, ms.
const CLOCKS_APART_MS: u64 = 5_000;

/// A cause: the event at a partition's position.
type Cause = (Partition, Position);

fn causes(job: &Job) -> impl Iterator<Item = Cause> {
    let transactions = job.transactions.iter();
    transactions.flat_map(|transaction| transaction.causes.iter())
}

/// Whether one of a job's causes is among those that were lost.
pub(super) fn depends(job: &Job, lost: &BTreeSet<Cause>) -> bool {
    causes(job).any(|cause| lost.contains(&cause))
}

/// When this store's terms began, by [`Partition::index`], ms since the Unix epoch by the clock of the partition's server; [`u64::MAX`] where it doesn't lead.
#[derive(Clone, Debug)]
pub(super) struct TermsBegan(Arc<[AtomicU64]>);

impl TermsBegan {
    pub fn none(partitions: Partitions) -> Self {
        let none = partitions.all().map(|_| AtomicU64::new(u64::MAX));
        Self(none.collect())
    }

    /// Sets when a partition's term began; `None` when it has ended.
    pub fn set(&self, partition: Partition, since_ms: Option<u64>) {
        self.0[partition.index()].store(since_ms.unwrap_or(u64::MAX), Ordering::Release);
    }

    fn of(&self, partition: Partition) -> u64 {
        let began = self.0.get(partition.index());
        began.map_or(0, |began| began.load(Ordering::Acquire))
    }
}

/// The causes of jobs that Redis has no more. It is asked for those only that may be older than the writer's term: whatever makes Redis go
/// back ends every writer's term. In a cluster (`began`, and a connection to all of it) a partition may go back by itself, so that the later
/// of the two terms counts.
pub(super) async fn lost(
    term: &mut Term,
    jobs: &[Job],
    in_cluster: Option<(&TermsBegan, SharedConnection)>,
) -> RedisResult<BTreeSet<Cause>> {
    let doubtful_before_ms = |partition| {
        let began = in_cluster.as_ref();
        let began = began.map_or(0, |(began, _)| began.of(partition));
        term.since_ms.max(began).saturating_add(CLOCKS_APART_MS)
    };
    let mut doubtful: BTreeSet<Cause> = jobs
        .iter()
        .flat_map(causes)
        .filter(|(partition, position)| position.ms < doubtful_before_ms(*partition))
        .collect();
    if doubtful.is_empty() {
        return Ok(doubtful);
    }
    let mut pipe = redis::pipe();
    for (partition, position) in &doubtful {
        let (events, position) = (Keys::new(*partition).events, position.to_string());
        pipe.cmd("XRANGE").arg(events).arg(&position).arg(&position);
    }
    let found: Vec<Vec<Value>> = match in_cluster {
        None => pipe.query_async(&mut term.connection).await?,
        Some((_, mut connection)) => pipe.query_async(&mut connection).await?,
    };
    let mut found = found.into_iter();
    doubtful.retain(|_| found.next().is_some_and(|events| events.is_empty()));
    Ok(doubtful)
}
