//! `loadgen ab`: builds or finds two systems, measures them in turns, prints the comparison and exits with its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use loadgen::ab::{
    AbError, AbOptions, Build, ExperimentOutcome, Repository, StoppingRule, experiment,
};
use loadgen::out_folder::OutFolder;
use loadgen::run::Interrupts;
use loadgen::terminal::{self, note};
use loadgen_report::compare::Options;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Overrides, Scenario};
use loadgen_shop::system_process::SystemCommand;

use crate::ending::{BAD_INPUT, bad_input, failed, runtime};
use crate::scenario_arguments::{ScenarioArguments, length, rate, users};

/// The command of a revision's program that starts the system.
const UP: &str = "up";

#[derive(Args)]
pub struct AbArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    #[command(flatten)]
    a: BaselineArguments,
    #[command(flatten)]
    b: CandidateArguments,
    /// Compare A with itself, to see what this machine reports where there is no difference
    #[arg(long, conflicts_with_all = ["b", "b_rev"])]
    null: bool,
    /// Build a revision with this command, run by sh in the revision's work tree with CARGO_TARGET_DIR set
    #[arg(
        long,
        value_name = "CMD",
        default_value = "cargo build --locked --release --package ordershop --bin ordershop"
    )]
    build: String,
    /// Start this program, a path below CARGO_TARGET_DIR that the build writes, with `up`
    #[arg(long, value_name = "PATH", default_value = "release/ordershop")]
    built: PathBuf,
    /// Run at most this many blocks of four runs (ABBA or BAAB)
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    blocks: u32,
    /// Stop after six blocks or more when the intervals of the leading figures are this narrow; 0% runs all blocks
    #[arg(long, value_name = "PERCENT", default_value = "3%", value_parser = share)]
    precision: f64,
    /// Start no block that would end later than this
    #[arg(long, default_value = "10m")]
    budget: HumanDuration,
    /// Start this many journeys a second in each run [default: the scenario's]
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Start journeys for this long in each run
    #[arg(long, default_value = "2s", value_parser = length)]
    duration: HumanDuration,
    /// Run with this many users (closed workload)
    #[arg(long, value_parser = users)]
    users: Option<usize>,
    /// Audit the system after each run
    #[arg(long)]
    audit: bool,
    /// Call this a regression, instead of the default rules: 'response_time.p99 > +10%', 'journeys.per_s < -5%'; may be repeated
    #[arg(long, value_name = "RULE")]
    fail_on: Vec<String>,
    /// Use intervals of this confidence; the rest to 100 % is the risk of at least one false alarm
    #[arg(long, value_name = "PERCENT", default_value = "95%", value_parser = share)]
    confidence: f64,
    /// Write the runs and the comparison to this folder [default: reports/runs/ab-<scenario>-<time>]
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct BaselineArguments {
    /// Start the baseline with this command instead of `ordershop up` [example: "target/release/ordershop up"]
    #[arg(long, value_name = "CMD")]
    a: Option<String>,
    /// Build the baseline from this git revision, in a work tree, once for each commit
    #[arg(long, value_name = "REV")]
    a_rev: Option<String>,
}

#[derive(Args)]
#[group(multiple = false)]
struct CandidateArguments {
    /// Start the candidate with this command [example: "env X=1 target/release/ordershop up --threads 2"]
    #[arg(long, value_name = "CMD")]
    b: Option<String>,
    /// Build the candidate from this git revision
    #[arg(long, value_name = "REV")]
    b_rev: Option<String>,
}

/// Parses `3%` or `0.03` as a share from 0 to below 1.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share = number.trim().parse().ok().map(|n: f64| n / scale);
    share
        .filter(|s| (0.0..1.0).contains(s))
        .ok_or_else(|| "write a share from 0 to below 1, such as 3% or 0.03".into())
}

/// What a side is built or started from.
enum BuildSource<'a> {
    Command(&'a str),
    Revision(&'a str),
}

fn source<'a>(
    command: &'a Option<String>,
    revision: &'a Option<String>,
) -> Option<BuildSource<'a>> {
    let command = command.as_deref().map(BuildSource::Command);
    command.or_else(|| revision.as_deref().map(BuildSource::Revision))
}

impl AbArguments {
    /// The scenario that each run drives. Prints what is wrong with it before it returns an exit code.
    fn find(&self) -> Result<Scenario, ExitCode> {
        let scenario = self.scenario.find(Overrides {
            rate: self.rate,
            duration: Some(self.duration.0),
            users: self.users,
            ..Overrides::default()
        })?;
        if scenario.warm_up >= self.duration.0 {
            return Err(bad_input(format!(
                "--duration: the scenario's warm-up of {:?} takes all of {:?}, so nothing would be measured; choose a longer duration",
                scenario.warm_up, self.duration.0
            )));
        }
        Ok(scenario)
    }
}

pub fn measure_in_turns(arguments: &AbArguments) -> ExitCode {
    // All arguments are checked before anything is built.
    let scenario = match arguments.find() {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let compare = Options {
        fail_on: arguments.fail_on.clone(),
        confidence: arguments.confidence,
        seed: arguments.scenario.seed,
        ..Options::default()
    };
    if let Err(e) = compare.check() {
        return bad_input(e);
    }
    let name = format!("ab-{}", scenario.name);
    let out = match OutFolder::claim_for_runs(arguments.out.as_deref(), &name) {
        Ok(out) => out,
        Err(e) => return failed(&e, e.exit_code()),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("the async runtime can't start: {e}")),
    };
    note(&format!("{}: {}", scenario.name, scenario.description));
    match runtime.block_on(carry_out(arguments, out.path(), compare)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failed(failure.problem, failure.code),
    }
}

/// Why there is no comparison.
struct AbFailure {
    problem: String,
    code: u8,
}

impl AbFailure {
    fn bad_input(problem: impl std::fmt::Display) -> Self {
        Self {
            problem: problem.to_string(),
            code: BAD_INPUT,
        }
    }
}

impl From<AbError> for AbFailure {
    fn from(error: AbError) -> Self {
        Self {
            problem: error.to_string(),
            code: error.exit_code(),
        }
    }
}

async fn carry_out(arguments: &AbArguments, out: &Path, compare: Options) -> Result<u8, AbFailure> {
    let mut interrupts = Interrupts::listen(None)
        .map_err(|e| AbFailure::bad_input(format!("can't listen for signals: {e}")))?;
    let a = source(&arguments.a.a, &arguments.a.a_rev);
    let b = match arguments.null {
        true => source(&arguments.a.a, &arguments.a.a_rev),
        false => source(&arguments.b.b, &arguments.b.b_rev),
    };
    let (Some(a), Some(b)) = (a, b) else {
        return Err(AbFailure::bad_input(
            "there is nothing to compare A with; give --b CMD or --b-rev REV, or --null to compare A with itself",
        ));
    };
    // Commands are checked before a revision is built, because a build takes minutes.
    for side in [&a, &b] {
        if let BuildSource::Command(text) = side {
            SystemCommand::parse(text).map_err(AbFailure::bad_input)?;
        }
    }
    let a = build(arguments, &a, &mut interrupts).await?;
    let mut b = build(arguments, &b, &mut interrupts).await?;
    if arguments.null {
        b.label = format!("{} again", b.label);
    }
    note(&format!("A: {}\nB: {}", a.label, b.label));
    let options = AbOptions {
        a,
        b,
        null_control: arguments.null,
        out: out.to_owned(),
        durability: arguments.scenario.durability.clone(),
        seed: arguments.scenario.seed,
        audit: arguments.audit,
        drivers: arguments.scenario.drivers,
        limits: StoppingRule {
            blocks_max: arguments.blocks,
            precision: arguments.precision,
            budget: arguments.budget.0,
        },
        compare,
    };
    let again = || {
        let found = arguments.find();
        found.map_err(|_| "the scenario's file has changed since the experiment started".to_owned())
    };
    let outcome = experiment(&again, options, &mut interrupts).await?;
    tell(&outcome, out)?;
    Ok(outcome.comparison.verdict.exit_code())
}

async fn build(
    arguments: &AbArguments,
    source: &BuildSource<'_>,
    interrupts: &mut Interrupts,
) -> Result<Build, AbFailure> {
    let revision = match source {
        BuildSource::Command(text) => {
            return Ok(Build {
                label: (*text).to_owned(),
                command: SystemCommand::parse(text).map_err(AbFailure::bad_input)?,
                revision: None,
            });
        }
        BuildSource::Revision(revision) => revision,
    };
    let (command, left) = (arguments.build.clone(), arguments.built.clone());
    let repository = Repository::around(Path::new("."), command, left).await;
    let repository = repository.map_err(AbError::from)?;
    let built = repository.build(revision, interrupts).await;
    let built = built.map_err(AbError::from)?;
    Ok(Build {
        label: built.label(revision),
        command: SystemCommand::new(&built.program, &[UP]),
        revision: Some(built.commit),
    })
}

/// Prints the comparison as text, and writes it as JSON, Markdown and HTML.
fn tell(outcome: &ExperimentOutcome, out: &Path) -> Result<(), AbFailure> {
    let (comparison, [a, b]) = (&outcome.comparison, &outcome.groups);
    let document = loadgen_render::comparison::document(comparison);
    let colour = terminal::has_colour(&std::io::stdout());
    terminal::print(&loadgen_render::text(&document, colour));
    let ended = outcome.record.ended.map_or("", |end| end.as_str());
    terminal::say(&format!("\nended: {ended}"));
    let json = serde_json::to_string_pretty(comparison).map_err(AbFailure::bad_input)?;
    let page =
        loadgen_render::comparison::page(comparison, Some((a, b))).map_err(AbFailure::bad_input)?;
    for (file, text) in [
        ("comparison.json", json + "\n"),
        ("comparison.md", loadgen_render::markdown(&document)),
        ("comparison.html", page),
    ] {
        let path = out.join(file);
        std::fs::write(&path, text).map_err(|error| AbError::Output { path, error })?;
    }
    terminal::say(&format!(
        "report: {}",
        out.join("comparison.html").display()
    ));
    Ok(())
}
