//! `loadgen ab`: builds or finds two systems, measures them in turns, prints the comparison and exits with its exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use loadgen::ab::{
    AbError, AbOptions, Build, ExperimentOutcome, RUNS_A_SIDE, Repository, Side, StoppingRule,
    experiment,
};
use loadgen::agents::AgentsOptions;
use loadgen::out_folder::OutFolder;
use loadgen::run::Interrupts;
use loadgen::terminal::{self, note};
use loadgen_report::compare::{ComparisonSet, DURABILITY, Options, REDIS};
use loadgen_report::folder;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Named, Overrides, Scenario};
use loadgen_shop::system_process::{RedisServer, SystemCommand, SystemPlan};

use crate::agents_arguments::{AgentsArguments, taken};
use crate::ending::{Failure, bad_input, failed, runtime};
use crate::scenario_arguments::{ScenarioArguments, length, named_rate, users};
use crate::system_arguments::StartArguments;
use crate::vary::{Variant, Varied};

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
    #[arg(long, conflicts_with_all = ["b", "b_rev", "b_redis"])]
    null: bool,
    /// Run A on this Redis or Valkey: a program, or the address of one that runs already, whose database must be empty and is left so
    #[arg(long, value_name = "PATH|URL")]
    a_redis: Option<String>,
    /// Run B on this Redis or Valkey; without --b or --b-rev, B is otherwise the same as A
    #[arg(long, value_name = "PATH|URL")]
    b_redis: Option<String>,
    /// Compare A with itself under 2 to 8 values of an option of `ordershop up`, or on as many servers: each with the first [example: durability=everysec,always; redis=PATH|URL,PATH|URL]
    #[arg(long, value_name = "OPTION=VALUE,VALUE", conflicts_with_all = ["b", "b_rev", "b_redis", "null"])]
    vary: Option<Varied>,
    #[command(flatten)]
    start: StartArguments,
    #[command(flatten)]
    agents: AgentsArguments,
    /// Compare also if scenario, workload, durability, Redis or machine differ although that was not asked for
    #[arg(long)]
    allow_different: bool,
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
    /// Run at most this many blocks of two runs a side (ABBA or BAAB)
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    blocks: u32,
    /// Stop after six blocks or more when the intervals of the leading figures are this narrow; 0% runs all blocks
    #[arg(long, value_name = "PERCENT", default_value = "3%", value_parser = share)]
    precision: f64,
    /// Start no block that would end later than this
    #[arg(long, default_value = "10m")]
    budget: HumanDuration,
    /// Start this many journeys a second in each run; of several workloads, that of this name; may be repeated [default: the scenario's]
    #[arg(long, value_name = "[NAME=]N", value_parser = named_rate, allow_negative_numbers = true)]
    rate: Vec<Named<f64>>,
    /// Start journeys for this long in each run
    #[arg(long, default_value = "2s", value_parser = length)]
    duration: HumanDuration,
    /// Run with this many users (closed workload); of several workloads, that of this name; may be repeated
    #[arg(long, value_name = "[NAME=]N", value_parser = users, allow_negative_numbers = true)]
    users: Vec<Named<usize>>,
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
#[group(multiple = false)]
struct BaselineArguments {
    /// Start the baseline with this command instead of `ordershop up`; it is given --listen, --durability and --data-dir, prints `ready: URL` when it answers, and ends on SIGTERM [example: "target/release/ordershop up"]
    #[arg(long, value_name = "CMD")]
    a: Option<String>,
    /// Build the baseline from this git revision, in a work tree, once for each commit
    #[arg(long, value_name = "REV")]
    a_rev: Option<String>,
}

#[derive(Args)]
#[group(multiple = false)]
struct CandidateArguments {
    /// Start the candidate with this command, as with --a [example: "env X=1 target/release/ordershop up --threads 2"]
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
    /// `ordershop up`, beside this program or on PATH.
    Default,
}

fn source<'a>(
    command: &'a Option<String>,
    revision: &'a Option<String>,
) -> Option<BuildSource<'a>> {
    let command = command.as_deref().map(BuildSource::Command);
    command.or_else(|| revision.as_deref().map(BuildSource::Revision))
}

impl AbArguments {
    /// The scenario that each run drives.
    fn find(&self) -> Result<Scenario, Failure> {
        self.scenario.find(Overrides {
            rates: self.rate.clone(),
            duration: Some(self.duration.0),
            users: self.users.clone(),
            ..Overrides::default()
        })
    }
}

pub fn measure_in_turns(arguments: &AbArguments) -> ExitCode {
    // All arguments are checked before anything is built.
    let scenario = match arguments.find() {
        Ok(scenario) => scenario,
        Err(failure) => return failure.tell(),
    };
    let compare = Options {
        fail_on: arguments.fail_on.clone(),
        confidence: arguments.confidence,
        seed: arguments.scenario.seed,
        allow_different: arguments.allow_different,
        ..Options::default()
    };
    if let Err(e) = compare.check() {
        return bad_input(e);
    }
    let (drivers, listen) = (arguments.scenario.drivers, arguments.start.listen());
    let agents = match arguments.agents.options(&scenario, drivers, Some(listen)) {
        Ok(agents) => agents,
        Err(failure) => return failure.tell(),
    };
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
    match runtime.block_on(carry_out(arguments, agents, out.path(), compare)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.tell(),
    }
}

impl From<AbError> for Failure {
    fn from(error: AbError) -> Self {
        Self::new(&error, error.exit_code())
    }
}

async fn carry_out(
    arguments: &AbArguments,
    agents: Option<AgentsOptions>,
    out: &Path,
    compare: Options,
) -> Result<u8, Failure> {
    // Before a revision is built, because a build takes minutes.
    let agents = taken(agents).await;
    let agents = agents.map_err(|e| Failure::new(&e, e.exit_code()))?;
    let mut interrupts = Interrupts::listen(None)
        .map_err(|e| Failure::bad_input(format!("can't listen for signals: {e}")))?;
    let sides = sides(arguments, &mut interrupts).await?;
    for (side, build) in Side::ALL.iter().zip(&sides) {
        note(&format!("{}: {}", side.letter(), build.label));
    }
    let options = AbOptions {
        null_control: arguments.null,
        out: out.to_owned(),
        seed: arguments.scenario.seed,
        audit: arguments.audit,
        agents,
        drivers: arguments.scenario.drivers,
        limits: StoppingRule {
            blocks_max: arguments.blocks,
            precision: arguments.precision,
            budget: arguments.budget.0,
            block_runs: (sides.len() * RUNS_A_SIDE) as u32,
        },
        sides,
        compare,
    };
    let again = || {
        let found = arguments.find();
        found.map_err(|e| {
            format!("the scenario's file has changed since the experiment started: {e}")
        })
    };
    let outcome = experiment(&again, options, &mut interrupts).await?;
    tell(outcome, out)
}

/// The sides, built and with what they run on.
async fn sides(
    arguments: &AbArguments,
    interrupts: &mut Interrupts,
) -> Result<Vec<Build>, Failure> {
    let on_servers = arguments.a_redis.is_some() || arguments.b_redis.is_some();
    let a = source(&arguments.a.a, &arguments.a.a_rev);
    let a = match a {
        Some(a) => a,
        None if on_servers || arguments.vary.is_some() => BuildSource::Default,
        None => {
            return Err(Failure::bad_input(
                "there is no baseline; give --a <CMD> or --a-rev <REV>, or what differs: --a-redis and --b-redis, or --vary",
            ));
        }
    };
    let b = source(&arguments.b.b, &arguments.b.b_rev);
    if b.is_none() && !arguments.null && !on_servers && arguments.vary.is_none() {
        return Err(Failure::bad_input(
            "there is nothing to compare A with; give --b CMD or --b-rev REV, --b-redis, --vary, or --null to compare A with itself",
        ));
    }
    let server = |given: &Option<String>| {
        let server = given.as_deref().map(RedisServer::parse).transpose();
        server
            .map(Option::unwrap_or_default)
            .map_err(Failure::bad_input)
    };
    let on = [server(&arguments.a_redis)?, server(&arguments.b_redis)?];
    // Commands and values are checked before a revision is built, because a build takes minutes.
    for source in [Some(&a), b.as_ref()].into_iter().flatten() {
        let command = match source {
            BuildSource::Command(text) => SystemCommand::parse(text).map_err(Failure::bad_input)?,
            _ => SystemCommand::new(Path::new(UP), &[UP]),
        };
        let plan = plan(arguments, command, on[0].clone())?;
        if let Some(varied) = &arguments.vary {
            varied.variants(&plan).map_err(Failure::bad_input)?;
        }
    }
    let mut first = build(arguments, &a, &on[0], interrupts).await?;
    if let Some(varied) = &arguments.vary {
        let variants = varied.variants(&first.plan).map_err(Failure::bad_input)?;
        let build = |variant: Variant| Build {
            label: variant.label,
            plan: variant.plan,
            asked: variant.asked,
            revision: first.revision.clone(),
        };
        return Ok(variants.into_iter().map(build).collect());
    }
    let mut second = match &b {
        Some(b) => build(arguments, b, &on[1], interrupts).await?,
        None if arguments.null => first.clone(),
        None => build(arguments, &a, &on[1], interrupts).await?,
    };
    if on_servers && !arguments.null {
        for side in [&mut first, &mut second] {
            let server = side.plan.redis.to_string();
            side.asked.insert(REDIS.to_owned(), server);
        }
    }
    // What the commands themselves name is asked for, too.
    let durability = [&first, &second].map(|side| side.plan.durability_asked());
    if let [Some(one), Some(other)] = durability
        && one != other
    {
        first.asked.insert(DURABILITY.to_owned(), one);
        second.asked.insert(DURABILITY.to_owned(), other);
    }
    if first.label == second.label {
        second.label = format!("{} again", second.label);
    }
    Ok(vec![first, second])
}

fn plan(
    arguments: &AbArguments,
    command: SystemCommand,
    redis: RedisServer,
) -> Result<SystemPlan, Failure> {
    let durability = arguments.scenario.durability.as_ref();
    let plan = arguments.start.plan(command, durability, redis);
    plan.map_err(Failure::bad_input)
}

async fn build(
    arguments: &AbArguments,
    source: &BuildSource<'_>,
    redis: &RedisServer,
    interrupts: &mut Interrupts,
) -> Result<Build, Failure> {
    let (label, command, revision) = match source {
        BuildSource::Command(text) => {
            let command = SystemCommand::parse(text).map_err(Failure::bad_input)?;
            ((*text).to_owned(), command, None)
        }
        BuildSource::Default => {
            let program = arguments.start.system_bin.as_deref();
            let command = SystemCommand::ordershop(program).map_err(Failure::bad_input)?;
            (command.to_string(), command, None)
        }
        BuildSource::Revision(revision) => {
            let (command, left) = (arguments.build.clone(), arguments.built.clone());
            let repository = Repository::around(Path::new("."), command, left).await;
            let repository = repository.map_err(AbError::from)?;
            let built = repository.build(revision, interrupts).await;
            let built = built.map_err(AbError::from)?;
            let command = SystemCommand::new(&built.program, &[UP]);
            (built.label(revision), command, Some(built.commit))
        }
    };
    let label = match redis {
        RedisServer::Own => label,
        server => format!("{label} on {server}"),
    };
    Ok(Build {
        label,
        plan: plan(arguments, command, redis.clone())?,
        asked: BTreeMap::new(),
        revision,
    })
}

/// Prints the comparison as text, and writes it as JSON, Markdown and HTML. Returns the verdict's exit code.
fn tell(outcome: ExperimentOutcome, out: &Path) -> Result<u8, Failure> {
    let ExperimentOutcome {
        record,
        comparisons,
        groups,
    } = outcome;
    let (json, page, document, verdict) = match (comparisons.as_slice(), groups.as_slice()) {
        ([comparison], [a, b]) => (
            folder::json(comparison),
            loadgen_render::comparison::page(comparison, Some((a, b))),
            loadgen_render::comparison::document(comparison),
            comparison.verdict,
        ),
        _ => {
            let set = ComparisonSet::new(comparisons);
            (
                folder::json(&set),
                loadgen_render::comparison::set::page(&set, &groups),
                loadgen_render::comparison::set::document(&set),
                set.verdict,
            )
        }
    };
    // Printed first: a full disk must not take it away.
    let colour = terminal::has_colour(&std::io::stdout());
    terminal::print(&loadgen_render::text(&document, colour));
    let ended = record.ended.map_or("", |end| end.as_str());
    terminal::say(&format!("\nended: {ended}"));
    for (file, text) in [
        ("comparison.json", json.map_err(Failure::bad_input)?),
        ("comparison.md", loadgen_render::markdown(&document)),
        ("comparison.html", page.map_err(Failure::bad_input)?),
    ] {
        let path = out.join(file);
        folder::write_whole(&path, &text).map_err(|error| AbError::Output { path, error })?;
    }
    terminal::say(&format!(
        "report: {}",
        out.join("comparison.html").display()
    ));
    Ok(verdict.exit_code())
}
