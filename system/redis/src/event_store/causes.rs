//! Whether Redis still has what led to transactions. Each topic has a writer of its own: after a restart it may be given what was decided on
//! an event of another topic, without which Redis came back. Knows positions, not what was decided.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::{RedisResult, Value};

use super::inbox::Job;
use super::keys::Keys;
use super::takeover::Term;
use crate::shared_connection::SharedConnection;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// The clocks of two servers, of which one replaces the other, differ by less than this, ms.
const CLOCKS_APART_MS: u64 = 5_000;

/// A cause: the event at a topic's position.
type Cause = (Topic, Position);

fn causes(job: &Job) -> impl Iterator<Item = Cause> {
    let transactions = job.transactions.iter();
    transactions.flat_map(|transaction| transaction.causes.iter())
}

/// Whether one of a job's causes is among those that were lost.
pub(super) fn depends(job: &Job, lost: &BTreeSet<Cause>) -> bool {
    causes(job).any(|cause| lost.contains(&cause))
}

/// When this store's terms began, by topic, ms since the Unix epoch by the clock of the topic's server; [`u64::MAX`] where it doesn't lead.
#[derive(Clone, Debug)]
pub(super) struct TermsBegan(Arc<[AtomicU64; Topic::ALL.len()]>);

impl TermsBegan {
    pub fn none() -> Self {
        Self(Arc::new(Topic::ALL.map(|_| AtomicU64::new(u64::MAX))))
    }

    /// Sets when a topic's term began; `None` when it has ended.
    pub fn set(&self, topic: Topic, since_ms: Option<u64>) {
        self.0[topic.index()].store(since_ms.unwrap_or(u64::MAX), Ordering::Release);
    }

    fn of(&self, topic: Topic) -> u64 {
        self.0[topic.index()].load(Ordering::Acquire)
    }
}

/// The causes of jobs that Redis has no more. It is asked for those only that may be older than the writer's term: whatever makes Redis go
/// back ends every writer's term. In a cluster (`began`, and a connection to all of it) a topic goes back by itself, so that the later of the
/// two topics' terms counts.
pub(super) async fn lost(
    term: &mut Term,
    jobs: &[Job],
    in_cluster: Option<(&TermsBegan, SharedConnection)>,
) -> RedisResult<BTreeSet<Cause>> {
    let doubtful_before_ms = |topic| {
        let began = in_cluster.as_ref().map_or(0, |(began, _)| began.of(topic));
        term.since_ms.max(began).saturating_add(CLOCKS_APART_MS)
    };
    let mut doubtful: BTreeSet<Cause> = jobs
        .iter()
        .flat_map(causes)
        .filter(|(topic, position)| position.ms < doubtful_before_ms(*topic))
        .collect();
    if doubtful.is_empty() {
        return Ok(doubtful);
    }
    let mut pipe = redis::pipe();
    for (topic, position) in &doubtful {
        let (events, position) = (Keys::new(*topic, 0).events, position.to_string());
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
