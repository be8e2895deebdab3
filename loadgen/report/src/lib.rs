//! From what was recorded to a report and its verdict; reports merged, compared, and taken together as a search for capacity. Must not
//! know how anything is shown.

mod agents;
pub mod audit;
mod build;
pub mod capacity;
pub mod compare;
mod environment;
mod evidence;
mod faults;
pub mod folder;
mod generator;
pub mod growth;
mod http;
mod keeping_up;
pub mod latency_budget;
mod merge;
pub mod neighbours;
pub mod profile;
mod replay;
mod report;
pub mod resources;
mod sample;
mod sections;
mod threshold_figure;
mod threshold_state;
pub mod units;
mod verdict;
mod windows;
mod workload;

pub use agents::{AgentReport, said_lost};
pub use build::build;
pub use environment::Environment;
pub use evidence::{Abort, Evidence, Interruption};
pub use faults::{FaultReport, faults};
pub use http::{AnswerBytes, HttpReport, RedirectReport};
pub use latency_budget::LatencyBudget;
pub use merge::{MergeError, merge};
pub use profile::ProfileReport;
pub use replay::{ReplayFacts, ReplayLines, ReplayReport};
pub use report::{REPORT_SCHEMA, Report, ReportSchema};
pub use resources::{Reading, Resources};
pub use sections::{
    AllSteps, Drain, EndToEnd, ErrorReport, EventLag, Generator, HoldReport, JourneyReport,
    MergedPart, Quantiles, StageSummary, StepReport, ThresholdReport, VerdictResult,
    WorkloadReport, WorkloadSummary,
};
pub use threshold_state::{SoFar, ThresholdState};
pub use verdict::Verdict;
pub use windows::Windows;
