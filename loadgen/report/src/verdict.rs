//! The verdict PASS, FAIL, INVALID or INTERRUPTED. If the generator could not keep up, the figures are its own and no threshold counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agents::AgentCase;
use crate::audit::AuditReport;
use crate::evidence::{Abort, Evidence};
use crate::faults::FaultReport;
use crate::keeping_up::KeepingUp;
use crate::replay::ReplayReport;
use crate::sample::MetricSample;
use crate::sections::{
    AllSteps, Generator, JourneyReport, ThresholdReport, VerdictResult, WorkloadReport,
};
use crate::units;
use loadgen_engine::record::Figures;
use loadgen_engine::scrape::Scrape;
use loadgen_scenario::threshold::{Threshold, Window};
use loadgen_scenario::{Limits, Scenario};

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// PASS, FAIL, INVALID or INTERRUPTED.
    result: VerdictResult,
    /// Why the verdict is not PASS; empty for PASS.
    reasons: Vec<String>,
}

impl Verdict {
    /// PASS, FAIL, INVALID or INTERRUPTED.
    pub fn result(&self) -> VerdictResult {
        self.result
    }

    /// Why the verdict is not PASS; empty for PASS.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// The verdict of these findings. Doubts about the figures come first: with one, no missed threshold counts.
    fn of(doubts: Vec<String>, broken: Vec<String>) -> Self {
        let (result, reasons) = match (doubts.is_empty(), broken.is_empty()) {
            (false, _) => (VerdictResult::Invalid, doubts),
            (true, false) => (VerdictResult::Fail, broken),
            (true, true) => (VerdictResult::Pass, broken),
        };
        Self { result, reasons }
    }

    /// The verdict of a run that was ended early; `more` is what else speaks against it.
    fn interrupted(ended: Vec<String>, more: impl Iterator<Item = String>) -> Self {
        Self {
            result: VerdictResult::Interrupted,
            reasons: ended.into_iter().chain(more).collect(),
        }
    }
}

/// The figures that a run is judged by.
pub struct Case<'a> {
    /// The scenario's limits.
    pub limits: &'a Limits,
    /// What each workload was asked and did.
    pub workloads: &'a [WorkloadReport],
    /// All steps together.
    pub all_steps: &'a AllSteps,
    /// Counts of journeys.
    pub journeys: &'a JourneyReport,
    /// How well the generator kept up.
    pub generator: &'a Generator,
    /// How well each agent kept up, where there are any.
    pub agents: &'a [AgentCase],
    /// The scenario's thresholds and their figures.
    pub thresholds: &'a [ThresholdReport],
    /// A replay's invoices.
    pub replay: Option<&'a ReplayReport>,
    /// The outcome of an audit.
    pub audit: Option<&'a AuditReport>,
    /// The faults that were carried out.
    pub faults: &'a [FaultReport],
    /// Whether a threshold says how many journeys are skipped: then a run in which all are may be meant.
    pub skips_are_judged: bool,
    /// When a feeder that ran out of values ended the run, if that was within the warm-up.
    pub ran_out: Option<Duration>,
    /// What somebody ended early, in words.
    pub interrupted: Option<String>,
}

/// Evaluates the thresholds.
pub fn thresholds(evidence: &Evidence<'_>) -> Vec<ThresholdReport> {
    let thresholds = evidence.scenario.thresholds.iter().enumerate();
    let evaluated = thresholds.map(|(index, threshold)| {
        let workload = evidence.scenario.workload_of(&threshold.metric);
        let arrivals_end = evidence.driven(workload).arrivals_end;
        let (figure, at) = match evidence.windows.worst(index, threshold, arrivals_end) {
            Some(worst) => (worst.figure, worst.at),
            None => {
                let scrapes = evidence.scrapes.as_ref().map(|(a, b)| (a, b));
                let (scenario, figures) = (evidence.scenario, evidence.figures);
                let measured = evidence.measured(workload);
                (
                    over_the_run(scenario, figures, scrapes, threshold, measured),
                    None,
                )
            }
        };
        let abort = evidence.abort.as_ref().filter(|a| a.threshold == index);
        let reason = reason(threshold, figure, at);
        ThresholdReport {
            threshold: threshold.text.clone(),
            figure,
            passed: abort.is_none() && figure.is_some_and(|f| threshold.holds(f)),
            by_default: threshold.by_default,
            aborted_at_s: abort.map(|abort| abort.at.as_secs_f64()),
            reason: match abort {
                Some(abort) => aborted(abort, &reason),
                None => reason,
            },
        }
    });
    evaluated.collect()
}

/// The figure at the end, and the one that aborted the run if it was another.
fn aborted(abort: &Abort, reason: &str) -> String {
    let at = abort.at.as_secs_f64();
    match abort.figure == reason {
        true => format!("{reason}; this aborted the run after {at:.1} s"),
        false => format!(
            "{} after {at:.1} s, which aborted the run (at its end {reason})",
            abort.figure
        ),
    }
}

/// A threshold's figure over the whole run, or over the part of it so far.
pub(super) fn over_the_run(
    scenario: &Scenario,
    figures: &Figures,
    scrapes: Option<(&Scrape, &Scrape)>,
    threshold: &Threshold,
    measured: Duration,
) -> Option<f64> {
    let mut sample = MetricSample::new(&threshold.metric, scenario);
    sample.add(figures);
    if let Some((before, after)) = scrapes {
        sample.add_scrape(before, after);
    }
    sample.lengthen(measured);
    sample.figure()
}

/// The figure and its window in words, or why there is no figure.
pub(super) fn reason(threshold: &Threshold, figure: Option<f64>, at: Option<(u64, u64)>) -> String {
    let when = at.map_or_else(String::new, |(from, to)| {
        format!(" from {from} s to {to} s")
    });
    match figure {
        Some(figure) if threshold.metric.is_time() => {
            format!("it was {}{when}", units::time(figure))
        }
        Some(figure) if threshold.metric.is_ratio() => {
            format!("it was {:.3} %{when}", figure * 100.0)
        }
        Some(figure) => format!("it was {}{when}", (figure * 1e3).round() / 1e3),
        None if threshold.window == Window::Run || at.is_some() => {
            format!("there are no samples{when}")
        }
        None => {
            "there are no samples: no whole window lies between the warm-up and the last arrival"
                .into()
        }
    }
}

/// Judges a report: the audit's findings first, then whether the run reached its end, whether anything was completed, whether the run is
/// valid, and the thresholds.
pub fn judge(case: &Case<'_>) -> Verdict {
    let (doubts, broken) = (doubts(case), broken(case));
    // The audit's findings count even if the generator could not keep up, or the run was ended early.
    let wrong = case.audit.map(AuditReport::reasons).unwrap_or_default();
    if !wrong.is_empty() {
        let ended = case.interrupted.clone();
        let all = wrong.into_iter().chain(ended).chain(doubts).chain(broken);
        return Verdict::of(Vec::new(), all.collect());
    }
    if let Some(ended) = case.interrupted.clone() {
        return Verdict::interrupted(vec![ended], doubts.into_iter().chain(broken));
    }
    // A target that answers nothing also fills the limit of journeys in flight: no excuse for it.
    if let Some(nothing) = nothing_completed(case) {
        let all = std::iter::once(nothing).chain(doubts).chain(broken);
        return Verdict::of(Vec::new(), all.collect());
    }
    Verdict::of(doubts, broken)
}

/// What a reader may conclude from several generators' reports together: which of them was ended early, why any of them is INVALID, and
/// what else was missed.
pub fn judge_merged(interrupted: Vec<String>, doubts: Vec<String>, broken: Vec<String>) -> Verdict {
    match interrupted.is_empty() {
        true => Verdict::of(doubts, broken),
        false => Verdict::interrupted(interrupted, doubts.into_iter().chain(broken)),
    }
}

/// Says that no journey was completed; `None` if one was, if none was tried, if a threshold judges that all were skipped, and where the
/// generator's own machine failed.
fn nothing_completed(case: &Case<'_>) -> Option<String> {
    let journeys = case.journeys;
    let done = journeys.completed + journeys.overtaken;
    let tried = journeys.started > 0 && case.all_steps.count > 0;
    let meant = journeys.failed == 0 && case.skips_are_judged;
    (done == 0 && tried && !meant && case.generator.own_errors == 0).then(|| {
        format!(
            "no journey was completed: {} failed, {} were skipped; {} of {} requests ended in an error, {} of them without an answer",
            journeys.failed,
            journeys.skipped,
            case.all_steps.errors,
            case.all_steps.count,
            case.all_steps.unanswered
        )
    })
}

/// The thresholds that were missed, and a replay that left out too much or whose counts don't add up.
fn broken(case: &Case<'_>) -> Vec<String> {
    let contradiction = case.replay.and_then(ReplayReport::contradiction);
    let left_out = case.replay.and_then(ReplayReport::too_much_left_out);
    missed(case.thresholds)
        .into_iter()
        .chain(left_out)
        .chain(contradiction)
        .collect()
}

/// The thresholds that did not hold, each with its figure.
pub fn missed(thresholds: &[ThresholdReport]) -> Vec<String> {
    let missed = thresholds.iter().filter_map(ThresholdReport::missed);
    missed.collect()
}

/// Says that no request was measured, and why; `None` if one was, and where another reason of the verdict explains it: arrivals that were
/// lost, agents of which none is left, and somebody who ended the run.
fn nothing_measured(case: &Case<'_>) -> Option<String> {
    let journeys = case.journeys;
    let lost = |agent: &AgentCase| agent.report.lost.is_some();
    let all_lost = !case.agents.is_empty() && case.agents.iter().all(lost);
    let explained =
        journeys.dropped + journeys.unsent > 0 || all_lost || case.interrupted.is_some();
    if case.all_steps.count > 0 || explained {
        return None;
    }
    let why = match case.ran_out {
        Some(at) => format!(
            "a feeder had no more values after {:.1} s, within the warm-up; give it more of them or let it begin again (at_end = \"wrap\")",
            at.as_secs_f64()
        ),
        None if journeys.failed + journeys.skipped > 0 => format!(
            "no journey came to a request: {} failed, {} were skipped",
            journeys.failed, journeys.skipped
        ),
        None => "nothing was measured; make the run longer than its warm-up".to_owned(),
    };
    Some(format!("no samples: {why}"))
}

/// Why the run is INVALID, each reason with what to do about it.
fn doubts(case: &Case<'_>) -> Vec<String> {
    let limits = case.limits;
    let mut reasons: Vec<String> = nothing_measured(case).into_iter().collect();
    if case.agents.is_empty() {
        let kept = KeepingUp {
            limits,
            workloads: case.workloads,
            generator: case.generator,
        };
        reasons.extend(kept.doubts());
    }
    // Each for itself: one that doesn't keep up must not be hidden by the others.
    for agent in case.agents {
        let address = &agent.report.address;
        reasons.extend(
            agent
                .report
                .said_lost()
                .map(|lost| format!("{lost}; from then on its share of the load was not sent")),
        );
        let kept = KeepingUp {
            limits,
            workloads: &agent.workloads,
            generator: &agent.report.generator,
        };
        let doubts = kept.doubts().into_iter();
        reasons.extend(doubts.map(|doubt| format!("the agent {address}: {doubt}")));
    }
    let undone = case.faults.iter();
    let undone = undone.filter_map(|f| Some((&f.what, f.problem.as_ref()?)));
    reasons.extend(undone.map(|(what, problem)| {
        format!("the fault `{what}` could not be carried out: {problem}; this is not the run that was asked for")
    }));
    reasons
}
