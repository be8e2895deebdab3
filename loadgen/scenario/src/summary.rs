//! What a scenario would do, calculated without running it: journeys, arrivals, requests, duration.

use std::fmt;
use std::time::Duration;

use super::expression::Scope;
use super::template::Template;
use super::{Action, Journey, Loop, Scenario, SetupStep, Stage, Step, ThinkTime, Workload};

/// The minimum number of requests, and the maximum if it is known.
pub type Requests = (u64, Option<u64>);

/// What a scenario would do; `Display` is for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The scenario's name.
    pub name: String,
    /// Its workload in words.
    pub workload: String,
    /// How long journeys are started, where the scenario says so.
    pub duration: Option<Duration>,
    /// The part of it that is not recorded.
    pub warm_up: Duration,
    /// Journeys that arrive, for an open workload.
    pub arrivals: Option<u64>,
    /// Requests of the whole workload, where arrivals are known.
    pub requests: Option<Requests>,
    /// By journey: its name, its share of the arrivals (0 to 1; none for a recorded trace), its requests.
    pub journeys: Vec<(String, Option<f64>, Requests)>,
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

impl Scenario {
    /// Summarizes what the scenario would do.
    pub fn summary(&self) -> Summary {
        let weights: f64 = self.journeys.iter().map(|j| j.weight).sum();
        let recorded = matches!(self.workload, Workload::Trace);
        let share = |j: &Journey| (!recorded).then_some(j.weight / weights);
        let journeys: Vec<_> = self
            .journeys
            .iter()
            .map(|j| (j.name.clone(), share(j), of_steps(self, &j.steps)))
            .collect();
        let arrivals = self.arrivals();
        let requests = arrivals.map(|arrivals| {
            let (mut least, mut most) = (0.0, Some(0.0));
            for (_, share, each) in &journeys {
                let journeys = arrivals as f64 * share.unwrap_or(0.0);
                least += journeys * each.0 as f64;
                most = most.zip(each.1).map(|(sum, n)| sum + journeys * n as f64);
            }
            (least.round() as u64, most.map(|n: f64| n.round() as u64))
        });
        let setup = self.setup.iter().map(|step| setup_requests(self, step));
        Summary {
            name: self.name.clone(),
            workload: workload(&self.workload),
            duration: self.workload.duration(),
            warm_up: self.warm_up,
            arrivals,
            requests,
            journeys,
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

    /// The number of arrivals: the area under the rates. Journey k, from 0, is due when the area reaches k.
    fn arrivals(&self) -> Option<u64> {
        let Workload::Open { stages } = &self.workload else {
            return None;
        };
        let area: f64 = stages
            .iter()
            .map(|s| (s.from + s.to) / 2.0 * s.duration.as_secs_f64())
            .sum();
        Some((area - 1e-6).ceil().max(0.0) as u64)
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

fn workload(workload: &Workload) -> String {
    match workload {
        Workload::Open { stages } => format!("open: {}", in_words(stages, "/s")),
        Workload::Closed { stages, think_time } => {
            format!("closed: {}", users(stages, think_time))
        }
        Workload::Trace => "recorded: as many as the trace has (--trace FILE)".into(),
    }
}

/// The users of a closed workload, in words.
pub fn users(stages: &[Stage], think_time: &ThinkTime) -> String {
    if let [Stage { duration, from, to }] = stages
        && from == to
    {
        return format!("{from} users, think time {think_time}, for {duration:?}");
    }
    format!("{}, think time {think_time}", in_words(stages, " users"))
}

/// Stages of rates or of numbers of users, with their unit.
fn in_words(stages: &[Stage], unit: &str) -> String {
    let stage = |s: &Stage| match s.from == s.to {
        true => format!("{}{unit} for {:?}", s.from, s.duration),
        false => format!("{} → {}{unit} in {:?}", s.from, s.to, s.duration),
    };
    let stages: Vec<String> = stages.iter().map(stage).collect();
    stages.join(", ")
}

/// The number that a template renders to, if it reads only the scenario's parameters.
fn number(scenario: &Scenario, template: &Template) -> Option<u64> {
    use rand::SeedableRng;
    let mut rng = rand::rngs::SmallRng::seed_from_u64(0);
    let known = |name: &str| scenario.parameters.contains_key(name);
    if !template.variables().all(known) {
        return None;
    }
    let mut scope = Scope {
        layers: &[&scenario.parameters],
        rng: &mut rng,
    };
    template.render(&mut scope).ok()?.parse().ok()
}

/// The requests of a journey's steps, nested ones included.
fn of_steps(scenario: &Scenario, steps: &[Step]) -> Requests {
    steps.iter().fold((0, Some(0)), |sum, step| {
        let each = match &step.action {
            Action::Request { .. } => (1, Some(1)),
            Action::Steps(steps) | Action::Parallel(steps) => of_steps(scenario, steps),
            _ => return sum,
        };
        let times = match &step.looped {
            None => (1, Some(1)),
            Some(Loop::Repeat(count)) => {
                let known = number(scenario, count);
                (known.unwrap_or(0), known)
            }
            Some(Loop::ForEach(_)) => (0, None),
            Some(Loop::While { max, .. }) => (0, Some(u64::from(*max))),
            Some(Loop::Until { max, .. }) => (1, Some(u64::from(*max))),
        };
        let least = if step.condition.is_some() { 0 } else { times.0 };
        let most = each.1.zip(times.1).map(|(each, times)| each * times);
        (sum.0 + each.0 * least, sum.1.zip(most).map(|(a, b)| a + b))
    })
}

fn setup_requests(scenario: &Scenario, step: &SetupStep) -> Option<u64> {
    let iterations = match (&step.repeat, &step.for_each) {
        (Some(count), _) => number(scenario, count)?,
        // The list has one element per iteration of the step that makes it.
        (None, Some(list)) => {
            let maker = scenario
                .setup
                .iter()
                .find(|s| s.list.as_ref() == Some(list))?;
            number(scenario, maker.repeat.as_ref()?)?
        }
        (None, None) => 1,
    };
    Some(match step.item {
        Some(_) => iterations.div_ceil(step.chunk as u64),
        None => iterations,
    })
}

fn range((least, most): Requests) -> String {
    match most {
        Some(most) if most == least => least.to_string(),
        Some(most) => format!("{least} to {most}"),
        None => format!("{least} or more"),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.workload)?;
        if let Some(duration) = self.duration {
            write!(f, "  duration: {duration:?}")?;
            match self.warm_up.is_zero() {
                true => writeln!(f)?,
                false => writeln!(f, ", {:?} of it warm-up", self.warm_up)?,
            }
        }
        if let Some((arrivals, requests)) = self.arrivals.zip(self.requests) {
            writeln!(f, "  arrivals: {arrivals}; requests: {}", range(requests))?;
        }
        for (name, share, requests) in &self.journeys {
            write!(f, "  journey {name}: ")?;
            if let Some(share) = share {
                write!(f, "{:.0} % of the arrivals, ", share * 100.0)?;
            }
            writeln!(f, "requests each: {}", range(*requests))?;
        }
        match self.setup_requests {
            Some(0) => {}
            Some(requests) => writeln!(f, "  set-up: {requests} requests")?,
            None => writeln!(f, "  set-up: the number of requests depends on its lists")?,
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
