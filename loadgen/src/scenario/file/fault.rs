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
    /// Stops `redis`, `system` or a service (with `--processes`) as by SIGSTOP, and continues it after `for`.
    pub pause: Option<String>,
    /// The pause's length.
    #[serde(rename = "for")]
    pub length: Option<HumanDuration>,
    /// Kills a service as by SIGKILL; `--processes` starts it again.
    pub kill: Option<String>,
    /// A shell command, for any other fault; the variable `LOADGEN_TARGET` is the target's URL.
    pub run: Option<String>,
}
