//! The keys of faults.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::duration::HumanDuration;

/// Something that goes wrong on purpose while the workload runs: one of `pause`, `kill`, `network`, `run`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// When, from the start of the workload; not for faults that `chaos` draws by lot.
    pub at: Option<HumanDuration>,
    /// Stops `redis`, `system` or a service (with `--processes`) as by SIGSTOP, and continues it after `for`.
    pub pause: Option<String>,
    /// The length of a pause, or of what is wrong with the network.
    #[serde(rename = "for")]
    pub length: Option<HumanDuration>,
    /// Kills `redis`, `system` or a service (with `--processes`) as by SIGKILL. The system starts its Redis and its services again, loadgen
    /// the system.
    pub kill: Option<String>,
    /// Disturbs the network between the system and its Redis, for `for`: `cut`, `half-open` or `delay`.
    pub network: Option<NetworkFile>,
    /// How late a delayed network is.
    pub by: Option<HumanDuration>,
    /// A shell command, for any other fault; the variable `LOADGEN_TARGET` is the target's URL.
    pub run: Option<String>,
}

/// What is wrong with a network.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkFile {
    /// Every connection is closed, and new ones are closed at once.
    Cut,
    /// Open connections fall silent, and are closed at the end; new ones work.
    HalfOpen,
    /// Data is late by `by`.
    Delay,
}

/// Faults that are drawn by lot from the run's `--seed`, one in each interval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChaosFile {
    /// The time of the first one at the earliest, from the start of the workload.
    pub from: HumanDuration,
    /// The length of an interval; its second half is for recovering.
    pub every: HumanDuration,
    /// The faults, without `at`; each comes once before any comes again. The process `service` is any service; the whole system, where it is
    /// one process.
    #[schemars(with = "Vec<FaultFile>")]
    pub faults: Vec<Spanned<FaultFile>>,
}
