//! Everything that is known at the end of a run: what a report is built from.

use std::time::Duration;

use crate::audit::AuditReport;
use crate::environment::Environment;
use crate::faults::FaultReport;
use crate::profile::ProfileReport;
use crate::replay::ReplayFacts;
use crate::resources::Reading;
use crate::windows::Windows;
use loadgen_engine::drive::{Driven, Finished};
use loadgen_engine::record::Figures;
use loadgen_engine::record::series::Series;
use loadgen_engine::schedule::Hold;
use loadgen_engine::scrape::Scrape;
use loadgen_scenario::Scenario;

/// What a person ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The workload: journeys that were due were not started.
    Workload,
    /// The time in which the last journeys ended; all that were due had been started.
    Drain,
    /// The wait for the target's backlog.
    Backlog,
    /// The audit.
    Audit,
    /// The tear-down.
    TearDown,
}

/// Everything that is known at the end of a run.
pub struct Evidence<'a> {
    /// The scenario of the run.
    pub scenario: &'a Scenario,
    /// What the scenario asks for, as [`Scenario::fingerprint`].
    pub fingerprint: String,
    /// The seed of all random choices.
    pub seed: u64,
    /// Start of the run, Unix time in seconds.
    pub started_at: f64,
    /// The machine and the target.
    pub environment: Environment,
    /// The recorded figures.
    pub figures: &'a Figures,
    /// What the drivers reported at their end.
    pub finished: &'a Finished,
    /// The target's metrics before the workload and after the drain, if it exposes any.
    pub scrapes: Option<(Scrape, Scrape)>,
    /// The windows of thresholds over parts of the run.
    pub windows: &'a Windows,
    /// How long the backlog took to drain.
    pub backlog_drain: Duration,
    /// CPU time of this process during the run.
    pub process_cpu: Duration,
    /// CPU time of the system during the run, if this run started it.
    pub system_cpu: Option<Duration>,
    /// Readings of the target at the end of the warm-up and after the drain.
    pub readings: Option<(Reading, Reading)>,
    /// Where the CPU went, if it was sampled.
    pub profile: Option<ProfileReport>,
    /// The plan of a replay, if the workload is one.
    pub replay: Option<ReplayFacts>,
    /// The audit, if there was one.
    pub audit: Option<AuditReport>,
    /// The faults that were carried out.
    pub faults: Vec<FaultReport>,
    /// What somebody ended early, if anything.
    pub interrupted: Option<Interruption>,
    /// The threshold that ended the run, if one did.
    pub abort: Option<Abort>,
    /// The times at which the schedule was held.
    pub holds: &'a [Hold],
    /// The figures of each interval.
    pub series: Series,
    /// Warnings so far.
    pub warnings: Vec<String>,
}

impl Evidence<'_> {
    /// From the end of the warm-up until the last journey had ended: of one workload, or of all.
    pub fn measured(&self, workload: Option<usize>) -> Duration {
        let from = match workload {
            Some(index) => self.scenario.workloads[index].recorded_from(),
            None => self.scenario.warm_up(),
        };
        self.driven(workload).drained.saturating_sub(from)
    }

    /// When the last journey could be started, and when it had ended: of one workload, or of all.
    pub fn driven(&self, workload: Option<usize>) -> Driven {
        let finished = self.finished;
        let of = workload.and_then(|index| finished.workloads.get(index));
        of.copied().unwrap_or(Driven {
            arrivals_end: finished.arrivals_end,
            drained: finished.drained,
        })
    }
}

/// A threshold that was missed and ended the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Abort {
    /// Index into `Scenario::thresholds`.
    pub threshold: usize,
    /// When it was missed, from the start of the run.
    pub at: Duration,
    /// The figure at that time in words.
    pub figure: String,
}
