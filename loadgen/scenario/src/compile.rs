//! Compiles the file's types to a checked scenario: checks that names exist and parts fit, and applies defaults.

mod action;
mod answer;
mod body;
mod compiler;
mod fault;
mod http;
mod journey;
mod preparation;
mod recorded;
mod request;
mod targets;
mod thresholds;
mod workload;
mod workloads;

use std::collections::{HashMap, HashSet};

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler, split_tags};
use crate::diagnostic::{ScenarioError, SourceText};
use crate::expression::Vars;
use crate::file::{Http, ScenarioFile};
use crate::limits::Limits;
use crate::scenario::{Feeder, Scenario};
use crate::secrets::Secrets;
use crate::sources::{Files, ReadFrom};
use crate::workload::Workload;

/// Reads a scenario's text. `file` is its name in errors; relative data files are looked up beside it.
pub fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    read_from(file, text, Files::default())
}

/// Reads a scenario's text, and what it names from these files.
pub(crate) fn read_from(
    file: &str,
    text: &str,
    files: Files<'_>,
) -> Result<Scenario, ScenarioError> {
    let source = SourceText { file, text };
    let raw: ScenarioFile = toml::from_str(text).map_err(|e| source.toml_error(&e))?;
    Compiler {
        source,
        files,
        known: HashSet::new(),
        lists: HashSet::new(),
        maybe_unset: HashSet::new(),
        used: HashSet::new(),
        ever_used: HashSet::new(),
        columns: HashMap::new(),
        secrets: Secrets::default(),
        protocol: Http::default().protocol,
        targets: Vec::new(),
        steps: Vec::new(),
        awaits: Vec::new(),
        notes: Vec::new(),
    }
    .scenario(raw)
}

impl Compiler<'_> {
    fn scenario(mut self, raw: ScenarioFile) -> Compiled<Scenario> {
        let workloads = self.workloads(&raw)?;
        let parameters = crate::toml_json::object(raw.parameters).map_err(|problem| {
            let place = self.source.find("[parameters]", 0..0);
            self.source
                .error(place, format!("a parameter: {problem}"), None)
        })?;
        for name in parameters.keys() {
            self.nameable(name, &self.source.find("[parameters]", 0..0))?;
        }
        self.known.extend(parameters.keys().cloned());
        let length = Workload::last_end(&workloads);
        self.targets = self.named_targets(&raw.targets)?;
        let limits = self.limits(raw.limits)?;
        let http = self.http(raw.http)?;
        self.protocol = http.protocol;
        let trace = self.trace(raw.workload.as_ref(), raw.trace, &raw.journeys)?;
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
            .map(|f| self.fault(f, length))
            .collect::<Compiled<Vec<_>>>()?;
        let chaos = raw.chaos.map(|chaos| self.chaos(chaos, length));
        let chaos = chaos.transpose()?;
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
        let (step_names, step_tags) = split_tags(self.steps);
        let (await_names, await_tags) = split_tags(rows);
        let mut scenario = Scenario {
            name: raw.name,
            description: raw.description,
            read_from: ReadFrom {
                file: self.source.file.to_owned(),
                text: self.source.text.to_owned(),
                paths: self.files.opened(),
                changes: Vec::new(),
            },
            parameters,
            targets: self.targets,
            secrets: self.secrets,
            audit: false,
            workloads,
            limits,
            http,
            setup,
            teardown,
            feeders,
            faults,
            durability: raw.durability,
            chaos,
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
        thresholds::bound_errors(&mut scenario);
        Ok(scenario)
    }

    fn limits(&self, raw: Option<Spanned<Limits>>) -> Compiled<Limits> {
        let Some(raw) = raw else {
            return Ok(Limits::default());
        };
        let (span, limits) = (raw.span(), raw.into_inner());
        match limits.out_of_range() {
            None => Ok(limits),
            Some((key, allowed)) => Err(self.source.error(
                self.source.find(key, span),
                format!("the limit `{key}` is out of range"),
                Some(format!("allowed: {allowed}")),
            )),
        }
    }

    /// Warns of feeders and parameters that nothing reads: probably a mistake.
    fn warnings(&self, feeders: &[Feeder], parameters: &Vars) -> Vec<String> {
        let unread = |name: &&String| !self.ever_used.contains(*name);
        let feeders = feeders.iter().map(|f| &f.name).filter(unread);
        let feeders = feeders.map(|name| format!("no journey reads the feeder `{name}`"));
        let parameters = parameters.keys().filter(unread);
        let parameters = parameters.map(|name| format!("nothing reads the parameter `{name}`"));
        let notes = self.notes.iter().cloned();
        feeders.chain(parameters).chain(notes).collect()
    }
}
