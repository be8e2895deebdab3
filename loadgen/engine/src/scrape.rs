//! A target's metrics: event lag per consumer group, backlog, the work of its Redis, and the sizes of its batches. Must not know what a
//! target calls them;
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
    pub buckets: Vec<(f64, u64)>,
    /// All lags together, seconds.
    pub sum_s: f64,
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RedisUsage {
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// Commands carried out.
    pub commands: f64,
    /// Calls of each command.
    pub calls: BTreeMap<String, f64>,
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
