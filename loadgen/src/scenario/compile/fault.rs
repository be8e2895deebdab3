//! Compiles faults: each has exactly one action, at a time before the workload's end.

use super::*;
use crate::scenario::fault::{Fault, FaultAction, REDIS, SYSTEM};

const ALLOWED: &str = "allowed: `pause = \"redis\"` (or \"system\", or a service) with `for = \"1s\"`; `kill = \"<service>\"`; or `run = \"<command>\"`";

impl Compiler<'_> {
    pub(super) fn fault(&self, raw: Spanned<FaultFile>, workload: &Workload) -> Compiled<Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let wrong = |key: &str, problem: String, help: String| {
            let place = self.source.find(key, span.clone());
            Err(self.source.error(place, problem, Some(help)))
        };
        let action = match (raw.pause, raw.length, raw.kill, raw.run) {
            (Some(process), Some(length), None, None) if !length.0.is_zero() => {
                FaultAction::Pause {
                    process,
                    length: length.0,
                }
            }
            (None, None, Some(process), None) if process == REDIS || process == SYSTEM => {
                return wrong(
                    "kill",
                    format!("`{process}` can't be killed: nothing would start it again"),
                    format!(
                        "allowed: `pause = \"{process}\"` with `for`; `kill` of a service, which `--processes` starts again; or `run = \"<command>\"`"
                    ),
                );
            }
            (None, None, Some(process), None) => FaultAction::Kill { process },
            (None, None, None, Some(command)) if !command.trim().is_empty() => {
                FaultAction::Run { command }
            }
            (Some(_), _, None, None) => {
                return wrong("pause", "a pause needs its length".into(), ALLOWED.into());
            }
            _ => {
                let problem = "a fault is exactly one of `pause`, `kill`, `run`".to_owned();
                return Err(self.source.error(span, problem, Some(ALLOWED.into())));
            }
        };
        if workload.duration().is_some_and(|length| raw.at.0 >= length) {
            return wrong(
                "at",
                format!("the fault at {:?} comes after the workload's end", raw.at.0),
                format!(
                    "allowed: less than the workload's length, {:?}",
                    workload.duration().unwrap_or_default()
                ),
            );
        }
        Ok(Fault {
            at: raw.at.0,
            action,
            place: self.source.place(&span),
        })
    }
}
