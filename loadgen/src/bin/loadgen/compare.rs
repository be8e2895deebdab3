//! `loadgen compare` and `compare-report`: compare the runs of two builds. The exit code is 0 (no regression), 1 (regression), 2 (bad
//! input), 3 (can't tell) or 5 (the comparison can't be written).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use loadgen::build_version::VERSION;
use loadgen::terminal;
use loadgen_report::compare::{CompareError, Comparison, Group, Options, compare, criterion};
use loadgen_report::folder;

/// Compare the runs of two builds: better, worse, the same, or can't tell.
#[derive(Args)]
#[command(
    after_help = "Each side is a run's folder, its report.json, or a folder that holds runs' folders; separate several by commas.\n\nExit codes:\n  0  no regression\n  1  regression\n  2  bad input, or runs that can't be compared\n  3  can't tell: too few runs, INVALID runs, or too much noise\n  5  the comparison can't be written"
)]
pub struct CompareArguments {
    /// Take these runs as the baseline (with --criterion: names of saved baselines)
    #[arg(value_name = "BASELINE")]
    baseline: String,
    /// Compare these runs with the baseline
    #[arg(value_name = "CANDIDATE")]
    candidate: String,
    /// Print the comparison in this form
    #[arg(long, value_enum, default_value = "text")]
    format: ComparisonFormat,
    /// Write the comparison to this file, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Call this a regression, instead of the default rules: 'response_time.p99 > +10%', 'journeys.per_s < -5%'; may be repeated
    #[arg(long, value_name = "RULE")]
    fail_on: Vec<String>,
    /// Call a figure the same if the whole interval of its change lies within this
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent)]
    noise_band: f64,
    /// Never call a change smaller than this better or worse
    #[arg(long, value_name = "PERCENT", default_value = "3%", value_parser = percent)]
    least_effect: f64,
    /// Use intervals of this confidence; the rest to 100 % is the risk of at least one false alarm
    #[arg(long, value_name = "PERCENT", default_value = "95%", value_parser = percent)]
    confidence: f64,
    /// Seed the bootstrap with this number, so that a comparison can be repeated
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compare runs also if scenario, workload, durability, Redis or machine differ
    #[arg(long)]
    allow_different: bool,
    /// Compare only the figures that don't depend on the machine, for runs of different machines
    #[arg(long)]
    across_machines: bool,
    /// Use runs whose own verdict is INVALID, too
    #[arg(long)]
    allow_invalid: bool,
    /// Compare what `cargo bench -- --save-baseline NAME` saved; separate several runs of a side by commas
    #[arg(long)]
    criterion: bool,
    /// Read criterion's results from this folder
    #[arg(
        long,
        value_name = "DIR",
        default_value = "target/criterion",
        requires = "criterion"
    )]
    criterion_dir: PathBuf,
}

/// The command line of the program `compare-report`.
pub fn compare_report() -> Command {
    CompareArguments::augment_args(Command::new("compare-report").version(VERSION))
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum ComparisonFormat {
    Text,
    Markdown,
    Json,
    Html,
}

/// Parses `5%` or `0.05` as a share.
fn percent(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 100.0),
        None => (text, 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a number; allowed: 5% or 0.05"))?;
    Ok(number / unit)
}

/// Compares, prints or writes the comparison, and returns the verdict's exit code.
pub fn compare_runs(arguments: &CompareArguments) -> ExitCode {
    match outcome(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            terminal::error(&problem);
            ExitCode::from(problem.exit_code())
        }
    }
}

fn outcome(arguments: &CompareArguments) -> Result<u8, CompareError> {
    let options = Options {
        confidence: arguments.confidence,
        noise_band: arguments.noise_band,
        least_effect: arguments.least_effect,
        fail_on: arguments.fail_on.clone(),
        seed: arguments.seed,
        allow_different: arguments.allow_different,
        across_machines: arguments.across_machines,
        allow_invalid: arguments.allow_invalid,
    };
    let (baseline, candidate) = (&arguments.baseline, &arguments.candidate);
    let (comparison, groups) = if arguments.criterion {
        let folder = &arguments.criterion_dir;
        (
            criterion::compare(folder, baseline, candidate, &options)?,
            None,
        )
    } else {
        let groups = (Group::open(baseline)?, Group::open(candidate)?);
        (compare(&groups.0, &groups.1, &options)?, Some(groups))
    };
    let told = told(arguments, &comparison, groups.as_ref())?;
    let Some(path) = &arguments.out else {
        terminal::print(&told);
        return Ok(comparison.verdict.exit_code());
    };
    let written = std::fs::write(path, told);
    let answer = loadgen_render::comparison::answer(&comparison);
    let colour = terminal::has_colour(&std::io::stdout());
    terminal::print(&loadgen_render::answer(&answer, colour));
    if let Err(error) = written {
        terminal::error(format!("{} can't be written: {error}", path.display()));
        return Ok(terminal::UNWRITTEN);
    }
    terminal::say(&format!("written: {}", path.display()));
    Ok(comparison.verdict.exit_code())
}

fn told(
    arguments: &CompareArguments,
    comparison: &Comparison,
    groups: Option<&(Group, Group)>,
) -> Result<String, CompareError> {
    let failed = |e: String| CompareError::Options(format!("the comparison can't be shown: {e}"));
    let document = loadgen_render::comparison::document(comparison);
    Ok(match arguments.format {
        ComparisonFormat::Text => {
            let colour = arguments.out.is_none() && terminal::has_colour(&std::io::stdout());
            loadgen_render::text(&document, colour)
        }
        ComparisonFormat::Markdown => loadgen_render::markdown(&document),
        ComparisonFormat::Json => folder::json(comparison).map_err(|e| failed(e.to_string()))?,
        ComparisonFormat::Html => {
            let groups = groups.map(|(baseline, candidate)| (baseline, candidate));
            loadgen_render::comparison::page(comparison, groups)
                .map_err(|e| failed(e.to_string()))?
        }
    })
}
