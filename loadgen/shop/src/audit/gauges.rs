//! The target's gauges of unfinished work. Knows the names of those metrics.

use std::collections::BTreeMap;

use crate::metrics::split;
use loadgen_engine::feed::partition::Partition;

/// One reading of the gauges, by group and topic (all its partitions together) or by queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gauges {
    /// Events that a group has not handled.
    pub backlog: BTreeMap<String, u64>,
    /// Pending entries: events that a group has received but not acknowledged.
    pub pending: BTreeMap<String, u64>,
    /// Messages that wait in a queue.
    pub queued: BTreeMap<String, u64>,
    /// Messages that a worker has taken and not answered; a dead worker's, too.
    pub held: BTreeMap<String, u64>,
    /// Dead letters of groups and queues.
    pub dead_letters: BTreeMap<String, u64>,
    /// Asynchronous commands that were refused, by queue.
    pub refused_later: BTreeMap<String, u64>,
    /// Transactions that the event store has written so far.
    pub appends: u64,
}

impl Gauges {
    /// Parses the Prometheus text format; `None` if it has none of these gauges.
    pub fn parse(text: &str) -> Option<Self> {
        let mut gauges = Self::default();
        for line in text.lines().filter(|line| line.starts_with("ordershop_")) {
            let Some((name, labels, value)) = split(line) else {
                continue;
            };
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let of_group = || {
                let partition = label("topic");
                format!("{}/{}", label("group"), Partition::parse(&partition).topic)
            };
            let count = value.max(0.0) as u64;
            let (family, of) = match name {
                "ordershop_group_backlog" => (&mut gauges.backlog, of_group()),
                "ordershop_group_pending" => (&mut gauges.pending, of_group()),
                "ordershop_queue_depth" => (&mut gauges.queued, label("queue")),
                "ordershop_queue_held" => (&mut gauges.held, label("queue")),
                "ordershop_group_dead_letters" => (&mut gauges.dead_letters, of_group()),
                "ordershop_queue_dead_letters" => (&mut gauges.dead_letters, label("queue")),
                "ordershop_async_rejections_total" => (&mut gauges.refused_later, label("queue")),
                "ordershop_appends_total" => {
                    gauges.appends += count;
                    continue;
                }
                _ => continue,
            };
            *family.entry(of).or_default() += count;
        }
        (!gauges.backlog.is_empty() || !gauges.queued.is_empty()).then_some(gauges)
    }

    /// Number of events and messages in flight.
    pub fn in_flight(&self) -> u64 {
        let families = [&self.backlog, &self.pending, &self.queued, &self.held];
        families.into_iter().flat_map(BTreeMap::values).sum()
    }

    /// The groups and queues that have work in flight, in words.
    pub fn busy(&self) -> String {
        let families = [&self.backlog, &self.queued, &self.held];
        let families = families.into_iter().flatten();
        let busy = families.filter(|(_, count)| **count > 0);
        let busy: Vec<String> = busy.map(|(of, count)| format!("{of} {count}")).collect();
        busy.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_s_partitions_are_added_up_and_topics_and_groups_are_not() {
        let text = "ordershop_group_backlog{group=\"g\",topic=\"order\"} 2\n\
            ordershop_group_backlog{group=\"g\",topic=\"order.1\"} 3\n\
            ordershop_group_backlog{group=\"g\",topic=\"cart.1\"} 4\n\
            ordershop_group_backlog{group=\"h\",topic=\"order.1\"} 5\n\
            ordershop_group_pending{group=\"g\",topic=\"order.1\"} 1\n\
            ordershop_group_dead_letters{group=\"g\",topic=\"order\"} 6\n\
            ordershop_group_dead_letters{group=\"g\",topic=\"order.1\"} 7\n\
            ordershop_appends_total{topic=\"order\"} 10\n\
            ordershop_appends_total{topic=\"order.1\"} 20\n";
        let gauges = Gauges::parse(text).unwrap();
        let rows = |of: &BTreeMap<String, u64>| -> Vec<String> {
            of.iter()
                .map(|(of, count)| format!("{of} {count}"))
                .collect()
        };
        assert_eq!(
            rows(&gauges.backlog),
            ["g/cart 4", "g/order 5", "h/order 5"]
        );
        assert_eq!(rows(&gauges.dead_letters), ["g/order 13"]);
        assert_eq!((gauges.in_flight(), gauges.appends), (15, 30));
    }
}
