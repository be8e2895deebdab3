//! The latency budget's figures: the distribution of every part by request and by awaited state, and the slowest journeys
//! in full. Memory does not grow with the length of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::critical_path::CriticalPath;
use crate::pairs;
use crate::record::Times;

/// The number of slowest journeys kept in full.
pub const SLOWEST_MAX: usize = 10;
/// The most parts of one request or state; further ones are counted together, because the target chooses the names.
const PARTS_MAX: usize = 32;
/// The name of the further parts.
const FURTHER: &str = "further parts";
/// The most paths of one of the slowest journeys, and the most segments of a path.
const PATHS_MAX: usize = 40;
const SEGMENTS_MAX: usize = 100;

/// A distribution of times that may be negative, in microseconds; its sum is exact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SignedTimes {
    negative: Times,
    others: Times,
    sum_us: i64,
}

impl SignedTimes {
    /// Records one time.
    pub fn record(&mut self, time_us: i64) {
        let side = match time_us < 0 {
            true => &mut self.negative,
            false => &mut self.others,
        };
        side.record(Duration::from_micros(time_us.unsigned_abs()));
        self.sum_us += time_us;
    }

    /// Adds another distribution.
    pub fn add(&mut self, other: &Self) {
        self.negative.add(&other.negative);
        self.others.add(&other.others);
        self.sum_us += other.sum_us;
    }

    /// The sum of all recorded times, in microseconds.
    #[must_use]
    pub fn sum_us(&self) -> i64 {
        self.sum_us
    }

    /// The value at a quantile (0 to 1) of `of` values: those recorded, and zeros for the rest.
    #[must_use]
    pub fn at(&self, quantile: f64, of: u64) -> i64 {
        let rank = ((quantile * of as f64).ceil() as u64).max(1);
        let (negative, others) = (&self.negative.0, &self.others.0);
        let zeros = of.saturating_sub(negative.len() + others.len());
        // `rank` counts from the smallest value, from 1.
        let ranked = |times: &hdrhistogram::Histogram<u64>, rank: u64| {
            let quantile = (rank as f64 - 0.5) / times.len() as f64;
            times.value_at_quantile(quantile).cast_signed()
        };
        if rank <= negative.len() {
            -ranked(negative, negative.len() - rank + 1)
        } else if rank <= negative.len() + zeros || others.is_empty() {
            0
        } else {
            ranked(others, rank - negative.len() - zeros)
        }
    }
}

/// The end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PathEnd {
    /// A request's answer, by `Action::Request`'s `id`.
    Answer(usize),
    /// An awaited state, by `Await::id`.
    State(usize),
}

/// All paths to one end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CriticalPaths {
    /// The number of paths.
    pub count: u64,
    /// Total times, from the intended start.
    pub total: SignedTimes,
    /// Times by part; a part that a path lacks took no time in it.
    pub parts: BTreeMap<String, SignedTimes>,
}

/// One journey in full.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlowJourney {
    /// Its trace id.
    pub trace: u128,
    /// When it should have started; microseconds since the Unix epoch.
    pub from_us: i64,
    /// Its length in microseconds, without the scenario's pauses.
    pub length_us: i64,
    /// Its requests and states by name, ordered by their end.
    pub paths: Vec<(String, CriticalPath)>,
}

/// Everything about the sampled journeys of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BudgetFigures {
    /// Number of sampled journeys.
    pub sampled: u64,
    /// All paths, by their end.
    #[serde(with = "pairs")]
    pub paths: BTreeMap<PathEnd, CriticalPaths>,
    /// The slowest journeys, slowest first.
    pub slowest: Vec<SlowJourney>,
}

impl BudgetFigures {
    /// Adds one path.
    pub fn path(&mut self, end: PathEnd, path: &CriticalPath) {
        let mut parts: BTreeMap<&str, i64> = BTreeMap::new();
        for segment in &path.segments {
            *parts.entry(&segment.part).or_default() += segment.to_us - segment.from_us;
        }
        let paths = self.paths.entry(end).or_default();
        paths.count += 1;
        paths.total.record(path.to_us() - path.from_us);
        for (part, length_us) in parts {
            paths.part(part).record(length_us);
        }
    }

    /// Whether a journey of this length would be among the slowest.
    pub fn is_slow(&self, length_us: i64) -> bool {
        let kept = &self.slowest;
        kept.len() < SLOWEST_MAX || kept.last().is_some_and(|last| last.length_us < length_us)
    }

    /// Adds one journey; it is kept if it is among the slowest.
    pub fn journey(&mut self, mut journey: SlowJourney) {
        journey.paths.truncate(PATHS_MAX);
        for (_, path) in &mut journey.paths {
            path.segments.truncate(SEGMENTS_MAX);
        }
        let place = self
            .slowest
            .partition_point(|other| other.length_us >= journey.length_us);
        if place < SLOWEST_MAX {
            self.slowest.insert(place, journey);
            self.slowest.truncate(SLOWEST_MAX);
        }
    }

    /// Adds another driver's figures.
    pub fn add(&mut self, other: Self) {
        self.sampled += other.sampled;
        for (end, theirs) in other.paths {
            let mine = self.paths.entry(end).or_default();
            mine.count += theirs.count;
            mine.total.add(&theirs.total);
            for (part, times) in &theirs.parts {
                mine.part(part).add(times);
            }
        }
        other.slowest.into_iter().for_each(|j| self.journey(j));
    }
}

impl CriticalPaths {
    fn part(&mut self, part: &str) -> &mut SignedTimes {
        let known = self.parts.contains_key(part) || self.parts.len() < PARTS_MAX;
        let part = if known { part } else { FURTHER };
        self.parts.entry(part.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::critical_path::PathSegment;

    fn path(lengths: &[(&str, i64)]) -> CriticalPath {
        let mut segments: Vec<PathSegment> = Vec::new();
        for (part, length) in lengths {
            let from_us = segments
                .last()
                .map_or(100, |segment: &PathSegment| segment.to_us);
            segments.push(PathSegment {
                part: (*part).into(),
                at: String::new(),
                from_us,
                to_us: from_us + length,
            });
        }
        CriticalPath {
            from_us: 100,
            segments,
        }
    }

    #[test]
    fn quantiles_count_from_the_most_negative_and_what_was_not_recorded_as_zero() {
        let mut times = SignedTimes::default();
        for time_us in [-30, -20, 0, 5, 10, 40] {
            times.record(time_us);
        }
        let rows = [
            (0.0, 6, -30),
            (0.1, 6, -30),
            (0.3, 6, -20),
            (0.5, 6, 0),
            (0.6, 6, 5),
            (1.0, 6, 40),
            (0.5, 10, 0),
            (0.9, 10, 10),
        ];
        for (quantile, of, expected) in rows {
            assert_eq!(times.at(quantile, of), expected, "{quantile} of {of}");
        }
        assert_eq!(times.sum_us(), 5);
        assert_eq!(SignedTimes::default().at(0.99, 7), 0);
    }

    #[test]
    fn the_parts_sums_are_the_total_s_whatever_parts_a_way_has() {
        let mut one = BudgetFigures::default();
        one.path(
            PathEnd::State(0),
            &path(&[("handler", 7), ("append", 5), ("handler", 9)]),
        );
        let mut other = BudgetFigures::default();
        other.path(
            PathEnd::State(0),
            &path(&[("handler", 4), ("unexplained", -6)]),
        );
        one.add(other);

        let paths = &one.paths[&PathEnd::State(0)];
        let sum: i64 = paths.parts.values().map(SignedTimes::sum_us).sum();

        assert_eq!((paths.count, sum), (2, 19));
        assert_eq!(paths.total.sum_us(), 19);
        assert_eq!(paths.parts["handler"].at(1.0, 2), 16);
    }

    #[test]
    fn names_without_end_are_counted_together_and_stay_in_the_sum() {
        let mut figures = BudgetFigures::default();
        for n in 0..1_000 {
            figures.path(PathEnd::Answer(0), &path(&[(&format!("part {n}"), 1)]));
        }
        let paths = &figures.paths[&PathEnd::Answer(0)];
        assert_eq!(paths.parts.len(), PARTS_MAX + 1);
        let sum: i64 = paths.parts.values().map(SignedTimes::sum_us).sum();
        assert_eq!(sum, paths.total.sum_us());
    }

    #[test]
    fn only_the_slowest_journeys_are_kept_the_slowest_first() {
        let mut figures = BudgetFigures::default();
        for length_us in [5, 30, 1, 20, 9, 8, 7, 6, 4, 3, 2, 25, 10] {
            figures.journey(SlowJourney {
                trace: 1,
                from_us: 0,
                length_us,
                paths: Vec::new(),
            });
        }
        let lengths: Vec<i64> = figures.slowest.iter().map(|j| j.length_us).collect();
        assert_eq!(lengths, [30, 25, 20, 10, 9, 8, 7, 6, 5, 4]);
    }
}
