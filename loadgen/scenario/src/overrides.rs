//! Makes changes to a scenario: which of them fit which workload.

use std::time::Duration;

use serde_json::Value;

use super::changes::{Change, Overrides};
use super::threshold::Threshold;
use super::{Scenario, Stage, Workload, WorkloadKind};

const TRACE: &str = "--rate and --duration: a recorded trace sets both (use --speed)";

/// What may be named instead of an unknown name.
fn allowed(known: &[&str], table: &str) -> String {
    match known.is_empty() {
        true => format!("this scenario has no {table}"),
        false => format!("allowed: {}", known.join(", ")),
    }
}

impl Scenario {
    /// Makes a change again that was made to the same scenario elsewhere. The error is for people.
    pub(crate) fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Overrides(overrides) => self.apply(overrides),
            Change::Probe {
                rate,
                duration,
                warm_up,
            } => self.probe(*rate, *duration, *warm_up),
        }
    }

    /// Applies the command line's changes. The error is for the person who typed them.
    pub fn apply(&mut self, overrides: &Overrides) -> Result<(), String> {
        for (name, rate) in &overrides.rates {
            let workload = self.overridden("--rate", name.as_deref())?;
            match &mut workload.kind {
                WorkloadKind::Open { stages, .. } => scale(stages, *rate),
                WorkloadKind::Closed { .. } => {
                    return Err("--rate: this scenario has a closed workload; its users set the rate (use --users)".into());
                }
                WorkloadKind::Trace => return Err(TRACE.into()),
            }
        }
        for (name, users) in &overrides.users {
            let workload = self.overridden("--users", name.as_deref())?;
            match &mut workload.kind {
                WorkloadKind::Closed { stages, .. } => scale(stages, *users as f64),
                _ => return Err("--users: this scenario has no closed workload".into()),
            }
        }
        if let Some(wanted) = overrides.duration {
            let duration = self.duration().ok_or(TRACE)?;
            self.stretch(wanted.as_secs_f64() / duration.as_secs_f64());
        }
        self.warm_up_fits()?;
        self.windows_fit()?;
        self.faults_fit()?;
        if let Some(share) = overrides.error_rate_max {
            self.thresholds.retain(|t| !t.by_default);
            self.thresholds.extend(Threshold::error_rate(share, false));
        }
        for (name, url) in &overrides.targets {
            let Some(target) = self.targets.iter_mut().find(|t| t.name == *name) else {
                let known: Vec<&str> = self.targets.iter().map(|t| t.name.as_str()).collect();
                let allowed = allowed(&known, "[targets]");
                return Err(format!("--target {name}=…: no such target; {allowed}"));
            };
            target.url.clone_from(url);
            if let Some((problem, help)) = target.problem() {
                return Err(format!("--target {name}=…: {problem}; {help}"));
            }
        }
        for (name, text) in &overrides.parameters {
            let Some(parameter) = self.parameters.get_mut(name) else {
                let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
                let allowed = allowed(&known, "[parameters]");
                return Err(format!("--set {name}: no such parameter; {allowed}"));
            };
            *parameter = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        }
        let change = Change::Overrides(Box::new(overrides.clone()));
        self.read_from.changes.push(change);
        Ok(())
    }

    /// The workload that an option changes: the one of this name, or the only one.
    fn overridden(&mut self, option: &str, name: Option<&str>) -> Result<&mut Workload, String> {
        let names = self.workload_names();
        let several = self.workloads.len() > 1;
        let Some(name) = name else {
            return match several {
                true => Err(format!(
                    "{option}: this scenario has several workloads; write {option} NAME=N with one of: {}",
                    names.join(", ")
                )),
                false => self
                    .workloads
                    .first_mut()
                    .ok_or_else(|| "no workload".into()),
            };
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let allowed = allowed(&names, "[[workloads]]");
        let named = self.workloads.iter_mut().find(|w| w.name == name);
        named.ok_or_else(|| format!("{option} {name}=…: no such workload; {allowed}"))
    }

    /// Stretches the times at which workloads start, and all stages, by this factor.
    fn stretch(&mut self, factor: f64) {
        for workload in &mut self.workloads {
            workload.start_after = workload.start_after.mul_f64(factor);
            if let WorkloadKind::Open { stages, .. } | WorkloadKind::Closed { stages, .. } =
                &mut workload.kind
            {
                for stage in stages {
                    stage.duration = stage.duration.mul_f64(factor);
                }
            }
        }
    }

    /// Replaces the workload by one constant rate, to probe the target, and removes the faults. `duration` includes the
    /// warm-up. The error is for the person who asked for the probe.
    pub fn probe(
        &mut self,
        rate: f64,
        duration: Duration,
        warm_up: Duration,
    ) -> Result<(), String> {
        let [workload] = self.workloads.as_mut_slice() else {
            return Err(format!(
                "the scenario `{}` has several workloads: a search changes the rate of one; allowed: a scenario with one workload, of kind = \"open\"",
                self.name
            ));
        };
        let WorkloadKind::Open { stages, .. } = &mut workload.kind else {
            return Err(format!(
                "the scenario `{}` has no open workload: only arrivals at a rate have a highest rate; allowed: a scenario with kind = \"open\"",
                self.name
            ));
        };
        *stages = vec![Stage::constant(duration, rate)];
        workload.start_after = Duration::ZERO;
        workload.warm_up = warm_up;
        self.faults.clear();
        self.chaos = None;
        self.read_from.changes.push(Change::Probe {
            rate,
            duration,
            warm_up,
        });
        self.warm_up_fits()
            .and_then(|()| self.windows_fit())
            .map_err(|e| e.replace("--duration", "--probe-duration"))
    }

    /// The highest rate that the only workload asks for, in journeys a second.
    pub fn highest_rate(&self) -> Option<f64> {
        match self.workloads.as_slice() {
            [only] if only.is_open() => Some(Stage::highest(only.stages())),
            _ => None,
        }
    }

    /// Refuses a workload that ends with its warm-up: nothing would be measured.
    fn warm_up_fits(&self) -> Result<(), String> {
        let ends = |w: &&Workload| w.length().is_some_and(|length| length <= w.warm_up);
        let Some(workload) = self.workloads.iter().find(ends) else {
            return Ok(());
        };
        let of = match workload.name.as_str() {
            "" => String::new(),
            name => format!(" for the workload `{name}`"),
        };
        Err(format!(
            "--duration: {:?}{of} leaves nothing to measure after the warm-up of {:?}; allowed: a longer duration than the warm-up",
            workload.length().unwrap_or_default(),
            workload.warm_up
        ))
    }

    /// Refuses faults after the workload's end: they would never happen.
    fn faults_fit(&self) -> Result<(), String> {
        let Some(duration) = self.duration() else {
            return Ok(());
        };
        let chaos = self.chaos.as_ref();
        if let Some(chaos) = chaos.filter(|chaos| chaos.from + chaos.every > duration) {
            return Err(format!(
                "--duration: {duration:?} is too short for a fault of `chaos` ({}): its first interval ends at {:?}",
                chaos.place,
                chaos.from + chaos.every
            ));
        }
        match self.faults.iter().find(|fault| fault.at >= duration) {
            Some(fault) => Err(format!(
                "--duration: the fault `{}` at {:?} ({}) comes after the workload's end at {duration:?}",
                fault.action, fault.at, fault.place
            )),
            None => Ok(()),
        }
    }

    /// Refuses thresholds whose window is longer than the measured time: they could only fail.
    fn windows_fit(&self) -> Result<(), String> {
        for threshold in &self.thresholds {
            if let Some((_, measured)) = self.too_long_a_window(threshold) {
                return Err(format!(
                    "--duration: the window of the threshold `{}` is longer than the measured time, {measured:?}",
                    threshold.text
                ));
            }
        }
        Ok(())
    }
}

/// Scales stages so that the highest of them is `wanted`.
fn scale(stages: &mut [Stage], wanted: f64) {
    let before = Stage::highest(stages);
    for stage in stages {
        stage.from = stage.from * wanted / before;
        stage.to = stage.to * wanted / before;
    }
}
