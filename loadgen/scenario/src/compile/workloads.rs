//! Compiles the list of workloads: `[workload]` is a list of one, which runs every journey by the journey's own weight.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::diagnostic::did_you_mean;
use crate::file::{JourneyFile, ScenarioFile, WorkloadFile, WorkloadKindFile};
use crate::workload::Workload;

const EITHER: &str = "allowed: [workload] for one workload, or [[workloads]], each with a `name` and its `journeys`, for several";

impl Compiler<'_> {
    pub(super) fn workloads(&self, raw: &ScenarioFile) -> Compiled<Vec<Workload>> {
        let wrong =
            |span, problem: &str| Err(self.source.error(span, problem, Some(EITHER.into())));
        match (&raw.workload, raw.workloads.as_slice()) {
            (Some(single), []) => {
                let file = single.get_ref();
                let named = file.name.is_some() || file.journeys.is_some();
                if named || file.start_after.is_some() {
                    let problem = "[workload] has no `name`, no `journeys` and no `start_after`: it is the only one";
                    return wrong(single.span(), problem);
                }
                let weights = raw.journeys.iter().enumerate();
                let mix = weights.map(|(i, j)| (i, j.get_ref().weight.unwrap_or(1.0)));
                Ok(vec![self.workload(String::new(), mix.collect(), single)?])
            }
            (None, []) => wrong(0..0, "no workload"),
            (Some(_), [first, ..]) => wrong(first.span(), "[workload] and [[workloads]]"),
            (None, several) => self.several(several, &raw.journeys),
        }
    }

    fn several(
        &self,
        raw: &[Spanned<WorkloadFile>],
        journeys: &[Spanned<JourneyFile>],
    ) -> Compiled<Vec<Workload>> {
        let mut workloads: Vec<Workload> = Vec::new();
        for raw in raw {
            let (span, file) = (raw.span(), raw.get_ref());
            let wrong = |problem: String, help: &str| {
                Err(self
                    .source
                    .error(span.clone(), problem, Some(help.to_owned())))
            };
            let name = file.name.clone().unwrap_or_default();
            if name.trim().is_empty() {
                let problem = "a workload of several needs a name".to_owned();
                return wrong(problem, "allowed: `name = \"reads\"`");
            }
            if workloads.iter().any(|w| w.name == name) {
                let problem = format!("two workloads have the name `{name}`");
                return wrong(problem, "allowed: a name of its own for each");
            }
            if workloads.len() == Workload::COUNT_MAX {
                let problem = format!("more than {} workloads", Workload::COUNT_MAX);
                return wrong(problem, "allowed: fewer, with several journeys in one");
            }
            if matches!(file.kind, WorkloadKindFile::Trace) {
                let problem = format!("`{name}` can't be recorded arrivals");
                return wrong(
                    problem,
                    "allowed: kind = \"open\" or \"closed\"; kind = \"trace\" in [workload]",
                );
            }
            let mix = self.mix(&name, file.journeys.as_ref(), &span, journeys)?;
            workloads.push(self.workload(name, mix, raw)?);
        }
        self.check_journeys_are_run(&workloads, journeys)?;
        Ok(workloads)
    }

    /// The journeys of a workload and their weights, in the order of the journeys.
    fn mix(
        &self,
        name: &str,
        weights: Option<&BTreeMap<String, f64>>,
        span: &Range<usize>,
        journeys: &[Spanned<JourneyFile>],
    ) -> Compiled<Vec<(usize, f64)>> {
        let names = || journeys.iter().map(|j| j.get_ref().name.as_str());
        let wrong = |key: &str, problem: String, help: String| {
            let place = self
                .source
                .find(key, self.source.find("journeys", span.clone()));
            Err(self.source.error(place, problem, Some(help)))
        };
        let Some(weights) = weights.filter(|weights| !weights.is_empty()) else {
            let names: Vec<&str> = names().collect();
            return Err(self.source.error(
                span.clone(),
                format!("the workload `{name}` runs no journeys"),
                Some(format!(
                    "allowed: `journeys = {{ NAME = WEIGHT }}` with some of: {}",
                    names.join(", ")
                )),
            ));
        };
        for (journey, weight) in weights {
            if !names().any(|name| name == journey) {
                let did = did_you_mean(journey, names());
                let names: Vec<&str> = names().collect();
                let help = format!("{did}allowed: {}", names.join(", "));
                return wrong(
                    journey,
                    format!("the workload `{name}` runs an unknown journey `{journey}`"),
                    help,
                );
            }
            if !(*weight > 0.0 && weight.is_finite()) {
                let help = "allowed: a number above 0".to_owned();
                return wrong(
                    journey,
                    format!("the weight of `{journey}` in `{name}` is out of range"),
                    help,
                );
            }
        }
        let found = names().enumerate();
        Ok(found
            .filter_map(|(i, name)| Some((i, *weights.get(name)?)))
            .collect())
    }

    /// Refuses journeys that no workload runs, and what would say twice which of them one runs.
    fn check_journeys_are_run(
        &self,
        workloads: &[Workload],
        journeys: &[Spanned<JourneyFile>],
    ) -> Compiled<()> {
        let named: Vec<&str> = workloads.iter().map(|w| w.name.as_str()).collect();
        for (i, journey) in journeys.iter().enumerate() {
            let (span, file) = (journey.span(), journey.get_ref());
            let name = &file.name;
            if journeys[..i]
                .iter()
                .any(|other| other.get_ref().name == *name)
            {
                let problem =
                    format!("two journeys have the name `{name}`, by which workloads name them");
                let help = "allowed: a name of its own for each";
                return Err(self.source.error(span, problem, Some(help.into())));
            }
            if file.weight.is_some() {
                let place = self.source.find("weight", span);
                let problem = format!("the weight of `{name}` belongs to a workload");
                let help = format!("allowed: `journeys = {{ {name} = WEIGHT }}` in [[workloads]]");
                return Err(self.source.error(place, problem, Some(help)));
            }
            if !workloads
                .iter()
                .any(|w| w.mix.iter().any(|(run, _)| *run == i))
            {
                let problem = format!("no workload runs the journey `{name}`");
                let help = format!(
                    "allowed: its name in `journeys` of one of: {}",
                    named.join(", ")
                );
                return Err(self.source.error(span, problem, Some(help)));
            }
        }
        Ok(())
    }
}
