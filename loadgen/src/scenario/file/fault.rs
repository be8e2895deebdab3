//! The keys of faults.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::duration::HumanDuration;

/// Something that goes wrong on purpose while the workload runs: one of `pause`, `kill`, `run`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// When, from the start of the workload.
    pub at: HumanDuration,
    /// Stops `redis`, `system` or a service (with `--processes`) as by SIGSTOP, and lets it go on after `for`.
    pub pause: Option<String>,
    /// How long a pause is.
    #[serde(rename = "for")]
    pub length: Option<HumanDuration>,
    /// Ends a service as by SIGKILL; `--processes` starts it again.
    pub kill: Option<String>,
    /// A command for the shell, for whatever else can be done to a target; `LOADGEN_TARGET` is its URL.
    pub run: Option<String>,
}
