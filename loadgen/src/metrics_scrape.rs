//! Reads the target's metrics in Prometheus text: event lag per consumer group, backlog, the work of its Redis, and the sizes of
//! its batches. Knows the names of those metrics;
//! a target without them is not an error.

use std::collections::BTreeMap;

/// A consumer group and one of its topics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupTopic {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
}

/// A histogram of event lag: cumulative counts by upper bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LagHistogram {
    /// Upper bounds in seconds (the last one infinite), and how many values are at most that.
    buckets: Vec<(f64, u64)>,
    sum_s: f64,
}

/// One reading of the target's metrics.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Event lag (handled − published) since the target's start.
    pub event_lag: BTreeMap<GroupTopic, LagHistogram>,
    /// Entries not yet handled.
    pub backlog: BTreeMap<GroupTopic, u64>,
    /// The work of the target's Redis since its start, if the target reports it.
    pub redis: Option<RedisUsage>,
    /// Group commits of the event store, all topics together.
    pub append_batches: Batches,
    /// Batches that workers took from the message queue, all queues together.
    pub queue_batches: Batches,
}

/// The work of a Redis server since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RedisUsage {
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// Commands carried out.
    pub commands: f64,
    /// Bytes read from its clients.
    pub input_bytes: f64,
    /// Bytes written to its clients.
    pub output_bytes: f64,
    /// Bytes of memory used now.
    pub memory_bytes: f64,
}

/// Batches and their entries, since the target's start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Batches {
    /// The number of batches.
    pub count: f64,
    /// The entries of all batches.
    pub entries: f64,
}

/// The prefixes of the metrics that are read.
const PREFIXES: [&str; 5] = [
    "ordershop_event_lag_seconds",
    "ordershop_group_backlog",
    "ordershop_redis_",
    "ordershop_append_batch_events_",
    "ordershop_queue_batch_messages_",
];

/// Statistics in microseconds, from a histogram's buckets: quantiles are upper bounds of buckets, so the true values are at most that.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(missing_docs)] // said above
pub struct LagStatistics {
    pub count: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Scrape {
    /// Parses the text format; skips all other lines.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let of_interest = |l: &&str| PREFIXES.iter().any(|prefix| l.starts_with(prefix));
        for line in text.lines().filter(of_interest) {
            if let Some((name, labels, value)) = split(line) {
                scrape.take(name, &labels, value);
            } else if let Some((name, value)) = line.split_once(' ')
                && let Ok(value) = value.trim().parse()
            {
                scrape.take_of_redis(name, value);
            }
        }
        for lag in scrape.event_lag.values_mut() {
            lag.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        scrape
    }

    fn take_of_redis(&mut self, name: &str, value: f64) {
        let redis = self.redis.get_or_insert_default();
        match name {
            "ordershop_redis_cpu_seconds_total" => redis.cpu_s = value,
            "ordershop_redis_commands_total" => redis.commands = value,
            "ordershop_redis_input_bytes_total" => redis.input_bytes = value,
            "ordershop_redis_output_bytes_total" => redis.output_bytes = value,
            "ordershop_redis_memory_bytes" => redis.memory_bytes = value,
            _ => {}
        }
    }

    fn take(&mut self, name: &str, labels: &BTreeMap<&str, String>, value: f64) {
        match name {
            "ordershop_append_batch_events_sum" => self.append_batches.entries += value,
            "ordershop_append_batch_events_count" => self.append_batches.count += value,
            "ordershop_queue_batch_messages_sum" => self.queue_batches.entries += value,
            "ordershop_queue_batch_messages_count" => self.queue_batches.count += value,
            _ => {}
        }
        let (Some(group), Some(topic)) = (labels.get("group"), labels.get("topic")) else {
            return;
        };
        let of = GroupTopic {
            group: group.clone(),
            topic: topic.clone(),
        };
        match name {
            "ordershop_group_backlog" => drop(self.backlog.insert(of, value.max(0.0) as u64)),
            "ordershop_event_lag_seconds_sum" => {
                self.event_lag.entry(of).or_default().sum_s = value
            }
            "ordershop_event_lag_seconds_bucket" => {
                let bound = labels
                    .get("le")
                    .and_then(|le| le.trim_start_matches('+').parse().ok());
                if let Some(bound) = bound {
                    self.event_lag
                        .entry(of)
                        .or_default()
                        .buckets
                        .push((bound, value as u64));
                }
            }
            _ => {}
        }
    }

    /// Entries not yet handled, all groups together.
    pub fn backlog_total(&self) -> u64 {
        self.backlog.values().sum()
    }

    /// By group, all topics together: entries not yet handled, and the lag since an earlier reading.
    pub fn groups_since(&self, before: &Self) -> BTreeMap<String, (u64, LagStatistics)> {
        let mut groups: BTreeMap<&String, (u64, LagHistogram)> = BTreeMap::new();
        for (of, backlog) in &self.backlog {
            groups.entry(&of.group).or_default().0 += backlog;
        }
        for (of, lag) in &self.event_lag {
            let all = &mut groups.entry(&of.group).or_default().1;
            all.add(&lag.since(before.event_lag.get(of)));
        }
        let groups = groups.into_iter();
        groups
            .map(|(name, (backlog, lag))| (name.clone(), (backlog, lag.statistics())))
            .collect()
    }

    /// The lag of all groups together since an earlier reading.
    pub fn lag_since(&self, before: &Self) -> LagStatistics {
        let mut all = LagHistogram::default();
        for (of, lag) in &self.event_lag {
            all.add(&lag.since(before.event_lag.get(of)));
        }
        all.statistics()
    }
}

impl Batches {
    /// The mean number of entries per batch since an earlier reading; `None` without batches.
    pub fn mean_since(&self, before: &Self) -> Option<f64> {
        let (count, entries) = (self.count - before.count, self.entries - before.entries);
        (count > 0.0 && entries >= 0.0).then(|| entries / count)
    }
}

impl LagHistogram {
    /// The difference from an earlier reading. A restarted target counts from 0 again: then the result is this whole histogram.
    pub fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) =
            before.filter(|b| b.total() <= self.total() && b.buckets.len() == self.buckets.len())
        else {
            return self.clone();
        };
        let buckets = self
            .buckets
            .iter()
            .zip(&before.buckets)
            .map(|(now, then)| (now.0, now.1.saturating_sub(then.1)))
            .collect();
        Self {
            buckets,
            sum_s: self.sum_s - before.sum_s,
        }
    }

    fn total(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// Adds another group's histogram, which has the same buckets.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            self.buckets
                .iter_mut()
                .zip(&other.buckets)
                .for_each(|(mine, theirs)| mine.1 += theirs.1);
        }
        self.sum_s += other.sum_s;
    }

    /// The upper bound, in microseconds, of the bucket of this quantile (0 to 1); 0 if the histogram is empty.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.total() as f64).ceil().max(1.0) as u64;
        let finite = |bound: f64| {
            if bound.is_finite() {
                bound
            } else {
                self.buckets
                    .iter()
                    .rev()
                    .map(|b| b.0)
                    .find(|b| b.is_finite())
                    .unwrap_or(0.0)
            }
        };
        self.buckets
            .iter()
            .find(|(_, count)| *count >= rank)
            .map_or(0.0, |(bound, _)| finite(*bound) * 1e6)
    }

    /// The histogram's statistics; all 0 if it is empty.
    pub fn statistics(&self) -> LagStatistics {
        let count = self.total();
        if count == 0 {
            return LagStatistics::default();
        }
        LagStatistics {
            count,
            mean_us: self.sum_s / count as f64 * 1e6,
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p999_us: self.quantile_us(0.999),
            max_us: self.quantile_us(1.0),
        }
    }
}

/// Parses `name{label="value",…} number`.
pub(crate) fn split(line: &str) -> Option<(&str, BTreeMap<&str, String>, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (inside, value) = rest.rsplit_once('}')?;
    let value = value.split_whitespace().next()?.parse().ok()?;
    let mut labels = BTreeMap::new();
    let mut rest = inside;
    while let Some((label, tail)) = rest.split_once("=\"") {
        let end = tail
            .char_indices()
            .find(|(i, c)| *c == '"' && !tail[..*i].ends_with('\\'))?
            .0;
        labels.insert(
            label.trim_matches([',', ' ']),
            tail[..end].replace("\\\"", "\""),
        );
        rest = &tail[end + 1..];
    }
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(counts: [u64; 3], backlog: u64) -> String {
        let bucket = |le: &str, n: u64| {
            format!(
                "ordershop_event_lag_seconds_bucket{{group=\"crm-service\",topic=\"order\",le=\"{le}\"}} {n}\n"
            )
        };
        let bounds = [
            bucket("0.001", counts[0]),
            bucket("0.01", counts[1]),
            bucket("+Inf", counts[2]),
        ]
        .concat();
        format!(
            "# HELP x\n{bounds}ordershop_event_lag_seconds_sum{{group=\"crm-service\",topic=\"order\"}} 0.5\nordershop_group_backlog{{group=\"crm-service\",topic=\"order\"}} {backlog}\n"
        )
    }

    #[test]
    fn lag_is_the_difference_of_two_looks_and_at_most_its_buckets_bound() {
        let (before, after) = (
            Scrape::parse(&text([100, 100, 100], 3)),
            Scrape::parse(&text([190, 200, 200], 0)),
        );
        let lag = after.lag_since(&before);
        assert_eq!(
            (lag.count, lag.p50_us, lag.p99_us, lag.max_us),
            (100, 1_000.0, 10_000.0, 10_000.0)
        );
        assert_eq!((before.backlog_total(), after.backlog_total()), (3, 0));
    }

    #[test]
    fn a_target_that_was_started_again_counts_from_nothing() {
        let (before, after) = (
            Scrape::parse(&text([100, 100, 100], 0)),
            Scrape::parse(&text([7, 7, 7], 0)),
        );
        assert_eq!(after.lag_since(&before).count, 7);
    }

    #[test]
    fn the_work_of_redis_and_the_size_of_batches_are_read() {
        let text = "ordershop_redis_commands_total 42\nordershop_redis_cpu_seconds_total 1.5\nordershop_redis_memory_bytes 7\n\
            ordershop_append_batch_events_sum{topic=\"order\"} 30\nordershop_append_batch_events_count{topic=\"order\"} 10\n\
            ordershop_append_batch_events_sum{topic=\"cart\"} 10\nordershop_append_batch_events_count{topic=\"cart\"} 10\n";
        let scrape = Scrape::parse(text);
        let redis = scrape.redis.unwrap_or_default();
        assert_eq!(
            (redis.commands, redis.cpu_s, redis.memory_bytes),
            (42.0, 1.5, 7.0)
        );
        let none = Batches::default();
        assert_eq!(scrape.append_batches.mean_since(&none), Some(2.0));
        assert_eq!(scrape.queue_batches.mean_since(&none), None);
    }

    #[test]
    fn what_is_no_metric_of_interest_is_passed_over() {
        assert_eq!(
            Scrape::parse("go_threads 3\nnonsense{ 1\nordershop_group_backlog{group=\"a\"} x\n")
                .backlog_total(),
            0
        );
    }
}
