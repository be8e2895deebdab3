//! Changes to a scenario from the command line, and which of them fit which workload.

use std::time::Duration;

use serde_json::Value;

use super::threshold::{Threshold, Window};
use super::{Scenario, Stage, Workload};

/// Changes to a scenario from the command line.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Journeys a second; stages are scaled so that their highest rate is this one.
    pub rate: Option<f64>,
    /// The workload's length; stages are stretched.
    pub duration: Option<Duration>,
    /// Users of a closed workload; stages are scaled so that their highest number is this one.
    pub users: Option<usize>,
    /// The share of journeys that may fail, 0 to 1; besides the scenario's own thresholds.
    pub error_rate_max: Option<f64>,
    /// Parameters by name; the text is parsed as JSON if it is JSON.
    pub parameters: Vec<(String, String)>,
    /// URLs of named targets, by name.
    pub targets: Vec<(String, String)>,
}

impl Scenario {
    /// Applies the command line's changes. The error is for the person who typed them.
    pub fn apply(&mut self, overrides: &Overrides) -> Result<(), String> {
        match &mut self.workload {
            Workload::Open { stages } => {
                scale(stages, overrides.rate);
                stretch(stages, overrides.duration);
            }
            Workload::Closed { stages, .. } => {
                if overrides.rate.is_some() {
                    return Err("--rate: this scenario has a closed workload; its users set the rate (use --users)".into());
                }
                scale(stages, overrides.users.map(|users| users as f64));
                stretch(stages, overrides.duration);
            }
            Workload::Trace if overrides.rate.is_some() || overrides.duration.is_some() => {
                return Err(
                    "--rate and --duration: a recorded trace sets both (use --speed)".into(),
                );
            }
            Workload::Trace => {}
        }
        self.warm_up_fits()?;
        self.windows_fit()?;
        self.faults_fit()?;
        if let Some(share) = overrides.error_rate_max {
            self.thresholds.retain(|t| !t.by_default);
            self.thresholds.extend(Threshold::error_rate(share, false));
        }
        if overrides.users.is_some() && !matches!(self.workload, Workload::Closed { .. }) {
            return Err("--users: this scenario has no closed workload".into());
        }
        for (name, url) in &overrides.targets {
            let Some(target) = self.targets.iter_mut().find(|t| t.name == *name) else {
                let known: Vec<&str> = self.targets.iter().map(|t| t.name.as_str()).collect();
                let allowed = match known.is_empty() {
                    true => "this scenario has no [targets]".to_owned(),
                    false => format!("allowed: {}", known.join(", ")),
                };
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
                return Err(format!(
                    "--set {name}: no such parameter; allowed: {}",
                    known.join(", ")
                ));
            };
            *parameter = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        }
        Ok(())
    }

    /// Replaces the workload by one constant rate, to probe the target, and removes the faults. `duration` includes the
    /// warm-up. The error is for the person who asked for the probe.
    pub fn probe(
        &mut self,
        rate: f64,
        duration: Duration,
        warm_up: Duration,
    ) -> Result<(), String> {
        if !matches!(self.workload, Workload::Open { .. }) {
            return Err(format!(
                "the scenario `{}` has no open workload: only arrivals at a rate have a highest rate; allowed: a scenario with kind = \"open\"",
                self.name
            ));
        }
        self.workload = Workload::Open {
            stages: vec![Stage::constant(duration, rate)],
        };
        self.warm_up = warm_up;
        self.faults.clear();
        self.chaos = None;
        self.warm_up_fits()
            .and_then(|()| self.windows_fit())
            .map_err(|e| e.replace("--duration", "--probe-duration"))
    }

    /// The highest rate that an open workload asks for, in journeys a second.
    pub fn highest_rate(&self) -> Option<f64> {
        match &self.workload {
            Workload::Open { stages } => Some(Stage::highest(stages)),
            _ => None,
        }
    }

    /// Refuses a workload that ends with its warm-up: nothing would be measured.
    fn warm_up_fits(&self) -> Result<(), String> {
        match self.workload.duration() {
            Some(duration) if duration <= self.warm_up => Err(format!(
                "--duration: {duration:?} leaves nothing to measure after the warm-up of {:?}; allowed: a longer duration than the warm-up",
                self.warm_up
            )),
            _ => Ok(()),
        }
    }

    /// Refuses faults after the workload's end: they would never happen.
    fn faults_fit(&self) -> Result<(), String> {
        let Some(duration) = self.workload.duration() else {
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
        let Some(duration) = self.workload.duration() else {
            return Ok(());
        };
        let measured = duration.saturating_sub(self.warm_up);
        let too_long = self.thresholds.iter().find(|t| match t.window {
            Window::Run => false,
            Window::Every(length) | Window::Last(length) => length > measured,
        });
        match too_long {
            Some(t) => Err(format!(
                "--duration: the window of the threshold `{}` is longer than the measured time, {measured:?}",
                t.text
            )),
            None => Ok(()),
        }
    }
}

/// Scales stages so that the highest of them is `highest`.
fn scale(stages: &mut [Stage], highest: Option<f64>) {
    let Some(wanted) = highest else {
        return;
    };
    let before = Stage::highest(stages);
    for stage in stages {
        stage.from = stage.from * wanted / before;
        stage.to = stage.to * wanted / before;
    }
}

/// Stretches stages so that all of them together are as long as `duration`.
fn stretch(stages: &mut [Stage], duration: Option<Duration>) {
    let Some(wanted) = duration else {
        return;
    };
    let total: Duration = stages.iter().map(|s| s.duration).sum();
    let factor = wanted.as_secs_f64() / total.as_secs_f64();
    for stage in stages {
        stage.duration = stage.duration.mul_f64(factor);
    }
}
