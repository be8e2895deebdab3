//! Checks whether runs may be compared: scenario, workload, durability, Redis and machine must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{CompareError, Group, Options};
use crate::Report;
use crate::folder::RunFolder;

/// The name and value of something that must be the same in all runs; no value where an older report doesn't tell it.
type Trait = (&'static str, fn(&Report) -> Option<String>);

/// The name of what the server is, in [`Group::asked`].
pub const REDIS: &str = "Redis";
/// The name of how durable the server is, in [`Group::asked`].
pub const DURABILITY: &str = "durability";

/// An option that earlier builds of the system don't tell of, and what they have.
const UNTOLD: (&str, &str) = ("partitions", "1");

const ASKED: [Trait; 9] = [
    ("scenario", |r| Some(r.scenario.clone())),
    ("what the scenario asks for, by its fingerprint", |r| {
        r.fingerprint.clone()
    }),
    ("workload", |r| Some(r.workload.description.clone())),
    ("warm-up", |r| Some(format!("{} s", r.workload.warm_up_s))),
    ("parameters", |r| {
        let pairs = r.parameters.iter().map(|(k, v)| format!("{k} = {v}"));
        let pairs: Vec<String> = pairs.collect();
        Some(or_none(&pairs))
    }),
    ("protocol", |r| {
        let protocol = r.http.as_ref().map(|http| http.protocol.clone());
        // Older reports don't say it.
        Some(protocol.unwrap_or_else(|| "HTTP/1.1".to_owned()))
    }),
    // Sampling costs time, too.
    ("profiled", |r| {
        let profiled = r.profile.is_some();
        Some(if profiled { "yes" } else { "no" }.to_owned())
    }),
    ("steps", |r| {
        let names: Vec<&str> = r.steps.iter().map(|s| s.name.as_str()).collect();
        Some(names.join(", "))
    }),
    ("awaited states", |r| {
        let names: Vec<&str> = r.end_to_end.iter().map(|s| s.name.as_str()).collect();
        Some(or_none(&names))
    }),
];

const RAN_ON: [Trait; 2] = [
    (DURABILITY, |r| Some(known(&r.environment.durability))),
    (REDIS, |r| {
        let e = &r.environment;
        let (server, version) = (known(&e.redis_server), known(&e.redis_version));
        Some(format!("{server} {version}"))
    }),
];

const MACHINE: [Trait; 3] = [
    ("cores", |r| Some(r.environment.cores.to_string())),
    ("machine", |r| {
        Some(format!("{} {}", r.environment.os, r.environment.arch))
    }),
    ("agents", |r| Some(r.agents.len().to_string())),
];

fn or_none<T: AsRef<str>>(values: &[T]) -> String {
    let values: Vec<&str> = values.iter().map(T::as_ref).collect();
    match values.is_empty() {
        true => "none".to_owned(),
        false => values.join(", "),
    }
}

fn known(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "unknown".to_owned())
}

/// One line for each trait that differs and each differing value. What the sides were asked to differ in must be the same only within
/// each side.
fn differences(baseline: &Group, candidate: &Group, traits: &[Trait]) -> Vec<String> {
    let asked = baseline.asked_differences(candidate);
    let mut lines = Vec::new();
    for (what, of) in traits {
        let all: Vec<&RunFolder> = baseline.runs.iter().chain(&candidate.runs).collect();
        let parts = match asked.iter().any(|a| a.what == *what) {
            true => vec![&all[..baseline.runs.len()], &all[baseline.runs.len()..]],
            false => vec![&all[..]],
        };
        for runs in parts {
            differences_in(runs, (what, *of), &mut lines);
        }
    }
    lines
}

/// Adds a line for each value of the trait that is not the first run's.
fn differences_in(runs: &[&RunFolder], (what, of): Trait, lines: &mut Vec<String>) {
    let mut told = runs.iter().filter_map(|run| Some((run, of(&run.report)?)));
    let Some((first, expected)) = told.next() else {
        return;
    };
    for (run, found) in told {
        let (one, other) = (first.path.display(), run.path.display());
        let told: &dyn Fn(&String) -> bool = &|line: &String| {
            line.starts_with(&format!("  {what}: ")) && line.contains(&format!("`{found}`"))
        };
        if found != expected && !lines.iter().any(told) {
            lines.push(format!(
                "  {what}: `{expected}` in {one}, `{found}` in {other}"
            ));
        }
    }
}

/// Warnings about options of `ordershop up` that the systems say they have differently, but for those that were asked to differ: a build may
/// have another default, so they don't make runs incomparable.
pub fn other_options(baseline: &Group, candidate: &Group) -> Vec<String> {
    let asked = baseline.asked_differences(candidate);
    let runs = baseline.runs.iter().chain(&candidate.runs);
    let mut values: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let told = runs.map(|run| &run.report.environment.system_options);
    for options in told.filter(|options| !options.is_empty()) {
        for (name, value) in options {
            values.entry(name).or_default().insert(value.to_string());
        }
        let (untold, value) = UNTOLD;
        if !options.contains_key(untold) {
            values.entry(untold).or_default().insert(value.to_owned());
        }
    }
    let other = values.into_iter().filter(|(name, values)| {
        let is_asked = asked
            .iter()
            .any(|a| a.what.trim_start_matches('-') == *name);
        values.len() > 1 && !is_asked
    });
    let warning = |(name, values): (&str, BTreeSet<String>)| {
        let values: Vec<String> = values.into_iter().collect();
        let values = values.join(" and ");
        format!(
            "the systems were started with different options: {name} is {values}; what is found may come from that"
        )
    };
    other.map(warning).collect()
}

/// Refuses runs that can't be compared. Returns warnings about differences that the options allow.
pub fn check(
    baseline: &Group,
    candidate: &Group,
    options: &Options,
) -> Result<Vec<String>, CompareError> {
    for group in [baseline, candidate] {
        if group.runs.is_empty() {
            return Err(CompareError::Empty {
                group: group.label.clone(),
            });
        }
    }
    let mut seen: Vec<(PathBuf, &RunFolder)> = Vec::new();
    for run in baseline.runs.iter().chain(&candidate.runs) {
        let place = run.path.canonicalize().unwrap_or_else(|_| run.path.clone());
        if seen.iter().any(|(other, _)| *other == place) {
            return Err(CompareError::Twice(run.path.clone()));
        }
        if let Some((_, other)) = seen.iter().find(|(_, other)| other.has_a_run_of(run)) {
            return Err(CompareError::Copied(other.path.clone(), run.path.clone()));
        }
        seen.push((place, run));
    }
    let asked = differences(baseline, candidate, &ASKED);
    let ran_on = differences(baseline, candidate, &RAN_ON);
    let machine = differences(baseline, candidate, &MACHINE);
    let refused = |differences: Vec<String>, hint: &str| {
        Err(CompareError::Different {
            differences,
            hint: hint.to_owned(),
        })
    };
    let mut differing: Vec<String> = asked.into_iter().chain(ran_on).collect();
    if !options.allow_different {
        if !differing.is_empty() {
            differing.extend(machine);
            return refused(
                differing,
                "make both with the same scenario, workload, durability and Redis; ask for a difference by --vary, --a-redis and --b-redis; or compare them anyway with --allow-different",
            );
        }
        if !machine.is_empty() && !options.across_machines {
            return refused(
                machine,
                "times and CPU of different machines can't be compared; --across-machines compares only the figures that don't depend on the machine",
            );
        }
    }
    differing.extend(machine);
    let invalid = baseline.runs.iter().chain(&candidate.runs);
    let invalid = invalid.filter(|run| run.report.verdict.result().is_doubtful());
    let invalid: Vec<String> = invalid
        .map(|run| {
            let reasons = run.report.verdict.reasons().join("; ");
            format!("  {}: {reasons}", run.path.display())
        })
        .collect();
    if !invalid.is_empty() && !options.allow_invalid {
        return Err(CompareError::Invalid(invalid));
    }
    let differing = differing.into_iter().map(|line| {
        format!(
            "different, but compared because of --allow-different or --across-machines: {}",
            line.trim()
        )
    });
    let invalid = invalid.into_iter().map(|line| {
        format!(
            "INVALID, but used because of --allow-invalid: {}",
            line.trim()
        )
    });
    Ok(differing.chain(invalid).collect())
}
