//! Everything that is known at the end of a run: what a report is built from.

use std::time::Duration;

use crate::audit::AuditReport;
use crate::faults::FaultReport;
use crate::replay::ReplayFacts;
use crate::resources::Reading;
use crate::sections::Environment;
use crate::windows::Windows;
use loadgen_engine::drive::Finished;
use loadgen_engine::record::Figures;
use loadgen_engine::record::series::Series;
use loadgen_engine::schedule::Hold;
use loadgen_engine::scrape::Scrape;
use loadgen_scenario::Scenario;

/// Everything known at the end of a run.
pub struct Evidence<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What choices were made from.
    pub seed: u64,
    /// Unix seconds.
    pub started_at: f64,
    /// Where.
    pub environment: Environment,
    /// What was recorded.
    pub figures: &'a Figures,
    /// The driver's last words.
    pub finished: &'a Finished,
    /// The target's metrics before the workload and after the drain, if it has any.
    pub scrapes: Option<(Scrape, Scrape)>,
    /// What thresholds over pieces of the run need.
    pub windows: &'a Windows,
    /// How long the backlog took to drain.
    pub backlog_drain: Duration,
    /// CPU time of this process during the run.
    pub process_cpu: Duration,
    /// CPU time of the system during the run.
    pub system_cpu: Option<Duration>,
    /// The target at the end of the warm-up and after the drain.
    pub readings: Option<(Reading, Reading)>,
    /// A replay's plan, for that workload.
    pub replay: Option<ReplayFacts>,
    /// What an audit has found, if there was one.
    pub audit: Option<AuditReport>,
    /// What went wrong on purpose.
    pub faults: Vec<FaultReport>,
    /// Whether the run was ended before its time.
    pub stopped: bool,
    /// When the schedule was held.
    pub holds: &'a [Hold],
    /// The run's course.
    pub series: Series,
    /// Warnings so far.
    pub warnings: Vec<String>,
}
