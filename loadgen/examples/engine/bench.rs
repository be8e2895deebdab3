//! Shared by the measurements: the small server and the load generators as child processes, and the CPU they used.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Ticks of /proc's stat files a second.
const TICKS_PER_S: f64 = 100.0;

/// The small server as a child process.
pub struct Server {
    child: Child,
    /// The URL it listens on.
    pub url: String,
}

impl Server {
    pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url = line
            .trim()
            .strip_prefix("ready: ")
            .context("the server is not ready")?;
        Ok(Self {
            url: url.to_owned(),
            child,
        })
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Stops it by SIGTERM, so that it writes its log.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// CPU seconds of all children that have ended and been waited for.
pub fn children_cpu_s() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, behind_name) = text.rsplit_once(')').context("no name in stat")?;
    // User and system time of children; `man proc_pid_stat` counts them as fields 16 and 17.
    let fields = behind_name.split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.map(|t| t.parse().unwrap_or(0)).sum();
    Ok(ticks as f64 / TICKS_PER_S)
}

/// The command of the loadgen that was built beside this program.
pub fn loadgen(scenario: &str, url: &str, out: &Path) -> anyhow::Result<Command> {
    let me = std::env::current_exe()?;
    let folder = me.parent().and_then(Path::parent);
    let program: PathBuf = folder.context("no folder")?.join("loadgen");
    ensure!(
        program.is_file(),
        "{} is missing: cargo build --release -p loadgen",
        program.display()
    );
    std::fs::create_dir_all(out)?;
    let path = out.join("scenario.toml");
    std::fs::write(&path, scenario)?;
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(path)
        .args(["--target", url, "--out"])
        .arg(out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Reads the report of a run.
pub fn report(out: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(out.join("report.json")).context("no report")?;
    Ok(serde_json::from_str(&text)?)
}

/// A scenario of one GET. Its limits are so high that a noisy machine can't make the run INVALID.
pub fn one_get(workload: &str) -> String {
    format!(
        r#"name = "engine"
description = "one GET"
[workload]
{workload}
[limits]
cpu_pct_max = 1000.0
in_flight_max = 1000000
slip_p99_max = "1h"
loop_stall_p99_max = "1h"
[[journeys]]
name = "get"
[[journeys.steps]]
name = "get"
request = {{ method = "GET", path = "/" }}
"#
    )
}

/// A number from a report.
pub fn number(report: &Value, pointer: &str) -> f64 {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN)
}

/// The median.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Microseconds for people.
pub fn time(us: f64) -> String {
    loadgen_report::units::time(us)
}

/// Whether a claim was not met.
static MISSED: AtomicBool = AtomicBool::new(false);

/// `ok` or `NOT MET`, for a claim.
pub fn met(holds: bool) -> &'static str {
    if holds {
        return "ok";
    }
    MISSED.store(true, Ordering::Relaxed);
    "NOT MET"
}

/// An error if a claim was not met.
pub fn all_met() -> anyhow::Result<()> {
    ensure!(!MISSED.load(Ordering::Relaxed), "a claim is NOT MET");
    Ok(())
}

/// Pause between two checks of a child process.
pub const PAUSE: Duration = Duration::from_millis(50);
