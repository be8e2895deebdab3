//! A probe: the figures of one run at one rate, and whether the target sustained it. Pure arithmetic on a finished report.

use super::probe::{Judged, Probe};
use super::saturation;
use crate::agents::said_lost;
use crate::audit::AuditReport;
use crate::growth::{Growth, measured};
use crate::neighbours;
use crate::report::Report;
use crate::sections::Generator;
use crate::units;
use crate::verdict;
use loadgen_engine::record::series::Point;
use loadgen_scenario::Limits;

/// Smallest share of the arrivals that must end while they arrive, for a rate to be sustained. How many of them may fail is the thresholds' to say.
const REACHED_MIN: f64 = 0.95;
/// Below this share the rate is too high without a second probe.
const REACHED_FAR: f64 = 0.85;

impl Probe {
    /// Builds the probe from the report of a run at this rate.
    pub fn new(number: usize, rate: f64, folder: String, report: &Report, limits: &Limits) -> Self {
        let journeys = &report.journeys;
        let lost = journeys.dropped + journeys.unsent;
        let asked = journeys.started + lost;
        let worst = report.end_to_end.iter().filter(|e| e.count > 0);
        let worst = worst.max_by(|a, b| a.p99_us.total_cmp(&b.p99_us));
        let mut probe = Self {
            number,
            rate_per_s: rate,
            reached_per_s: tenths(completed_per_s(report)),
            failed_per_s: tenths(failed_per_s(report)),
            response_time_us: report.all_steps.response_time_us,
            end_to_end_us: worst.map(|e| (e.name.clone(), e.quantiles())),
            growth: Growth::of(report),
            lost_pct: 100.0 * lost as f64 / asked.max(1) as f64,
            in_flight_max: in_flight_max(report),
            cpu_pct: cpu(report),
            judged: Judged::Holds,
            reasons: Vec::new(),
            saturated: Vec::new(),
            folder,
        };
        probe.saturated = saturation::named(&probe, report, limits);
        (probe.judged, probe.reasons) = probe.judge(report, limits);
        let neighbours = neighbours::said(report);
        let is_open = !matches!(probe.judged, Judged::Holds | Judged::Invalid);
        if let Some(disturbance) = neighbours.filter(|_| is_open) {
            probe.judged = Judged::Disturbed;
            probe.reasons.insert(0, disturbance);
        }
        probe
    }

    fn judge(&self, report: &Report, limits: &Limits) -> (Judged, Vec<String>) {
        let lost = said_lost(&report.agents);
        if !lost.is_empty() {
            return (Judged::Invalid, lost);
        }
        let full = saturation::machine_is_full(self, report);
        let doubts = doubts(report, limits, full);
        if !doubts.is_empty() {
            return (Judged::Doubtful, doubts);
        }
        let reasons = self.against(report, limits, full);
        let far = self.ended_per_s() < self.rate_per_s * REACHED_FAR
            || self.too_much_lost(limits)
            || self.reached_per_s <= 0.0
            || misses_the_default(report) && self.reached_per_s < self.rate_per_s * REACHED_FAR;
        let judged = match (reasons.is_empty(), far) {
            (true, _) => Judged::Holds,
            (false, false) => Judged::Exceeds,
            (false, true) => Judged::FarExceeds,
        };
        (judged, reasons)
    }

    fn too_much_lost(&self, limits: &Limits) -> bool {
        self.lost_pct > limits.dropped_pct_max
    }

    /// Why the target did not sustain the rate; empty if it did.
    fn against(&self, report: &Report, limits: &Limits, full: bool) -> Vec<String> {
        let mut reasons = self.growth.said(self.rate_per_s);
        if self.ended_per_s() < self.rate_per_s * REACHED_MIN {
            let failed = match self.failed_per_s > 0.0 {
                true => format!(" and {:.1}/s failed", self.failed_per_s),
                false => String::new(),
            };
            reasons.push(format!(
                "only {:.1} journeys/s were completed{failed} while {:.1}/s arrived: less than {:.0} % ended",
                self.reached_per_s,
                self.rate_per_s,
                REACHED_MIN * 100.0
            ));
        } else if self.reached_per_s <= 0.0 {
            reasons.push("no journey was completed, all of them failed".to_owned());
        }
        if self.too_much_lost(limits) {
            reasons.push(format!(
                "{:.1} % of the arrivals were not sent",
                self.lost_pct
            ));
        }
        reasons.extend(verdict::missed(&report.thresholds));
        let audit = report.audit.as_ref();
        reasons.extend(audit.map(AuditReport::reasons).unwrap_or_default());
        if full && late(&report.generator, limits) {
            reasons.push("the machine is full, so the generator itself was late".into());
        }
        reasons
    }
}

/// Whether more journeys failed than a scenario without a bound of its own allows.
fn misses_the_default(report: &Report) -> bool {
    let mut thresholds = report.thresholds.iter();
    thresholds.any(|t| t.by_default && !t.passed)
}

/// Why the probe may say nothing about the target. If generator and target share a machine and it is full, a late generator is no
/// reason: the machine's limit is then the target's.
fn doubts(report: &Report, limits: &Limits, full: bool) -> Vec<String> {
    let generator = &report.generator;
    let mut doubts = Vec::new();
    if report.all_steps.count == 0 {
        doubts.push("nothing was measured".to_owned());
    }
    if generator.cpu_pct > limits.cpu_pct_max {
        doubts.push(format!(
            "the generator is the limit: a driver used {:.0} % of a core",
            generator.cpu_pct
        ));
    }
    if report.agents.is_empty() && late(generator, limits) && !full {
        doubts.push(format!(
            "the generator was late (schedule slip p99 {}), and the machine was not known to be full",
            units::time(generator.schedule_slip_us.p99)
        ));
    }
    // Each for itself: the others would hide it.
    for agent in &report.agents {
        if late(&agent.generator, limits) {
            let slip = units::time(agent.generator.schedule_slip_us.p99);
            doubts.push(format!(
                "the agent {} was late (schedule slip p99 {slip})",
                agent.address
            ));
        }
    }
    if generator.own_errors > 0 {
        doubts.push("the generator's machine had no descriptor, port or memory left".into());
    }
    if generator.clock_jump_ms > limits.clock_jump_max.as_secs_f64() * 1e3 {
        doubts.push(format!(
            "the clock jumped by {} ms",
            generator.clock_jump_ms
        ));
    }
    doubts
}

fn late(generator: &Generator, limits: &Limits) -> bool {
    let over = |found_us: f64, limit: std::time::Duration| found_us > limit.as_secs_f64() * 1e6;
    over(generator.schedule_slip_us.p99, limits.slip_p99_max)
        || over(generator.loop_lateness_us.p99, limits.loop_stall_p99_max)
}

/// Journeys that were completed, a second. The count of completed journeys leaves out those that started in the warm-up, so the rate
/// is computed from started and failed journeys and from those in flight before and after.
fn completed_per_s(report: &Report) -> f64 {
    let (before, points) = measured(report);
    let in_flight = |point: Option<&Point>| point.and_then(|p| p.in_flight).unwrap_or(0) as f64;
    let (started, failed) = points.iter().fold((0, 0), |(started, failed), p| {
        (started + p.started, failed + p.failed)
    });
    let ended = started as f64 + in_flight(before) - in_flight(points.last()) - failed as f64;
    per_s(ended, points)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Journeys that failed, a second, from the end of the warm-up.
fn failed_per_s(report: &Report) -> f64 {
    let (_, points) = measured(report);
    let failed: u64 = points.iter().map(|p| p.failed).sum();
    per_s(failed as f64, points)
}

/// Journeys a second, of so many during these points.
fn per_s(journeys: f64, points: &[Point]) -> f64 {
    let length_s: f64 = points.iter().map(|p| p.length_s).sum();
    if length_s > 0.0 {
        journeys / length_s
    } else {
        0.0
    }
}

fn in_flight_max(report: &Report) -> u64 {
    let (_, points) = measured(report);
    points.iter().filter_map(|p| p.in_flight).max().unwrap_or(0)
}

fn cpu(report: &Report) -> Vec<(String, f64)> {
    let means = neighbours::cpu_pct(report);
    let means = means.map(|(name, pct)| (name.to_owned(), (pct * 10.0).round() / 10.0));
    let mut means: Vec<(String, f64)> = means.collect();
    means.sort_by(|a, b| b.1.total_cmp(&a.1));
    means
}
