//! A run's figures since its start, for monitoring: counters that only grow, and histograms with fixed bounds. Distributions
//! come once a second; each is sorted into the buckets by its distinct values, not sample by sample.

use std::collections::BTreeMap;

use crate::run_event::{RunEvent, RunPlan};
use loadgen_engine::record::series::GroupPoint;
use loadgen_engine::record::{Figures, JourneyCounts, Times};

/// Upper bounds in microseconds: 1, 2.5, 5 times each power of ten from 100 µs to 10 s; the last bucket has none.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// A distribution of times since the start of the run.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// The count of each bucket alone (not cumulative); the last one has no bound.
    pub counts: [u64; BOUNDS_US.len() + 1],
    /// The sum of all times, in microseconds.
    pub sum_us: f64,
}

impl Histogram {
    /// Upper bounds of all buckets but the last, in seconds.
    pub fn bounds_s() -> impl Iterator<Item = f64> {
        BOUNDS_US.into_iter().map(|us| us as f64 / 1e6)
    }

    /// The number of recorded times.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds an interval's times. A recorded value represents times up to 0.1 % below it.
    pub fn add(&mut self, times: &Times) {
        let histogram = &times.0;
        for recorded in histogram.iter_recorded() {
            let value = recorded.value_iterated_to();
            let lowest = histogram.lowest_equivalent(value);
            let bucket = BOUNDS_US.partition_point(|bound| *bound < lowest);
            self.counts[bucket] += recorded.count_since_last_iteration();
        }
        if !histogram.is_empty() {
            self.sum_us += histogram.mean() * histogram.len() as f64;
        }
    }
}

/// One step's requests since the start of the run.
#[derive(Debug, Default)]
pub struct StepTotals {
    /// Requests tried.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that had no answer.
    pub unanswered: u64,
    /// From the intended start, of requests answered as expected, as the next one.
    pub response_time: Histogram,
    /// From the actual start.
    pub service_time: Histogram,
}

/// One workload's journeys since the start of the run.
#[derive(Debug, Default)]
pub struct WorkloadTotals {
    /// Its name; `None` for the only workload.
    pub name: Option<String>,
    /// Its journeys by outcome.
    pub journeys: JourneyCounts,
    /// Their schedule slip: actual − intended start.
    pub slip: Histogram,
    /// From the intended start, of their requests answered as expected.
    pub response_time: Histogram,
}

/// All figures that monitoring can read.
#[derive(Debug, Default)]
pub struct ExportedFigures {
    /// The run's plan.
    pub plan: RunPlan,
    /// By step.
    pub steps: Vec<StepTotals>,
    /// By awaited state: timeouts, end-to-end latency.
    pub awaits: Vec<(u64, Histogram)>,
    /// By workload: their sum is the run.
    pub workloads: Vec<WorkloadTotals>,
    /// Errors by step and kind.
    pub errors: BTreeMap<(String, String), u64>,
    /// The plot of journeys in flight.
    pub in_flight: usize,
    /// The target's consumer groups, as last seen.
    pub groups: Vec<(String, GroupPoint)>,
    /// CPU by process, in percent of a core, as last seen.
    pub cpu_pct: Vec<(String, f64)>,
}

impl ExportedFigures {
    /// Adds an event's figures.
    pub fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Announced(plan) => {
                self.plan = RunPlan::clone(plan);
                self.steps.resize_with(plan.steps.len(), Default::default);
                self.awaits.resize_with(plan.awaits.len(), Default::default);
                let named = plan.workloads.iter().map(|w| WorkloadTotals {
                    name: Some(w.name.clone()),
                    ..WorkloadTotals::default()
                });
                self.workloads = named.collect();
                if self.workloads.is_empty() {
                    self.workloads.push(WorkloadTotals::default());
                }
            }
            RunEvent::Interval(interval) => {
                self.add(&interval.figures);
                self.in_flight = interval.in_flight;
            }
            RunEvent::Observed(seen) => {
                self.groups.clone_from(&seen.observation.groups);
                self.cpu_pct.clone_from(&seen.observation.cpu_pct);
                let drivers = seen.drivers_cpu_pct.iter().enumerate();
                let drivers = drivers.map(|(i, pct)| (format!("driver {i}"), *pct));
                self.cpu_pct.extend(drivers);
            }
            RunEvent::Finished { .. } => self.in_flight = 0,
            _ => {}
        }
    }

    fn add(&mut self, recorded: &Figures) {
        for (mine, step) in self.steps.iter_mut().zip(&recorded.steps) {
            mine.requests += step.count;
            mine.errors += step.errors;
            mine.unanswered += step.unanswered();
            mine.response_time.add(&step.response_time);
            mine.service_time.add(&step.service_time);
        }
        for (mine, state) in self.awaits.iter_mut().zip(&recorded.awaits) {
            mine.0 += state.timeouts;
            mine.1.add(&state.end_to_end);
        }
        let workloads = recorded.workloads.iter().enumerate();
        for (mine, (place, workload)) in self.workloads.iter_mut().zip(workloads) {
            mine.journeys.add(&workload.journeys);
            mine.slip.add(&workload.schedule_slip);
            mine.response_time.add(&recorded.response_time(place));
        }
        for (key, error) in &recorded.errors {
            *self.errors.entry(key.clone()).or_default() += error.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_at_a_bound_is_in_its_bucket_and_one_above_it_in_the_next() {
        let mut times = Times::default();
        for us in [1, 100, 101, 1_000, 10_000_000, 11_000_000] {
            times.record(Duration::from_micros(us));
        }
        let mut histogram = Histogram::default();
        histogram.add(&times);
        histogram.add(&times);

        assert_eq!(histogram.count(), 12);
        assert_eq!(histogram.counts[..4], [4, 2, 0, 2]);
        assert_eq!(histogram.counts[15..], [2, 2]);
        let sum = 2.0 * 21_001_202.0;
        assert!((histogram.sum_us / sum - 1.0).abs() < 1e-3);
    }
}
