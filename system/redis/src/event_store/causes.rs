//! Whether Redis still has what led to transactions. Each topic has a writer of its own: after a restart it may be given what was decided on
//! an event of another topic, without which Redis came back. Knows positions, not what was decided.

use std::collections::BTreeSet;

use redis::{RedisResult, Value};

use super::inbox::Job;
use super::keys::Keys;
use super::takeover::Term;
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

/// The causes of jobs that Redis has no more. It is asked for those only that may be older than the writer's term: whatever makes Redis go
/// back ends every writer's term.
pub(super) async fn lost(term: &mut Term, jobs: &[Job]) -> RedisResult<BTreeSet<Cause>> {
    let doubtful_before_ms = term.since_ms + CLOCKS_APART_MS;
    let mut doubtful: BTreeSet<Cause> = jobs
        .iter()
        .flat_map(causes)
        .filter(|(_, position)| position.ms < doubtful_before_ms)
        .collect();
    if doubtful.is_empty() {
        return Ok(doubtful);
    }
    let mut pipe = redis::pipe();
    for (topic, position) in &doubtful {
        let (events, position) = (Keys::new(*topic, 0).events, position.to_string());
        pipe.cmd("XRANGE").arg(events).arg(&position).arg(&position);
    }
    let found: Vec<Vec<Value>> = pipe.query_async(&mut term.connection).await?;
    let mut found = found.into_iter();
    doubtful.retain(|_| found.next().is_some_and(|events| events.is_empty()));
    Ok(doubtful)
}
