//! `accepted_present`: every accepted write was carried out exactly once, and nothing was created without a request. A write without a
//! response may have been carried out once or not at all.

use std::collections::{HashMap, HashSet};

use super::super::gauges::Gauges;
use super::super::history::History;
use super::super::topic::ShopTopic;
use loadgen_engine::record::ledger::Ledger;
use loadgen_report::audit::CheckReport;

/// The most partitions that a topic can have.
const PARTITIONS_MAX: u32 = 64;

/// Checks every write of the run. `from_nothing` says that the target was empty before, so that every entity must come from the run.
pub fn accepted_present(
    history: &History,
    ledger: Option<&Ledger>,
    gauges: Option<&Gauges>,
    from_nothing: bool,
) -> CheckReport {
    let mut report = CheckReport::new("accepted_present", "accepted writes");
    let Some(ledger) = ledger else {
        report.skipped = Some("there is no list of accepted writes without a run".to_owned());
        return report;
    };
    let mut asked: HashMap<ShopTopic, HashSet<&str>> = HashMap::new();
    // Those that were answered before it was known where the entity would lie.
    let mut deferred: HashMap<ShopTopic, HashSet<&str>> = HashMap::new();
    let mut open: HashMap<(ShopTopic, Option<u128>), u64> = HashMap::new();
    for (kind, writes) in ledger.kinds() {
        let Some(topic) = ShopTopic::named(kind) else {
            continue;
        };
        for (trace, entities) in writes.indeterminate() {
            *open.entry((topic, trace)).or_default() += entities;
        }
        let asked = asked.entry(topic).or_default();
        for id in writes.accepted() {
            asked.insert(id);
            let created = history.created(topic, id);
            report.look(id, miscounted(topic, created, false));
        }
        let may_be_refused = refused_later(gauges, topic) != Some(0);
        let deferred = deferred.entry(topic).or_default();
        for id in writes.deferred() {
            asked.insert(id);
            deferred.insert(id);
            let elsewhere = in_another_partition(id);
            let elsewhere = elsewhere.map(|id| history.created(topic, &id));
            let created = history.created(topic, id) + elsewhere.sum::<u32>();
            report.look(id, miscounted(topic, created, may_be_refused));
        }
    }
    if !from_nothing {
        report.skipped = Some(
            "unrequested entities can't be found, because the target was not empty before"
                .to_owned(),
        );
        return report;
    }
    for ((topic, id), created) in &history.created {
        let is_in = |of: &HashMap<ShopTopic, HashSet<&str>>, id: &str| {
            of.get(topic).is_some_and(|ids| ids.contains(id))
        };
        let is_asked = is_in(&asked, id.as_ref())
            || as_answered(id.as_ref()).is_some_and(|id| is_in(&deferred, &id));
        if is_asked || history.reactions.contains(id) {
            continue;
        }
        // It may come from a request without a response: of its own trace, or of none.
        let mut traces = [created.trace, None].into_iter();
        let may_be_of = |trace| {
            let open = open.get_mut(&(*topic, trace));
            open.is_some_and(|open| match open.checked_sub(1) {
                Some(left) => {
                    *open = left;
                    true
                }
                None => false,
            })
        };
        if !traces.any(may_be_of) {
            report.fell(id.as_ref(), format!("{topic}: created without a request"));
        }
    }
    report
}

fn miscounted(topic: ShopTopic, created: u32, may_be_refused: bool) -> Option<String> {
    match created {
        1 => None,
        0 if may_be_refused => None,
        0 => Some(format!("{topic}: accepted, but never created")),
        times => Some(format!("{topic}: created {times} times")),
    }
}

/// The ids that an entity has whose request was answered before it was known where it would lie: with the number of its partition.
fn in_another_partition(id: &str) -> impl Iterator<Item = String> {
    let (stem, element) = id.split_at(id.find('-').unwrap_or(id.len()));
    (0..PARTITIONS_MAX).map(move |number| format!("{stem}.{number}{element}"))
}

/// The id as its request was answered: without the number of its partition.
fn as_answered(id: &str) -> Option<String> {
    let (stem, rest) = id.rsplit_once('.')?;
    let (number, element) = rest.split_at(rest.find('-').unwrap_or(rest.len()));
    let is_number = number.parse::<u32>().is_ok();
    is_number.then(|| format!("{stem}{element}"))
}

/// Number of asynchronous creations that were refused after their response; `None` if the target does not expose it.
fn refused_later(gauges: Option<&Gauges>, topic: ShopTopic) -> Option<u64> {
    let create = format!(".create_{}", topic.plural());
    let queues = gauges?.refused_later.iter();
    Some(
        queues
            .filter(|(queue, _)| queue.ends_with(&create))
            .map(|(_, n)| n)
            .sum(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_with_the_number_of_its_partition_and_without() {
        for (answered, made) in [("1f0c", "1f0c.3"), ("1f0c-12", "1f0c.3-12")] {
            assert!(in_another_partition(answered).any(|id| id == made));
            assert_eq!(as_answered(made).as_deref(), Some(answered));
        }
        for id in ["1f0c-12", "1f0c.cleared", "1f0c.x-12", "1f0c."] {
            assert_eq!(as_answered(id), None, "{id}");
        }
    }
}
