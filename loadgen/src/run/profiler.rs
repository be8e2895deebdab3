//! Samples with Linux's `perf` where the system that this run started and its Redis spend their CPU, from the end of the warm-up until
//! the last journey has ended. Must not know what is shown of the samples.

mod samples;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::interrupts::Interrupts;
use super::options::RunError;
use loadgen_engine::drive::Interval;
use loadgen_engine::fault::StartedSystem;
use loadgen_engine::proc::group_processes;
use loadgen_report::ProfileReport;
use loadgen_report::folder::write_whole;
use loadgen_report::profile::{ProfiledProgram, Stacks};
use loadgen_scenario::fault::REDIS;
use samples::Samples;

const PERF: &str = "perf";
/// Samples a second of CPU time: not a divisor of the system's own timers, which would be met always or never.
const SAMPLES_PER_S: u32 = 199;
/// How callers are found: by a copy of the stack of so many bytes, which is enough for 86 % of a release build's stacks. Neither it nor
/// Redis has frame pointers.
const STACK: &str = "dwarf,16384";
/// `perf` ends by itself when it has written so much.
const DATA_MAX: &str = "2G";
/// How long `perf` may take to write what it has.
const END_WITHIN: Duration = Duration::from_secs(30);
/// The file that `perf` writes, and the one with what it says.
const DATA_FILE: &str = "perf.data";
const SAID_FILE: &str = "perf.log";
/// What to do where `perf` may not sample.
const ALLOW: &str = "allow it with `sysctl kernel.perf_event_paranoid=1`, or run loadgen as root, which a Redis of another user needs (in a container: with --cap-add PERFMON and a seccomp profile that has perf_event_open)";

/// Samples a run.
pub struct Profiler {
    system: Arc<dyn StartedSystem>,
    warm_up: Duration,
    folder: PathBuf,
    /// The system's processes when the sampling began, with their names.
    processes: BTreeMap<u32, String>,
    perf: Option<Child>,
    /// The system's first process when the sampling began.
    root: u32,
    keep: bool,
    warnings: Vec<String>,
}

impl Drop for Profiler {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.folder);
        }
    }
}

fn remove(folder: &Path) {
    for file in [DATA_FILE, SAID_FILE] {
        std::fs::remove_file(folder.join(file)).ok();
    }
}

/// `perf record` of these processes, or of the command that is added.
fn record(folder: &Path, processes: &BTreeMap<u32, String>) -> Command {
    let mut perf = Command::new(PERF);
    perf.args(["record", "--call-graph", STACK, "--max-size", DATA_MAX]);
    perf.args(["--freq", &SAMPLES_PER_S.to_string()]);
    // Nothing is written outside of the folder.
    perf.args(["--no-buildid", "--no-buildid-cache", "--output"]);
    perf.arg(folder.join(DATA_FILE));
    if !processes.is_empty() {
        let ids: Vec<String> = processes.keys().map(u32::to_string).collect();
        perf.args(["--pid", &ids.join(",")]);
    }
    // A terminal's Ctrl-C must not end it before the run.
    perf.process_group(0)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    perf
}

/// Checks that these processes can be sampled; without any, that a program can be.
///
/// # Errors
/// They can't, with what to do.
async fn try_out(folder: &Path, processes: &BTreeMap<u32, String>) -> Result<(), RunError> {
    let tried = record(folder, processes)
        .args(["--", "true"])
        .output()
        .await;
    remove(folder);
    let problem = match tried {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("perf can't sample ({}); {ALLOW}", reason(&said, output.status))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            "there is no `perf` on PATH; install it (Debian: linux-perf, Ubuntu: linux-tools-generic, Fedora: perf)".to_owned()
        }
        Err(e) => format!("perf can't be started: {e}"),
    };
    Err(RunError::BadInput(format!("--profile: {problem}")))
}

/// The first line that says something, or how it ended.
fn reason(said: &str, status: ExitStatus) -> String {
    let mut lines = said.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && *line != "Error:");
    line.map_or_else(|| status.to_string(), str::to_owned)
}

/// Checks whether a run may be profiled on this machine, before anything is started.
///
/// # Errors
/// It may not, with what to do.
pub async fn check(folder: &Path) -> Result<(), RunError> {
    if !cfg!(target_os = "linux") {
        let why = "--profile: it needs Linux's perf, and this is another system; leave it out";
        return Err(RunError::BadInput(why.to_owned()));
    }
    try_out(folder, &BTreeMap::new()).await
}

fn processes(system: &dyn StartedSystem) -> BTreeMap<u32, String> {
    let all = group_processes(&system.roots()).into_iter();
    all.map(|process| (process.id, process.name)).collect()
}

impl Profiler {
    /// A profiler of a started system; its files go to the folder.
    ///
    /// # Errors
    /// The system's processes can't be sampled.
    pub async fn new(
        system: Arc<dyn StartedSystem>,
        warm_up: Duration,
        folder: &Path,
    ) -> Result<Self, RunError> {
        try_out(folder, &processes(&*system)).await?;
        Ok(Self {
            root: system.process(),
            system,
            warm_up,
            folder: folder.to_owned(),
            processes: BTreeMap::new(),
            perf: None,
            keep: false,
            warnings: Vec::new(),
        })
    }

    /// Begins to sample if there is no warm-up. Call it before the workload starts.
    pub fn start(&mut self) {
        if self.warm_up.is_zero() {
            self.begin();
        }
    }

    /// Begins to sample at the first interval that ends after the warm-up.
    pub fn interval(&mut self, interval: &Interval) {
        let measured = interval.start + interval.length >= self.warm_up;
        if measured && self.perf.is_none() && self.warnings.is_empty() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.processes = processes(&*self.system);
        self.root = self.system.process();
        let started = File::create(self.folder.join(SAID_FILE)).and_then(|said| {
            let mut perf = record(&self.folder, &self.processes);
            perf.stdout(Stdio::null()).stderr(said).spawn()
        });
        match started {
            Ok(perf) => self.perf = Some(perf),
            Err(e) => self.warn(&format!("perf can't be started: {e}")),
        }
    }

    fn warn(&mut self, problem: &str) {
        self.warnings.push(format!("profile: {problem}"));
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join(SAID_FILE)).unwrap_or_default()
    }

    /// Asks perf to end; what was sampled is kept. Call it when the load has ended.
    pub fn stop(&mut self) {
        let again = self.system.process() != self.root;
        let Some(perf) = &mut self.perf else {
            if self.warnings.is_empty() {
                self.warn("the run ended before its warm-up did");
            }
            return;
        };
        match (perf.try_wait(), perf.id()) {
            (Ok(None), Some(id)) => {
                let id = i32::try_from(id).ok().and_then(Pid::from_raw);
                // What has ended meanwhile needs no signal.
                id.map(|id| kill_process(id, Signal::INT).ok());
            }
            // It ends with the last of its processes.
            (Ok(Some(status)), _) if !again => {
                let reason = match status.success() {
                    true => format!("it has written {DATA_MAX}, or somebody ended it"),
                    false => reason(&self.said(), status),
                };
                self.warn(&format!("perf ended before the load did: {reason}"));
            }
            _ => {}
        }
        if again {
            self.warn("the system was started again; from then on it was not sampled");
        }
    }

    /// Waits until perf has ended.
    async fn ended(&mut self) {
        if let Some(mut perf) = self.perf.take()
            && tokio::time::timeout(END_WITHIN, perf.wait()).await.is_err()
        {
            perf.kill().await.ok();
            self.warn("perf did not end, so its samples may be incomplete");
        }
    }

    /// Makes folded stacks of the samples and writes them into the folder. Returns what they say, and warnings. An interrupt ends it.
    pub async fn finish(
        mut self,
        interrupts: &mut Interrupts,
    ) -> (Option<ProfileReport>, Vec<String>) {
        let mut warnings = vec![format!(
            "the run was profiled: its figures include the sampling, {SAMPLES_PER_S} times a second of CPU time; compare them with profiled runs only"
        )];
        self.ended().await;
        let read = tokio::select! {
            read = self.read() => read,
            () = interrupts.stop() => Err("interrupted while the samples were read".to_owned()),
        };
        let written = read.and_then(|stacks| self.write(&stacks));
        let report = match written {
            Ok(report) => Some(report),
            Err(problem) => {
                let data = self.folder.join(DATA_FILE);
                self.keep = data.exists();
                let kept = match self.keep {
                    true => format!("; what perf has written is in {}", data.display()),
                    false => String::new(),
                };
                self.warn(&format!("there are no stacks: {problem}{kept}"));
                None
            }
        };
        warnings.append(&mut self.warnings);
        (report, warnings)
    }

    /// The stacks of the system and of its Redis.
    async fn read(&self) -> Result<[(&'static str, Stacks); 2], String> {
        let data = self.folder.join(DATA_FILE);
        if !data.exists() {
            return Err("nothing was sampled".to_owned());
        }
        let failed = |e: io::Error| format!("perf script: {e}");
        let said = File::create(self.folder.join(SAID_FILE)).map_err(failed)?;
        let mut perf = Command::new(PERF);
        // To find inlined functions takes minutes.
        perf.args(["script", "--no-inline", "--fields", "comm,pid,ip,sym,dso"]);
        // Nor is debug information fetched from elsewhere.
        perf.env_remove("DEBUGINFOD_URLS");
        perf.arg("--input").arg(&data).process_group(0);
        perf.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(said);
        let mut perf = perf.kill_on_drop(true).spawn().map_err(failed)?;
        let redis = |name: &str| self.system.names().name_of(name) == Some(REDIS);
        let mut samples = Samples::new(&self.processes, &redis);
        let stdout = perf.stdout.take().ok_or("perf script: no output")?;
        let (mut stdout, mut line) = (BufReader::new(stdout), Vec::new());
        while stdout.read_until(b'\n', &mut line).await.map_err(failed)? > 0 {
            samples.line(&String::from_utf8_lossy(&line));
            line.clear();
        }
        let status = perf.wait().await.map_err(failed)?;
        let (system, redis_stacks) = samples.finish();
        match status.success() {
            true => Ok([("system", system), (REDIS, redis_stacks)]),
            false => Err(format!("perf script: {}", reason(&self.said(), status))),
        }
    }

    fn write(&self, stacks: &[(&str, Stacks)]) -> Result<ProfileReport, String> {
        let mut programs = Vec::new();
        for (name, stacks) in stacks {
            let program = ProfiledProgram::of(name, stacks);
            let path = self.folder.join(program.stacks_file());
            write_whole(&path, &stacks.to_string())
                .map_err(|e| format!("{}: {e}", path.display()))?;
            programs.push(program);
        }
        Ok(ProfileReport {
            samples_per_s: SAMPLES_PER_S,
            programs,
        })
    }
}
