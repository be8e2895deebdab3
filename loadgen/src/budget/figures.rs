//! The latency budget's figures: the distribution of every part by request and by awaited state, and the slowest journeys
//! in full. Memory does not grow with the length of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::way::Way;
use crate::record::Times;

/// The number of slowest journeys kept in full.
pub const SLOWEST_MAX: usize = 10;
/// The most parts of one request or state; further ones are counted together, because the target chooses the names.
const PARTS_MAX: usize = 32;
/// The name of the further parts.
const FURTHER: &str = "further parts";
/// The most lanes of one of the slowest journeys, and the most legs of a lane.
const LANES_MAX: usize = 40;
const LEGS_MAX: usize = 100;

/// A distribution of times that may be negative, in microseconds; its sum is exact.
#[derive(Debug, Clone, Default)]
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

/// The end of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A request's answer, by `Step::id`.
    Answer(usize),
    /// An awaited state, by `Await::id`.
    State(usize),
}

/// All ways to one end.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// The number of ways.
    pub count: u64,
    /// Total times, from the intended start.
    pub total: SignedTimes,
    /// Times by part; a part that a way lacks took no time in it.
    pub parts: BTreeMap<String, SignedTimes>,
}

/// One journey in full.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Its trace id.
    pub trace: u128,
    /// When it should have started; microseconds since the Unix epoch.
    pub from_us: i64,
    /// Its length in microseconds, without the scenario's pauses.
    pub length_us: i64,
    /// Its requests and states by name, ordered by their end.
    pub lanes: Vec<(String, Way)>,
}

/// Everything about the sampled journeys of a run.
#[derive(Debug, Clone, Default)]
pub struct BudgetFigures {
    /// Journeys sampled.
    pub sampled: u64,
    /// All ways, by their end.
    pub ways: BTreeMap<End, Ways>,
    /// The slowest journeys, slowest first.
    pub slowest: Vec<Journey>,
}

impl BudgetFigures {
    /// Adds one way.
    pub fn way(&mut self, end: End, way: &Way) {
        let mut parts: BTreeMap<&str, i64> = BTreeMap::new();
        for leg in &way.legs {
            *parts.entry(&leg.part).or_default() += leg.to_us - leg.from_us;
        }
        let ways = self.ways.entry(end).or_default();
        ways.count += 1;
        ways.total.record(way.to_us() - way.from_us);
        for (part, length_us) in parts {
            ways.part(part).record(length_us);
        }
    }

    /// Adds one journey; it is kept if it is among the slowest.
    pub fn journey(&mut self, mut journey: Journey) {
        journey.lanes.truncate(LANES_MAX);
        for (_, way) in &mut journey.lanes {
            way.legs.truncate(LEGS_MAX);
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
        for (end, theirs) in other.ways {
            let mine = self.ways.entry(end).or_default();
            mine.count += theirs.count;
            mine.total.add(&theirs.total);
            for (part, times) in &theirs.parts {
                mine.part(part).add(times);
            }
        }
        other.slowest.into_iter().for_each(|j| self.journey(j));
    }
}

impl Ways {
    fn part(&mut self, part: &str) -> &mut SignedTimes {
        let known = self.parts.contains_key(part) || self.parts.len() < PARTS_MAX;
        let part = if known { part } else { FURTHER };
        self.parts.entry(part.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::way::Leg;

    fn way(lengths: &[(&str, i64)]) -> Way {
        let mut legs: Vec<Leg> = Vec::new();
        for (part, length) in lengths {
            let from_us = legs.last().map_or(100, |leg: &Leg| leg.to_us);
            legs.push(Leg {
                part: (*part).into(),
                at: String::new(),
                from_us,
                to_us: from_us + length,
            });
        }
        Way { from_us: 100, legs }
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
        one.way(
            End::State(0),
            &way(&[("handler", 7), ("append", 5), ("handler", 9)]),
        );
        let mut other = BudgetFigures::default();
        other.way(End::State(0), &way(&[("handler", 4), ("unexplained", -6)]));
        one.add(other);

        let ways = &one.ways[&End::State(0)];
        let sum: i64 = ways.parts.values().map(SignedTimes::sum_us).sum();

        assert_eq!((ways.count, sum), (2, 19));
        assert_eq!(ways.total.sum_us(), 19);
        assert_eq!(ways.parts["handler"].at(1.0, 2), 16);
    }

    #[test]
    fn names_without_end_are_counted_together_and_stay_in_the_sum() {
        let mut figures = BudgetFigures::default();
        for n in 0..1_000 {
            figures.way(End::Answer(0), &way(&[(&format!("part {n}"), 1)]));
        }
        let ways = &figures.ways[&End::Answer(0)];
        assert_eq!(ways.parts.len(), PARTS_MAX + 1);
        let sum: i64 = ways.parts.values().map(SignedTimes::sum_us).sum();
        assert_eq!(sum, ways.total.sum_us());
    }

    #[test]
    fn only_the_slowest_journeys_are_kept_the_slowest_first() {
        let mut figures = BudgetFigures::default();
        for length_us in [5, 30, 1, 20, 9, 8, 7, 6, 4, 3, 2, 25, 10] {
            figures.journey(Journey {
                trace: 1,
                from_us: 0,
                length_us,
                lanes: Vec::new(),
            });
        }
        let lengths: Vec<i64> = figures.slowest.iter().map(|j| j.length_us).collect();
        assert_eq!(lengths, [30, 25, 20, 10, 9, 8, 7, 6, 5, 4]);
    }
}
