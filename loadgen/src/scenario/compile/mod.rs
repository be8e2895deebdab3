//! Compiles the file's types to a checked scenario: checks that names exist and parts fit, and applies defaults.

mod action;
mod fault;
mod journey;
mod preparation;
mod recorded;
mod request;
mod thresholds;
mod workload;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::diagnostic::{ScenarioError, SourceText, nearest};
use super::expression::{Expression, Vars};
use super::file::*;
use super::template::Template;
use super::*;
use crate::duration::HumanDuration;

/// Reads a scenario's text. `file` is its name in errors; relative data files are looked up beside it.
pub fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let source = SourceText { file, text };
    let raw: ScenarioFile = toml::from_str(text).map_err(|e| source.toml_error(&e))?;
    Compiler {
        source,
        known: HashSet::new(),
        perhaps: HashSet::new(),
        used: HashSet::new(),
        ever_used: HashSet::new(),
        columns: HashMap::new(),
        steps: Vec::new(),
        awaits: Vec::new(),
    }
    .scenario(raw)
}

struct Compiler<'a> {
    source: SourceText<'a>,
    /// Variables that the current templates may read.
    known: HashSet<String>,
    /// Variables of steps that may be skipped: templates must read them with a default.
    perhaps: HashSet<String>,
    /// Variables that the current journey reads.
    used: HashSet<String>,
    /// Variables that anything reads.
    ever_used: HashSet<String>,
    /// By feeder: the fields that all of its values have, if all of them are objects.
    columns: HashMap<String, BTreeSet<String>>,
    steps: Vec<Row>,
    awaits: Vec<Row>,
}

/// A row of the report: a name and its tags.
type Row = (String, BTreeSet<String>);

type Compiled<T> = Result<T, ScenarioError>;

/// The index of the row of this name; adds the row if it is new, and the tags to it.
fn tagged(rows: &mut Vec<Row>, name: &str, tags: &[String]) -> usize {
    let at = rows.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
        rows.push((name.to_owned(), BTreeSet::new()));
        rows.len() - 1
    });
    rows[at].1.extend(tags.iter().cloned());
    at
}

fn apart(rows: Vec<Row>) -> (Vec<String>, Vec<Vec<String>>) {
    let rows = rows.into_iter();
    rows.map(|(name, tags)| (name, tags.into_iter().collect()))
        .unzip()
}

impl Compiler<'_> {
    fn scenario(mut self, raw: ScenarioFile) -> Compiled<Scenario> {
        let parameters = match serde_json::to_value(&raw.parameters) {
            Ok(Value::Object(parameters)) => parameters,
            _ => Vars::new(),
        };
        self.known.extend(parameters.keys().cloned());
        let poisson = raw.workload.get_ref().arrivals == Some(ArrivalsKind::Poisson);
        let traceparent = raw.workload.get_ref().traceparent.unwrap_or(true);
        let workload = self.workload(&raw.workload)?;
        let warm_up = self.warm_up(&raw.workload, &workload)?;
        let trace = self.trace(&workload, &raw.workload.span(), raw.trace, &raw.journeys)?;
        let setup = raw
            .setup
            .into_iter()
            .map(|s| self.setup_step(s))
            .collect::<Compiled<Vec<_>>>()?;
        let feeders = raw
            .feeders
            .into_iter()
            .map(|f| self.feeder(f))
            .collect::<Compiled<Vec<_>>>()?;
        if raw.journeys.is_empty() {
            return Err(self.source.error(
                0..0,
                "no journeys",
                Some("at least one [[journeys]] is needed".into()),
            ));
        }
        let faults = raw.faults.into_iter();
        let faults = faults
            .map(|f| self.fault(f, &workload))
            .collect::<Compiled<Vec<_>>>()?;
        let after_setup = self.known.clone();
        let journeys = raw
            .journeys
            .into_iter()
            .map(|j| self.journey(j, &feeders))
            .collect::<Compiled<Vec<_>>>()?;
        // Only journeys see feeders' variables; tear-down sees those of set-up.
        self.known = after_setup;
        self.known
            .retain(|name| feeders.iter().all(|f| f.name != *name));
        let rows = std::mem::take(&mut self.awaits);
        if let Some(step) = raw.teardown.iter().find(|s| s.get_ref().awaits.is_some()) {
            let problem = "tear-down can't wait for states";
            let help = "allowed: `await` in [[setup]] and in journeys";
            return Err(self.source.error(step.span(), problem, Some(help.into())));
        }
        let teardown = raw
            .teardown
            .into_iter()
            .map(|s| self.setup_step(s))
            .collect::<Compiled<Vec<_>>>()?;
        let warnings = self.warnings(&feeders, &parameters);
        let (step_names, step_tags) = apart(self.steps);
        let (await_names, await_tags) = apart(rows);
        let mut scenario = Scenario {
            name: raw.name,
            description: raw.description,
            parameters,
            audit: false,
            workload,
            warm_up,
            poisson,
            traceparent,
            limits: limits(&raw.limits),
            setup,
            teardown,
            feeders,
            faults,
            journeys,
            thresholds: raw.thresholds,
            step_names,
            step_tags,
            await_names,
            await_tags,
            warnings,
            trace,
        };
        // A scenario that only reads can't have broken anything.
        scenario.audit = raw.audit.unwrap_or_else(|| scenario.writes());
        thresholds::check(&scenario, &self.source)?;
        Ok(scenario)
    }

    /// Warns of feeders and parameters that nothing reads: probably a mistake.
    fn warnings(&self, feeders: &[Feeder], parameters: &Vars) -> Vec<String> {
        let unread = |name: &&String| !self.ever_used.contains(*name);
        let feeders = feeders.iter().map(|f| &f.name).filter(unread);
        let feeders = feeders.map(|name| format!("no journey reads the feeder `{name}`"));
        let parameters = parameters.keys().filter(unread);
        let parameters = parameters.map(|name| format!("nothing reads the parameter `{name}`"));
        feeders.chain(parameters).collect()
    }
}

/// Default of `sampled_per_s`: enough for a p99 after seconds, too few to disturb the measurement.
const SAMPLED_PER_S: f64 = 50.0;

fn limits(raw: &LimitsFile) -> Limits {
    let or = |given: Option<HumanDuration>, default_ms: u64| {
        given.map_or(Duration::from_millis(default_ms), |d| d.0)
    };
    Limits {
        in_flight_max: raw.in_flight_max.unwrap_or(4_096).clamp(1, 1_000_000),
        connections_max: raw.connections_max.unwrap_or(1_024).clamp(1, 60_000),
        sampled_per_s: raw.sampled_per_s.unwrap_or(SAMPLED_PER_S).clamp(0.0, 1e6),
        request_timeout: or(raw.request_timeout, 10_000),
        drain_timeout: or(raw.drain_timeout, 30_000),
        backlog_timeout: or(raw.backlog_timeout, 10_000),
        slip_p99_max: or(raw.slip_p99_max, 50),
        cpu_pct_max: raw.cpu_pct_max.unwrap_or(90.0),
        loop_stall_p99_max: or(raw.loop_stall_p99_max, 100),
        clock_jump_max: or(raw.clock_jump_max, 500),
        dropped_pct_max: raw.dropped_pct_max.unwrap_or(1.0),
        response_bytes_max: raw.response_bytes_max.unwrap_or(64 << 20),
    }
}
