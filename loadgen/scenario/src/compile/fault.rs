//! Compiles faults: each has exactly one action, at a time before the workload's end, or by lot.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::fault::{ANY_SERVICE, Chaos, Fault, FaultAction, NetworkTrouble};
use crate::file::{ChaosFile, FaultFile, NetworkFile};

const ALLOWED: &str = "allowed: `pause = \"redis\"` (or \"system\", or a service) with `for = \"1s\"`; `kill = \"redis\"` (or \"system\", or a service); `network = \"cut\"` (or \"half-open\", or \"delay\" with `by = \"100ms\"`) with `for`; or `run = \"<command>\"`";

impl Compiler<'_> {
    /// `length`: how long journeys are started, where the scenario says so.
    pub(super) fn fault(
        &self,
        raw: Spanned<FaultFile>,
        length: Option<Duration>,
    ) -> Compiled<Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let Some(at) = raw.at else {
            let problem = "a fault needs its time";
            let help = "allowed: `at = \"10s\"`, from the start of the workload";
            return Err(self.source.error(span, problem, Some(help.into())));
        };
        let action = self.fault_action(raw, &span)?;
        if let FaultAction::Pause { process, .. } | FaultAction::Kill { process } = &action
            && process == ANY_SERVICE
        {
            return Err(self.source.error(
                self.source.find(ANY_SERVICE, span),
                "only `chaos` draws a service by lot",
                Some("allowed: the name of a service, as in `kill = \"order-service\"`".into()),
            ));
        }
        if let Some(length) = length.filter(|length| at.0 >= *length) {
            return Err(self.source.error(
                self.source.find("at", span.clone()),
                format!("the fault at {:?} comes after the workload's end", at.0),
                Some(format!(
                    "allowed: less than the workload's length, {length:?}"
                )),
            ));
        }
        Ok(Fault {
            at: at.0,
            action,
            place: self.source.place(&span),
        })
    }

    pub(super) fn chaos(
        &self,
        raw: Spanned<ChaosFile>,
        length: Option<Duration>,
    ) -> Compiled<Chaos> {
        let span = raw.span();
        let raw = raw.into_inner();
        let wrong = |key: &str, problem: &str, help: &str| {
            let place = self.source.find(key, span.clone());
            Err(self.source.error(place, problem, Some(help.into())))
        };
        if raw.every.0.is_zero() {
            return wrong(
                "every",
                "an interval has a length",
                "allowed: `every = \"10s\"`",
            );
        }
        if raw.faults.is_empty() {
            return wrong("faults", "there is nothing to draw", ALLOWED);
        }
        if length.is_none() {
            let help = "allowed: an open or a closed workload";
            return wrong("chaos", "a recorded workload has no length to fill", help);
        }
        let mut actions = Vec::new();
        for fault in raw.faults {
            let span = fault.span();
            let fault = fault.into_inner();
            if fault.at.is_some() {
                let place = self.source.find("at", span);
                let help = "allowed: `at` in [[faults]]";
                let problem = "the time of a drawn fault is drawn, too";
                return Err(self.source.error(place, problem, Some(help.into())));
            }
            actions.push(self.fault_action(fault, &span)?);
        }
        Ok(Chaos {
            from: raw.from.0,
            every: raw.every.0,
            actions,
            place: self.source.place(&span),
        })
    }

    fn fault_action(&self, raw: FaultFile, span: &Range<usize>) -> Compiled<FaultAction> {
        let wrong = |key: &str, problem: &str| {
            let place = self.source.find(key, span.clone());
            Err(self.source.error(place, problem, Some(ALLOWED.into())))
        };
        let length = raw.length.map(|length| length.0);
        let length = length.filter(|length| !length.is_zero());
        let by = raw.by.map(|by| by.0);
        match (raw.pause, raw.kill, raw.network, raw.run) {
            (Some(process), None, None, None) if by.is_none() => match length {
                Some(length) => Ok(FaultAction::Pause { process, length }),
                None => wrong("pause", "a pause needs its length"),
            },
            (None, Some(process), None, None) if by.is_none() && length.is_none() => {
                Ok(FaultAction::Kill { process })
            }
            (None, None, Some(network), None) => {
                let trouble = match (network, by) {
                    (NetworkFile::Cut, None) => NetworkTrouble::Cut,
                    (NetworkFile::HalfOpen, None) => NetworkTrouble::HalfOpen,
                    (NetworkFile::Delay, Some(by)) => NetworkTrouble::Delay(by),
                    (NetworkFile::Delay, None) => {
                        return wrong("network", "a delay needs its length");
                    }
                    (_, Some(_)) => return wrong("by", "only a delay has a length of its own"),
                };
                match length {
                    Some(length) => Ok(FaultAction::Network { trouble, length }),
                    None => wrong("network", "what is wrong with the network needs its length"),
                }
            }
            (None, None, None, Some(command))
                if !command.trim().is_empty() && by.is_none() && length.is_none() =>
            {
                Ok(FaultAction::Run { command })
            }
            _ => {
                let problem = "a fault is exactly one of `pause`, `kill`, `network`, `run`";
                Err(self
                    .source
                    .error(span.clone(), problem, Some(ALLOWED.into())))
            }
        }
    }
}
