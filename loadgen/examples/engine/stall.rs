//! A server that is stopped for a second in the middle of a run. The true response times follow from two sources independent of the
//! generator: the schedule says when each request should have been sent, and the server's log when each answer was ready. The
//! k-th answer belongs to the k-th request, because waiting requests are sent first come, first served.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use loadgen::record::Times;
use rustix::process::Signal;

use crate::bench::{self, Server, met, number, time};
use crate::echo_server::monotonic_ns;

const RATE: u64 = 20_000;
const SECONDS: u64 = 8;
/// The time of each answer: long enough that the median is the server's time and not the machine's noise.
const DELAY_MS: u64 = 20;
const STALL_AT: Duration = Duration::from_secs(3);
const STALL: Duration = Duration::from_secs(1);
const ERROR_PCT_MAX: f64 = 3.0;
/// As many connections as loadgen may open.
const CONNECTIONS: &str = "1024";

pub fn measure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("answers");
    let log_argument = log.to_string_lossy().into_owned();
    let delay = DELAY_MS.to_string();
    let server = Server::start(&["--delay-ms", &delay, "--log", &log_argument])?;
    let out = folder.path().join("out");
    let workload = format!("kind = \"open\"\nrate = {RATE}.0\nduration = \"{SECONDS}s\"");
    let mut child = bench::loadgen(&bench::one_get(&workload), &server.url, &out)?.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no output")?).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|l| l == "started"))
        .context("loadgen did not start")??;
    stall(&server)?;
    let ended = lines.count();
    child.wait()?;
    let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as f64;
    let (report, now_ns) = (bench::report(&out)?, monotonic_ns() as f64);
    server.end()?;
    let start_ns = now_ns - (unix_ns - number(&report, "/started_at") * 1e9);
    let felt = felt(&std::fs::read(log)?, start_ns);
    println!(
        "server stopped for {STALL:?} in {SECONDS} s at {RATE}/s ({ended} lines printed meanwhile; {} of {} answers):",
        felt.0.len(),
        RATE * SECONDS
    );
    println!(
        "  {:>6} {:>12} {:>12} {:>8}   {:>12}",
        "", "felt", "reported", "", "service time"
    );
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        let expected = felt.0.value_at_quantile(quantile) as f64;
        let reported = number(&report, &format!("/all_steps/response_time_us/{name}"));
        let service = number(&report, &format!("/all_steps/service_time_us/{name}"));
        let off_pct = 100.0 * (reported / expected - 1.0);
        println!(
            "  {name:>6} {:>12} {:>12} {off_pct:>+7.2}%   {:>12}   {}",
            time(expected),
            time(reported),
            time(service),
            met(off_pct.abs() <= ERROR_PCT_MAX)
        );
    }
    println!(
        "  (claim: within {ERROR_PCT_MAX} %; service time is what a tool reports that measures from the actual sending)"
    );
    for (name, correction) in [
        ("oha", None),
        ("oha --latency-correction", Some("--latency-correction")),
    ] {
        println!("  {name}: {}", oha(&delay, correction)?);
    }
    Ok(())
}

/// Stops the server in the middle of a run.
fn stall(server: &Server) -> anyhow::Result<()> {
    std::thread::sleep(STALL_AT);
    server.signal(Signal::STOP)?;
    std::thread::sleep(STALL);
    server.signal(Signal::CONT)
}

/// Oha's figures for the same stall, measured from the actual or, with `correction`, the intended sending.
fn oha(delay_ms: &str, correction: Option<&str>) -> anyhow::Result<String> {
    let server = Server::start(&["--delay-ms", delay_ms])?;
    let (rate, length) = (RATE.to_string(), format!("{SECONDS}s"));
    let fixed = ["--no-tui", "-w", "--output-format", "json"];
    let load = ["-c", CONNECTIONS, "-q", &rate, "-z", &length];
    let started = Command::new("oha")
        .args(fixed)
        .args(load)
        .args(correction)
        .arg(&server.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        return Ok("not installed".to_owned());
    };
    stall(&server)?;
    let output = child.wait_with_output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).context("oha's JSON")?;
    let figures = ["p50", "p90", "p99", "p99.9"].map(|name| {
        let seconds = number(&said, &format!("/latencyPercentiles/{name}"));
        format!("{name} {}", time(seconds * 1e6))
    });
    Ok(figures.join(", "))
}

/// The true response times: from when each request should have been sent until its answer was ready.
fn felt(log: &[u8], start_ns: f64) -> Times {
    let mut ready: Vec<u64> = log
        .chunks_exact(8)
        .map(|bytes| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
        .collect();
    ready.sort_unstable();
    let mut times = Times::default();
    for (k, ready_ns) in ready.into_iter().enumerate() {
        let intended_ns = start_ns + k as f64 * 1e9 / RATE as f64;
        times.record(Duration::from_nanos(
            (ready_ns as f64 - intended_ns).max(0.0) as u64,
        ));
    }
    times
}
