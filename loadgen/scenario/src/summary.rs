//! What a scenario would do, calculated without running it: journeys, arrivals, requests, duration.

use std::fmt;
use std::time::Duration;

use super::requests::{Requests, range};
use super::{Scenario, Stage, Workload, WorkloadKind};

/// What a scenario would do; `Display` is for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The scenario's name.
    pub name: String,
    /// Its workloads in words.
    pub workload: String,
    /// How long journeys are started, where the scenario says so.
    pub duration: Option<Duration>,
    /// The part of it that is not recorded.
    pub warm_up: Duration,
    /// By workload.
    pub workloads: Vec<WorkloadPlan>,
    /// Requests of set-up, where their number is known before it.
    pub setup_requests: Option<u64>,
    /// Steps of tear-down.
    pub teardown_steps: usize,
    /// What goes wrong on purpose, in words.
    pub faults: Vec<String>,
    /// How many thresholds the file has.
    pub thresholds: usize,
    /// The bound on failed journeys that the run has by default.
    pub default_bound: Option<String>,
    /// Warnings about the scenario.
    pub warnings: Vec<String>,
}

/// What one workload would do.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadPlan {
    /// Its name; empty for the only one.
    pub name: String,
    /// The workload in words.
    pub words: String,
    /// Journeys that arrive, if it is open.
    pub arrivals: Option<u64>,
    /// The least number of all its requests, and the greatest if it is known; where arrivals are known.
    pub requests: Option<(u64, Option<u64>)>,
    /// By journey: its name, its share of the workload's journeys (0 to 1; none for a recorded trace), its requests.
    pub journeys: Vec<(String, Option<f64>, Requests)>,
}

impl Scenario {
    /// Summarizes what the scenario would do.
    pub fn summary(&self) -> Summary {
        let setup = self.setup.iter().map(|step| step.requests(self));
        Summary {
            name: self.name.clone(),
            workload: self.workload_in_words(),
            duration: self.duration(),
            warm_up: self.warm_up(),
            workloads: self.workloads.iter().map(|w| self.plan(w)).collect(),
            setup_requests: setup.sum(),
            teardown_steps: self.teardown.len(),
            faults: self
                .faults
                .iter()
                .map(|fault| format!("{} at {:?}", fault.action, fault.at))
                .chain(self.chaos.iter().map(drawn))
                .collect(),
            thresholds: self.thresholds.iter().filter(|t| !t.by_default).count(),
            default_bound: self
                .thresholds
                .iter()
                .find(|t| t.by_default)
                .map(|t| t.text.clone()),
            warnings: self.warnings.clone(),
        }
    }

    /// All workloads in words.
    pub fn workload_in_words(&self) -> String {
        let named = |w: &Workload| match w.name.as_str() {
            "" => in_words(w),
            name => format!("{name}: {}", in_words(w)),
        };
        let all: Vec<String> = self.workloads.iter().map(named).collect();
        all.join("; ")
    }

    fn plan(&self, workload: &Workload) -> WorkloadPlan {
        let weights: f64 = workload.mix.iter().map(|(_, weight)| weight).sum();
        let recorded = matches!(workload.kind, WorkloadKind::Trace);
        let journeys = workload.mix.iter().map(|(index, weight)| {
            let journey = &self.journeys[*index];
            let share = (!recorded).then_some(weight / weights);
            (journey.name.clone(), share, journey.requests(self))
        });
        let journeys: Vec<_> = journeys.collect();
        // Journey k, from 0, is due when the area under the rates reaches k.
        let area = Stage::area(workload.stages());
        let arrivals = workload
            .is_open()
            .then(|| (area - 1e-6).ceil().max(0.0) as u64);
        let requests = arrivals.map(|arrivals| {
            let (mut least, mut most) = (0.0, Some(0.0));
            for (_, share, each) in &journeys {
                let journeys = arrivals as f64 * share.unwrap_or(0.0);
                least += journeys * each.least as f64;
                let both = most.zip(each.most());
                most = both.map(|(sum, n)| sum + journeys * n as f64);
            }
            (least.round() as u64, most.map(|n: f64| n.round() as u64))
        });
        WorkloadPlan {
            name: workload.name.clone(),
            words: in_words(workload),
            arrivals,
            requests,
            journeys,
        }
    }
}

fn drawn(chaos: &super::fault::Chaos) -> String {
    let actions: Vec<String> = chaos.actions.iter().map(ToString::to_string).collect();
    let (every, from) = (chaos.every, chaos.from);
    format!(
        "one every {every:?} from {from:?} on, drawn from: {}",
        actions.join(", ")
    )
}

/// A workload in words, without its name.
pub fn in_words(workload: &Workload) -> String {
    let words = match &workload.kind {
        WorkloadKind::Open { stages, poisson } => {
            let kind = match poisson {
                true => "open, Poisson arrivals",
                false => "open",
            };
            format!("{kind}: {}", stages_in_words(stages, "/s"))
        }
        WorkloadKind::Closed { stages, think_time } => match stages.as_slice() {
            [Stage { duration, from, to }] if from == to => {
                format!("closed: {from} users, think time {think_time}, for {duration:?}")
            }
            _ => format!(
                "closed: {}, think time {think_time}",
                stages_in_words(stages, " users")
            ),
        },
        WorkloadKind::Trace => "recorded: as many as the trace has (--trace FILE)".into(),
    };
    match workload.start_after.is_zero() {
        true => words,
        false => format!("{words}, after {:?}", workload.start_after),
    }
}

/// Stages of rates or of numbers of users, with their unit.
fn stages_in_words(stages: &[Stage], unit: &str) -> String {
    let stage = |s: &Stage| match s.from == s.to {
        true => format!("{}{unit} for {:?}", s.from, s.duration),
        false => format!("{} → {}{unit} in {:?}", s.from, s.to, s.duration),
    };
    let stages: Vec<String> = stages.iter().map(stage).collect();
    stages.join(", ")
}

impl fmt::Display for WorkloadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            writeln!(f, "  workload {}: {}", self.name, self.words)?;
        }
        if let Some((arrivals, requests)) = self.arrivals.zip(self.requests) {
            let (least, most) = requests;
            let requests = range(least, most);
            writeln!(f, "  arrivals: {arrivals}; requests: {requests}")?;
        }
        for (name, share, requests) in &self.journeys {
            write!(f, "  journey {name}: ")?;
            if let Some(share) = share {
                let of = match self.arrivals {
                    Some(_) => "arrivals",
                    None => "journeys",
                };
                write!(f, "{:.0} % of the {of}, ", share * 100.0)?;
            }
            writeln!(f, "requests each: {requests}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.workloads.as_slice() {
            [_] => writeln!(f, "{}: {}", self.name, self.workload)?,
            several => writeln!(f, "{}: {} workloads", self.name, several.len())?,
        }
        if let Some(duration) = self.duration {
            write!(f, "  duration: {duration:?}")?;
            match self.warm_up.is_zero() {
                true => writeln!(f)?,
                false => writeln!(f, ", {:?} of it warm-up", self.warm_up)?,
            }
        }
        for workload in &self.workloads {
            workload.fmt(f)?;
        }
        match self.setup_requests {
            Some(0) => {}
            Some(1) => writeln!(f, "  set-up: 1 request")?,
            Some(requests) => writeln!(f, "  set-up: {requests} requests")?,
            None => writeln!(
                f,
                "  set-up: the number of requests depends on its lists and values"
            )?,
        }
        if self.teardown_steps > 0 {
            writeln!(f, "  tear-down: {} steps", self.teardown_steps)?;
        }
        for fault in &self.faults {
            writeln!(f, "  fault: {fault}")?;
        }
        write!(f, "  thresholds: {}", self.thresholds)?;
        match &self.default_bound {
            Some(bound) => writeln!(f, ", and by default `{bound}`")?,
            None => writeln!(f)?,
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}
