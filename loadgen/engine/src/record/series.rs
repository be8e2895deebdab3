//! A run's figures over time, in intervals of equal length. Memory is bounded however long the run: when the list is
//! full, neighbours are merged and every interval is twice as long. Distributions are in the interval logs. Must not know how
//! a series is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

/// The most points of a series; a longer run halves the resolution.
pub const POINTS_MAX: usize = 600;
/// The name of this process in `Series::processes`.
pub const GENERATOR: &str = "loadgen (generator)";
/// What the name of an agent's process begins with in `Series::processes`, before its address.
pub const AGENT: &str = "agent ";
/// The name of all other programs, besides generator and started system, in `Series::processes`.
pub const OTHERS: &str = "other programs";
/// The name of a virtual machine's steal time in `Series::processes`.
pub const HOST: &str = "taken by the host";

/// The most groups, and the most processes, in a series; further ones are left out.
const NAMES_MAX: usize = 32;

/// A run over time. Point `i` covers `[i, i + 1) × interval_s` after the run's start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Length of an interval in seconds: 1, 2, 4 and so on.
    pub interval_s: u64,
    /// The processes of `Point::cpu_pct`, in its order.
    pub processes: Vec<String>,
    /// The consumer groups of `Point::groups`, in its order.
    pub groups: Vec<String>,
    /// The workloads of `Point::workloads`, in its order, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
    /// The points, in order of time.
    pub points: Vec<Point>,
}

/// One interval. Counts are of this interval; unknown values are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds of it that belong to the run: the last one may be shorter.
    pub length_s: f64,
    /// Journeys that the schedule asked for, without the warm-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<f64>,
    /// Journeys started, those of the warm-up included.
    pub started: u64,
    /// Journeys completed; without the warm-up, like all counts below.
    pub completed: u64,
    /// Journeys that ended by an error.
    pub failed: u64,
    /// Arrivals over the in-flight limit.
    pub dropped: u64,
    /// Requests tried.
    pub requests: u64,
    /// Errors of requests and of awaited states.
    pub errors: u64,
    /// Requests without an answer, which are among the errors.
    #[serde(default)]
    pub unanswered: u64,
    /// The most journeys in flight at the end of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// CPU by process, in percent of one core, on average.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu_pct: Vec<Option<f64>>,
    /// The target's metrics of its consumer groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Option<GroupPoint>>,
    /// By workload, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadPoint>,
    /// The number of observations in it: the weight of its means.
    #[serde(skip)]
    pub sightings: u32,
}

/// A workload in one interval, without its warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkloadPoint {
    /// Journeys that its schedule asked for, if it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<f64>,
    /// Journeys completed.
    pub completed: u64,
}

/// A consumer group in one interval, all topics together. Of several seconds, the worst one counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupPoint {
    /// Entries not yet handled.
    pub backlog: u64,
    /// Events handled.
    pub handled: u64,
    /// Median event lag in microseconds; 0 when nothing was handled.
    pub lag_p50_us: f64,
    /// 99th percentile of event lag in microseconds; 0 when nothing was handled.
    pub lag_p99_us: f64,
}

/// An observation of machine and target at one time.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// CPU by process since the last observation, in percent of one core.
    pub cpu_pct: Vec<(String, f64)>,
    /// Figures by consumer group.
    pub groups: Vec<(String, GroupPoint)>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            interval_s: 1,
            processes: Vec::new(),
            groups: Vec::new(),
            workloads: Vec::new(),
            points: Vec::new(),
        }
    }
}

impl GroupPoint {
    /// Merges the next interval, or another observation of the same one.
    fn join(&mut self, other: &Self) {
        self.backlog = self.backlog.max(other.backlog);
        self.handled += other.handled;
        self.lag_p50_us = self.lag_p50_us.max(other.lag_p50_us);
        self.lag_p99_us = self.lag_p99_us.max(other.lag_p99_us);
    }
}

impl Point {
    /// Adds the counts of another point, but neither its length nor its observations.
    pub fn add_counts(&mut self, other: &Self) {
        self.started += other.started;
        self.completed += other.completed;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.requests += other.requests;
        self.errors += other.errors;
        self.unanswered += other.unanswered;
        self.asked = sum(self.asked, other.asked);
        if self.workloads.is_empty() {
            self.workloads.clone_from(&other.workloads);
            return;
        }
        for (mine, theirs) in self.workloads.iter_mut().zip(&other.workloads) {
            mine.completed += theirs.completed;
            mine.asked = sum(mine.asked, theirs.asked);
        }
    }

    /// Merges the next point into this one.
    fn append(&mut self, next: &Self) {
        self.add_counts(next);
        self.in_flight = self.in_flight.max(next.in_flight);
        self.length_s += next.length_s;
        let (mine_n, next_n) = (self.sightings.max(1), next.sightings.max(1));
        widen(&mut self.cpu_pct, next.cpu_pct.len());
        for (mine, theirs) in self.cpu_pct.iter_mut().zip(&next.cpu_pct) {
            *mine = match (*mine, *theirs) {
                (Some(a), Some(b)) => Some(mean(a, mine_n, b, next_n)),
                (a, b) => a.or(b),
            };
        }
        self.sightings += next.sightings;
        widen(&mut self.groups, next.groups.len());
        for (mine, theirs) in self.groups.iter_mut().zip(&next.groups) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.join(theirs),
                (mine, theirs) => *mine = mine.or(*theirs),
            }
        }
    }

    /// A count as a rate a second; `None` if the interval is too short for one.
    pub fn per_s(&self, count: f64, interval_s: u64) -> Option<f64> {
        // A fragment at the end of a run has too few samples for a rate.
        (self.length_s >= 0.5 * interval_s as f64).then(|| count / self.length_s)
    }
}

fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn mean(a: f64, a_weight: u32, b: f64, b_weight: u32) -> f64 {
    let (a_weight, b_weight) = (f64::from(a_weight), f64::from(b_weight));
    (a * a_weight + b * b_weight) / (a_weight + b_weight)
}

fn widen<T: Clone>(list: &mut Vec<Option<T>>, length: usize) {
    if list.len() < length {
        list.resize(length, None);
    }
}

/// The index of a name in a bounded list; adds the name if there is room.
fn index_of(names: &mut Vec<String>, name: &str) -> Option<usize> {
    if let Some(index) = names.iter().position(|n| n == name) {
        return Some(index);
    }
    (names.len() < NAMES_MAX).then(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

impl Series {
    /// The point of a time after the run's start, added if it does not exist.
    fn at(&mut self, time: Duration) -> &mut Point {
        while time.as_secs() / self.interval_s >= POINTS_MAX as u64 {
            self.halve();
        }
        let index = (time.as_secs() / self.interval_s) as usize;
        if self.points.len() <= index {
            self.points.resize_with(index + 1, Point::default);
        }
        &mut self.points[index]
    }

    /// Halves the resolution: every interval is twice as long.
    pub fn halve(&mut self) {
        let pairs = self.points.chunks(2).map(|pair| {
            let mut first = pair[0].clone();
            pair.iter().skip(1).for_each(|next| first.append(next));
            first
        });
        self.points = pairs.collect();
        self.interval_s *= 2;
    }

    /// Adds the counts from `start` to `start + counted.length_s`. Several recorders may count in the same time.
    pub fn count(&mut self, start: Duration, counted: &Point) {
        self.at(start);
        // Read only now: adding the point may have halved the resolution.
        let interval_s = self.interval_s;
        let begin_s = (start.as_secs() / interval_s * interval_s) as f64;
        let end_s = (start.as_secs_f64() + counted.length_s - begin_s).min(interval_s as f64);
        let point = self.at(start);
        point.add_counts(counted);
        point.length_s = point.length_s.max(end_s);
        point.in_flight = point.in_flight.max(counted.in_flight);
    }

    /// Adds an observation at a time.
    pub fn see(&mut self, time: Duration, observation: &Observation) {
        for (name, pct) in &observation.cpu_pct {
            if let Some(index) = index_of(&mut self.processes, name) {
                let point = self.at(time);
                widen(&mut point.cpu_pct, index + 1);
                let before = point.cpu_pct[index];
                let sightings = point.sightings.max(1);
                point.cpu_pct[index] = Some(before.map_or(*pct, |b| mean(b, sightings, *pct, 1)));
            }
        }
        for (name, group) in &observation.groups {
            if let Some(index) = index_of(&mut self.groups, name) {
                let point = self.at(time);
                widen(&mut point.groups, index + 1);
                match &mut point.groups[index] {
                    Some(mine) => mine.join(group),
                    none => *none = Some(*group),
                }
            }
        }
        if !observation.cpu_pct.is_empty() {
            self.at(time).sightings += 1;
        }
    }

    /// Sets how many journeys the schedules asked for: `due` returns the number between two times, if known, of one workload or of all.
    pub fn ask(&mut self, due: impl Fn(Option<usize>, Duration, Duration) -> Option<f64>) {
        let interval_s = self.interval_s;
        for (i, point) in self.points.iter_mut().enumerate() {
            let start = Duration::from_secs(i as u64 * interval_s);
            let end = start + Duration::from_secs_f64(point.length_s);
            point.asked = due(None, start, end);
            for (workload, point) in point.workloads.iter_mut().enumerate() {
                point.asked = due(Some(workload), start, end);
            }
        }
    }

    /// Whether it has no points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Adds another generator's series of the same run, which started `later_s` whole seconds after this one. Counts are added;
    /// observations of the target are the same thing seen twice, so the worse one counts.
    pub fn merge(&mut self, other: &Self, later_s: u64) {
        let mut other = other.clone();
        while other.interval_s < self.interval_s {
            other.halve();
        }
        while self.interval_s < other.interval_s {
            self.halve();
        }
        for (i, theirs) in other.points.iter().enumerate() {
            let time = Duration::from_secs(later_s + i as u64 * other.interval_s);
            let mut counted = theirs.clone();
            let in_flight = self.at(time).in_flight;
            counted.in_flight = match (in_flight, theirs.in_flight) {
                (Some(mine), Some(theirs)) => Some(mine + theirs),
                (mine, theirs) => mine.or(theirs),
            };
            self.count(time, &counted);
            let cpu = other.processes.iter().zip(&theirs.cpu_pct);
            let groups = other.groups.iter().zip(&theirs.groups);
            self.see(
                time,
                &Observation {
                    cpu_pct: cpu.filter_map(|(n, p)| Some((n.clone(), (*p)?))).collect(),
                    groups: groups
                        .filter_map(|(n, g)| Some((n.clone(), (*g)?)))
                        .collect(),
                },
            );
        }
    }
}

/// Writes the series on one line, whatever the JSON's layout: a point per line would make a report unreadable.
///
/// # Errors
/// Those of the serializer.
pub fn on_one_line<S: Serializer>(series: &Option<Series>, to: S) -> Result<S::Ok, S::Error> {
    let raw = serde_json::value::to_raw_value(series).map_err(serde::ser::Error::custom)?;
    raw.serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(started: u64, length_s: f64) -> Point {
        Point {
            length_s,
            started,
            requests: 2 * started,
            in_flight: Some(started),
            ..Point::default()
        }
    }

    fn total(series: &Series) -> (u64, u64) {
        let points = series.points.iter();
        points.fold((0, 0), |sum, p| (sum.0 + p.started, sum.1 + p.requests))
    }

    #[test]
    fn a_series_stays_bounded_however_long_the_run_and_counts_everything() {
        let mut series = Series::default();
        for second in 0..10_000 {
            series.count(Duration::from_secs(second), &counted(3, 1.0));
        }
        assert!(series.points.len() <= POINTS_MAX);
        assert_eq!(series.interval_s, 32);
        assert_eq!(total(&series), (30_000, 60_000));
        let first = &series.points[0];
        assert_eq!(
            (first.length_s, first.per_s(first.started as f64, 32)),
            (32.0, Some(3.0))
        );
    }

    #[test]
    fn several_recorders_of_one_second_add_up_and_a_fragment_has_no_rate() {
        let mut series = Series::default();
        series.count(Duration::from_secs(4), &counted(5, 1.0));
        series.count(Duration::from_secs(4), &counted(6, 1.0));
        series.count(Duration::from_secs(5), &counted(1, 0.01));
        let point = &series.points[4];
        assert_eq!((point.started, point.length_s), (11, 1.0));
        assert_eq!(series.points[5].per_s(1.0, 1), None);
        assert_eq!(series.points[3], Point::default());
    }

    #[test]
    fn halving_keeps_the_worst_of_what_was_seen_and_the_mean_of_cpu() {
        let mut series = Series::default();
        for (second, backlog, pct) in [(0, 5, 10.0), (1, 2, 30.0)] {
            let group = GroupPoint {
                backlog,
                handled: 10,
                lag_p50_us: 100.0,
                lag_p99_us: 100.0 * backlog as f64,
            };
            let time = Duration::from_secs(second);
            series.count(time, &counted(1, 1.0));
            let observation = Observation {
                cpu_pct: vec![("redis-server".into(), pct)],
                groups: vec![("crm".into(), group)],
            };
            series.see(time, &observation);
        }
        series.halve();
        let point = &series.points[0];
        assert_eq!(point.cpu_pct, [Some(20.0)]);
        let group = point.groups[0].unwrap_or_default();
        assert_eq!(
            (group.backlog, group.handled, group.lag_p99_us),
            (5, 20, 500.0)
        );
    }

    #[test]
    fn merging_aligns_by_time_and_brings_both_to_one_resolution() {
        let (mut one, mut two) = (Series::default(), Series::default());
        for second in 0..8 {
            one.count(Duration::from_secs(second), &counted(10, 1.0));
            two.count(Duration::from_secs(second), &counted(1, 1.0));
        }
        two.halve();
        one.merge(&two, 2);
        let started: Vec<u64> = one.points.iter().map(|p| p.started).collect();
        assert_eq!((one.interval_s, started), (2, vec![20, 22, 22, 22, 2]));
    }

    #[test]
    fn a_series_is_read_as_it_was_written_and_takes_one_line() {
        #[derive(Serialize)]
        struct Outer {
            #[serde(serialize_with = "on_one_line")]
            series: Option<Series>,
        }
        let mut series = Series::default();
        series.count(Duration::ZERO, &counted(1, 1.0));
        let outer = Outer {
            series: Some(series.clone()),
        };
        let text = serde_json::to_string_pretty(&outer).unwrap_or_default();
        assert_eq!(text.lines().count(), 3, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let read: Option<Series> = serde_json::from_value(read["series"].clone()).unwrap_or(None);
        assert_eq!(read, Some(series));
    }
}
