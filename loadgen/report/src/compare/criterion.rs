//! Compares criterion's saved baselines by the same rules, one baseline for each process of `cargo bench`. The unit is the process:
//! the samples of one process share its memory layout and its moment, so that their spread says nothing about the next process. With
//! several saved baselines for each side figures can be judged; with one only ratios are shown.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::judge::{self, Measured, Subject};
use super::{CompareError, ComparedSide, Comparison, Design, Options, Role, Scale, Unit};

/// The file that says what a benchmark is.
const DESCRIPTION: &str = "benchmark.json";

/// The part of `benchmark.json` that is read.
#[derive(Deserialize)]
struct Benchmark {
    #[serde(default)]
    group_id: String,
    full_id: String,
}

/// A benchmark with saved results.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The benchmark's group.
    pub group: String,
    /// Its name within the group: the function, and after a `/` the value, if there is one.
    pub name: String,
    /// Median nanoseconds of an iteration.
    pub median_ns: f64,
}

/// The part of `sample.json` that is read.
#[derive(Deserialize)]
struct CriterionSample {
    iters: Vec<f64>,
    /// Nanoseconds of all iterations of each sample.
    times: Vec<f64>,
}

impl CriterionSample {
    /// Median nanoseconds for one iteration; the median ignores a few disturbed samples.
    fn median_ns(&self) -> Option<f64> {
        let each = self.times.iter().zip(&self.iters);
        let mut each: Vec<f64> = each.map(|(time, iterations)| time / iterations).collect();
        each.retain(|ns| ns.is_finite() && *ns > 0.0);
        each.sort_by(f64::total_cmp);
        let middle = each.len() / 2;
        match each.len() {
            0 => None,
            n if n % 2 == 1 => Some(each[middle]),
            _ => Some((each[middle - 1] + each[middle]) / 2.0),
        }
    }
}

/// Compares saved baselines by their names; several of a side are separated by commas.
///
/// # Errors
/// There are no such baselines, or they have no benchmark in common.
pub fn compare(
    folder: &Path,
    baseline: &str,
    candidate: &str,
    options: &Options,
) -> Result<Comparison, CompareError> {
    options.check()?;
    let names = |list: &str| -> Vec<String> {
        let names = list.split(',').map(str::trim);
        names.filter(|n| !n.is_empty()).map(str::to_owned).collect()
    };
    let (of_baseline, of_candidate) = (names(baseline), names(candidate));
    let mut seen: Vec<&String> = Vec::new();
    for name in of_baseline.iter().chain(&of_candidate) {
        if seen.contains(&name) {
            return Err(CompareError::Twice(folder.join(name)));
        }
        seen.push(name);
    }
    let mut places = Vec::new();
    benchmarks(folder, &seen, &mut places);
    places.sort();
    for name in &seen {
        if !places.iter().any(|place| place.join(name).is_dir()) {
            return Err(CompareError::Options(format!(
                "{}: no benchmark has a saved baseline `{name}`; save one with `cargo bench -- --save-baseline {name}`",
                folder.display()
            )));
        }
    }
    let mut rules = options.rules()?;
    let (mut measured, mut warnings) = (Vec::new(), Vec::new());
    for place in &places {
        let of = |names: &[String]| -> Result<Option<Vec<f64>>, CompareError> {
            let values = names.iter().map(|name| median_ns(&place.join(name)));
            values.collect()
        };
        let known = of(&of_baseline)?.zip(of(&of_candidate)?);
        let name = name_of(place, &seen)?;
        let Some((baseline, candidate)) = known else {
            warnings.push(format!(
                "{name}: left out, because not every baseline has this benchmark"
            ));
            continue;
        };
        let rule = rules.iter().position(|rule| rule.figure == name);
        let rule = rule.map(|at| rules.remove(at));
        measured.push(Measured {
            role: match (&rule, options.fail_on.is_empty()) {
                (Some(_), _) => Role::Leads,
                (None, true) => Role::Decides,
                (None, false) => Role::Shown,
            },
            name,
            unit: Unit::Nanos,
            scale: Scale::Ratio,
            more_is_better: Some(false),
            resolution: 0.0,
            rule,
            baseline,
            candidate,
            blocks: None,
        });
    }
    if let Some(rule) = rules.first() {
        let known: Vec<&str> = measured.iter().map(|m| m.name.as_str()).collect();
        return Err(CompareError::Options(format!(
            "--fail-on `{}`: there is no benchmark `{}`; allowed: {}",
            rule.text,
            rule.figure,
            known.join(", ")
        )));
    }
    if measured.is_empty() {
        return Err(CompareError::Options(format!(
            "{}: the two sides have no benchmark in common",
            folder.display()
        )));
    }
    let units = of_baseline.len().min(of_candidate.len());
    if units < 2 {
        warnings.push("one process a side: nothing can be judged, because the spread of one process's samples says nothing about the next process; save several in turns (base-1, new-1, base-2, new-2, …) and list them separated by commas".to_owned());
    }
    let side = |label: &str, runs: Vec<String>| ComparedSide {
        label: label.to_owned(),
        runs,
        system_version: None,
    };
    let subject = Subject {
        scenario: "cargo bench".to_owned(),
        workload: format!("median time an iteration, {} benchmarks", measured.len()),
        baseline: side(baseline, of_baseline),
        candidate: side(candidate, of_candidate),
        asked: Vec::new(),
        design: Design::Sets,
        units,
        measured,
        warnings,
    };
    Ok(judge::judge(vec![subject], options).remove(0))
}

/// Reads all results that are saved by this name, `new` for those of the last run of each benchmark, in the order of their folders.
///
/// # Errors
/// A file can't be read, or criterion did not write it.
pub fn saved(folder: &Path, name: &str) -> Result<Vec<Saved>, CompareError> {
    let mut places = Vec::new();
    benchmarks(folder, &[&name.to_owned()], &mut places);
    places.sort();
    let mut all = Vec::new();
    for place in places.iter().map(|place| place.join(name)) {
        let benchmark: Option<Benchmark> = read(&place.join(DESCRIPTION))?;
        if let Some((benchmark, median_ns)) = benchmark.zip(median_ns(&place)?) {
            let in_group = benchmark.full_id.strip_prefix(&benchmark.group_id);
            let name = in_group.unwrap_or(&benchmark.full_id);
            all.push(Saved {
                name: name.trim_start_matches('/').to_owned(),
                group: benchmark.group_id,
                median_ns,
            });
        }
    }
    Ok(all)
}

/// Finds the folders that hold one of these baselines; criterion nests them by group, function and value.
fn benchmarks(folder: &Path, names: &[&String], places: &mut Vec<PathBuf>) {
    if names
        .iter()
        .any(|name| folder.join(name).join("sample.json").exists())
    {
        places.push(folder.to_owned());
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
    folders.for_each(|entry| benchmarks(&entry.path(), names, places));
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, CompareError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let path = path.to_owned();
            return Err(CompareError::Unreadable { path, error });
        }
    };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|e| {
        CompareError::Options(format!(
            "{}: not a file that criterion wrote: {e}",
            path.display()
        ))
    })
}

fn median_ns(baseline: &Path) -> Result<Option<f64>, CompareError> {
    let sample: Option<CriterionSample> = read(&baseline.join("sample.json"))?;
    Ok(sample.and_then(|sample| sample.median_ns()))
}

/// The benchmark's name in criterion, or else the name of its folder.
fn name_of(place: &Path, names: &[&String]) -> Result<String, CompareError> {
    for name in names {
        let benchmark: Option<Benchmark> = read(&place.join(name).join(DESCRIPTION))?;
        if let Some(benchmark) = benchmark {
            return Ok(benchmark.full_id);
        }
    }
    Ok(place
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned())
}
