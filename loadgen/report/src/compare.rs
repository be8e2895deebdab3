//! Compares the runs of two builds: for each figure the ratio, its interval, and whether it is better, worse or the same. The unit of
//! every statistic is the run (or the block of interleaved runs), never the request, because the samples of one run are not independent.
//! Knows reports; must not know how a comparison is shown.

mod answer;
pub mod blocks;
mod comparable;
pub mod criterion;
mod error;
mod figure;
mod group;
mod judge;
mod open;
mod options;
mod outcome;
mod rule;
mod statistics;

use std::collections::BTreeSet;

pub use comparable::{DURABILITY, REDIS};
pub use error::CompareError;
pub use group::Group;
pub use options::Options;
pub use outcome::{
    AskedDifference, COMPARISON_SCHEMA, ComparedSide, Comparison, ComparisonSchema, ComparisonSet,
    ComparisonVerdict, Design, Effect, FigureComparison, FigureVerdict, Role, Scale, Unit,
};

use figure::ComparedFigure;
use judge::{Measured, Subject};
use rule::Rule;

use crate::audit::AuditReport;

/// Compares two groups of runs.
///
/// # Errors
/// The groups can't be compared, or an option is wrong; see [`CompareError`].
pub fn compare(
    baseline: &Group,
    candidate: &Group,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let mut comparisons = compare_each(baseline, std::slice::from_ref(candidate), options)?;
    Ok(comparisons.remove(0))
}

/// Compares each candidate with the same baseline. All comparisons share one risk of a false alarm.
///
/// # Errors
/// The groups can't be compared, or an option is wrong; see [`CompareError`].
pub fn compare_each(
    baseline: &Group,
    candidates: &[Group],
    options: &Options,
) -> Result<Vec<Comparison>, CompareError> {
    options.check()?;
    let mut subjects = Vec::new();
    let mut wrong = Vec::new();
    for candidate in candidates {
        let (subject, of_candidate) = subject(baseline, candidate, options)?;
        subjects.push(subject);
        wrong.push(of_candidate);
    }
    let mut comparisons = judge::judge(subjects, options);
    for (comparison, wrong) in comparisons.iter_mut().zip(wrong) {
        if !wrong.is_empty() {
            comparison.verdict = ComparisonVerdict::Regression;
            comparison.reasons.splice(0..0, wrong);
        }
    }
    Ok(comparisons)
}

/// Refuses groups that can't be compared, before there are enough runs for a comparison. INVALID runs are no reason.
///
/// # Errors
/// See [`CompareError`].
pub fn check(baseline: &Group, candidate: &Group, options: &Options) -> Result<(), CompareError> {
    let options = Options {
        allow_invalid: true,
        ..options.clone()
    };
    comparable::check(baseline, candidate, &options).map(drop)
}

/// What is judged of a candidate, and what is wrong with it whatever the figures are.
fn subject(
    baseline: &Group,
    candidate: &Group,
    options: &Options,
) -> Result<(Subject, Vec<String>), CompareError> {
    let mut warnings = comparable::check(baseline, candidate, options)?;
    let (baseline, candidate) = in_common_blocks(baseline, candidate, &mut warnings)?;
    let measured = measured(&baseline, &candidate, options, &mut warnings)?;
    if options.across_machines {
        warnings.push(
            "across machines: only figures that don't depend on the machine are compared"
                .to_owned(),
        );
    }
    warnings.extend(comparable::other_options(&baseline, &candidate));
    warnings.extend(apart(&baseline, &candidate));
    let report = &baseline.runs[0].report;
    let design = if baseline.blocks.is_some() {
        Design::Blocks
    } else {
        Design::Sets
    };
    let units = match &baseline.blocks {
        Some(blocks) => blocks.iter().collect::<BTreeSet<_>>().len(),
        None => baseline.runs.len().min(candidate.runs.len()),
    };
    let subject = Subject {
        scenario: report.scenario.clone(),
        workload: report.workload.description.clone(),
        baseline: side(&baseline),
        candidate: side(&candidate),
        asked: baseline.asked_differences(&candidate),
        design,
        units,
        measured,
        warnings,
    };
    Ok((subject, wrongs(&baseline, &candidate)))
}

fn side(group: &Group) -> ComparedSide {
    ComparedSide {
        label: group.label.clone(),
        runs: group
            .runs
            .iter()
            .map(|run| run.path.display().to_string())
            .collect(),
        system_version: group.runs[0].report.environment.system_version.clone(),
    }
}

/// Both groups, without the runs of blocks that only one group has.
fn in_common_blocks(
    baseline: &Group,
    candidate: &Group,
    warnings: &mut Vec<String>,
) -> Result<(Group, Group), CompareError> {
    let (Some(of_baseline), Some(of_candidate)) = (&baseline.blocks, &candidate.blocks) else {
        let alone = |group: &Group| {
            Group::new(group.label.clone(), group.runs.clone()).asked(group.asked.clone())
        };
        if baseline.blocks.is_some() != candidate.blocks.is_some() {
            warnings.push("only one side has a blocks.json, so the runs are compared as two sets without blocks".to_owned());
        }
        return Ok((alone(baseline), alone(candidate)));
    };
    for group in [baseline, candidate] {
        let (blocks, runs) = (group.blocks.as_ref().map_or(0, Vec::len), group.runs.len());
        if blocks != runs {
            let label = &group.label;
            return Err(CompareError::Blocks(format!(
                "{label}: there are {runs} runs but blocks for {blocks}; each run needs one"
            )));
        }
    }
    let kept = |group: &Group, mine: &[u32], theirs: &[u32]| {
        let runs = group.runs.iter().zip(mine);
        let (runs, blocks) = runs
            .filter(|(_, block)| theirs.contains(block))
            .map(|(run, block)| (run.clone(), *block))
            .unzip();
        Group {
            label: group.label.clone(),
            runs,
            blocks: Some(blocks),
            asked: group.asked.clone(),
        }
    };
    let kept = (
        kept(baseline, of_baseline, of_candidate),
        kept(candidate, of_candidate, of_baseline),
    );
    let left = baseline.runs.len() + candidate.runs.len() - kept.0.runs.len() - kept.1.runs.len();
    if kept.0.runs.is_empty() {
        return Err(CompareError::Blocks(
            "the two sides have no block in common".to_owned(),
        ));
    }
    if left > 0 {
        warnings.push(format!(
            "{left} runs are left out: the other side has no run of their block"
        ));
    }
    Ok(kept)
}

/// The values of every figure that all runs have.
fn measured(
    baseline: &Group,
    candidate: &Group,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Vec<Measured>, CompareError> {
    let mut rules = options.rules()?;
    let mut measured = Vec::new();
    let mut known = Vec::new();
    for figure in figure::figures(&baseline.runs[0].report) {
        if options.across_machines && !figure.machine_independent {
            continue;
        }
        let of = |group: &Group| -> Vec<f64> {
            let runs = group.runs.iter();
            runs.filter_map(|run| figure.of(&run.report)).collect()
        };
        let (of_baseline, of_candidate) = (of(baseline), of(candidate));
        let complete =
            of_baseline.len() == baseline.runs.len() && of_candidate.len() == candidate.runs.len();
        if !complete {
            if !(of_baseline.is_empty() && of_candidate.is_empty()) {
                warnings.push(format!(
                    "{}: left out, because not every run has this figure",
                    figure.name
                ));
            }
            continue;
        }
        known.push(figure.name.clone());
        let rule = rules.iter().position(|rule| figure.is(&rule.figure));
        let rule = rule.map(|at| rules.remove(at));
        measured.push(Measured {
            role: role(&figure, rule.as_ref(), options),
            name: figure.name,
            unit: figure.unit,
            scale: figure.scale,
            more_is_better: figure.more_is_better,
            resolution: figure.resolution,
            rule,
            baseline: of_baseline,
            candidate: of_candidate,
            blocks: baseline.blocks.clone().zip(candidate.blocks.clone()),
        });
    }
    if let Some(rule) = rules.first() {
        if measured
            .iter()
            .filter_map(|m| m.rule.as_ref())
            .any(|r| r.figure == rule.figure)
        {
            let (text, figure) = (&rule.text, &rule.figure);
            return Err(CompareError::Options(format!(
                "--fail-on `{text}`: there is another rule for `{figure}`; allowed: one rule for each figure"
            )));
        }
        return Err(CompareError::Options(format!(
            "--fail-on `{}`: these runs have no figure `{}`; allowed: {}",
            rule.text,
            rule.figure,
            known.join(", ")
        )));
    }
    if measured.is_empty() {
        return Err(CompareError::Options(
            "these runs have no figure in common that may be compared".to_owned(),
        ));
    }
    Ok(measured)
}

/// The figure's role: if there are rules, only figures with a rule decide.
fn role(figure: &ComparedFigure, rule: Option<&Rule>, options: &Options) -> Role {
    match (rule, options.fail_on.is_empty()) {
        (Some(_), _) => Role::Leads,
        (None, true) => figure.role,
        (None, false) => Role::Shown,
    }
}

/// The first audit finding of the candidate if the baseline has none. It makes the comparison a regression, whatever the figures are.
fn wrongs(baseline: &Group, candidate: &Group) -> Vec<String> {
    let of = |group: &Group| -> Vec<String> {
        let audits = group
            .runs
            .iter()
            .filter_map(|run| run.report.audit.as_ref());
        audits.flat_map(AuditReport::reasons).collect()
    };
    match of(baseline).is_empty() {
        true => {
            let wrong = of(candidate).into_iter().take(1);
            wrong
                .map(|why| {
                    format!(
                        "the candidate's audit has a finding and the baseline's has none: {why}"
                    )
                })
                .collect()
        }
        false => Vec::new(),
    }
}

/// The warning about sides whose runs were made one after the other, so that a drift of the machine looks like a difference.
fn apart(baseline: &Group, candidate: &Group) -> Option<String> {
    let starts = |group: &Group| {
        let starts = group.runs.iter().map(|run| run.report.started_at);
        starts.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), s| {
            (min.min(s), max.max(s))
        })
    };
    let (b, c) = (starts(baseline), starts(candidate));
    let one_by_one = baseline.blocks.is_none() && (b.1 < c.0 || c.1 < b.0);
    one_by_one.then(|| "all runs of one side were made before the other's, so a drift of the machine looks like a difference; `loadgen ab` makes runs in turns".to_owned())
}
