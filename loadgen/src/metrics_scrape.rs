//! What the target says about itself in Prometheus text: event lag per consumer group, backlog. Knows the names of those figures;
//! a target that has none of them is no error.

use std::collections::BTreeMap;

/// A consumer group and a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupTopic {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
}

/// Cumulative counts by upper bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LagHistogram {
    /// Upper bound in seconds (the last one infinite) and how many are at most that.
    buckets: Vec<(f64, u64)>,
    sum_s: f64,
}

/// One look at the target's metrics.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Handling done − published, since the target's start.
    pub event_lag: BTreeMap<GroupTopic, LagHistogram>,
    /// Entries not yet handled.
    pub backlog: BTreeMap<GroupTopic, u64>,
}

/// Statistics in microseconds. From a histogram's buckets: each is the upper bound of its bucket, so at most that.
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
    /// Reads the text format; lines that are something else are passed over.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines().filter(|l| {
            l.starts_with("ordershop_event_lag_seconds") || l.starts_with("ordershop_group_backlog")
        }) {
            if let Some((name, labels, value)) = split(line) {
                scrape.take(name, &labels, value);
            }
        }
        for lag in scrape.event_lag.values_mut() {
            lag.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        scrape
    }

    fn take(&mut self, name: &str, labels: &BTreeMap<&str, String>, value: f64) {
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

    /// Each group, all topics together: entries not yet handled, and the lag since an earlier look.
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

    /// All groups' lag since an earlier look, together.
    pub fn lag_since(&self, before: &Self) -> LagStatistics {
        let mut all = LagHistogram::default();
        for (of, lag) in &self.event_lag {
            all.add(&lag.since(before.event_lag.get(of)));
        }
        all.statistics()
    }
}

impl LagHistogram {
    /// What has been added since an earlier look. A target that was started again counts from nothing: then this look is all.
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

    /// Adds another group's, which has the same buckets.
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

    /// The upper bound of the bucket that this quantile (0 to 1) falls into; 0 when it is empty.
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

    /// Its statistics; all 0 when it is empty.
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

/// `name{label="value",…} number` taken apart.
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
    fn what_is_no_metric_of_interest_is_passed_over() {
        assert_eq!(
            Scrape::parse("go_threads 3\nnonsense{ 1\nordershop_group_backlog{group=\"a\"} x\n")
                .backlog_total(),
            0
        );
    }
}
