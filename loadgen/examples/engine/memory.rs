//! Memory after a hundred thousand requests and after ten million: it must not grow with the length of a run.

use std::process::Child;

use anyhow::Context;

use crate::bench::{self, PAUSE, Server, met, number};

const SHORT: f64 = 100_000.0;
const RATIO_MAX: f64 = 1.1;

/// Ten million requests take a minute and a half on a fast machine; fewer are enough to see growth.
pub fn measure(requests: f64) -> anyhow::Result<()> {
    let server = Server::start(&[])?;
    let (short, few, per_s) = run(&server, "2s")?;
    // The duration comes from the rate of the short run.
    let seconds = (requests / per_s).ceil().max(2.0);
    let (long, many, _) = run(&server, &format!("{seconds}s"))?;
    let ratio = long / short;
    println!(
        "memory (largest resident set): {short:.0} KB after {few:.0} requests (at least {SHORT:.0}), {long:.0} KB after {many:.0}"
    );
    println!(
        "  ratio {ratio:.3} (claim: ≤ {RATIO_MAX}; {})",
        met(ratio <= RATIO_MAX)
    );
    Ok(())
}

fn run(server: &Server, duration: &str) -> anyhow::Result<(f64, f64, f64)> {
    let out = tempfile::tempdir()?;
    let workload = format!("kind = \"closed\"\nusers = 32\nduration = \"{duration}\"");
    let mut command = bench::loadgen(&bench::one_get(&workload), &server.url, out.path())?;
    let mut child = command.stderr(std::process::Stdio::null()).spawn()?;
    let mut largest = 0.0_f64;
    while child.try_wait()?.is_none() {
        largest = largest.max(peak_kb(&child).unwrap_or_default());
        std::thread::sleep(PAUSE);
    }
    let report = bench::report(out.path())?;
    Ok((
        largest,
        number(&report, "/all_steps/count"),
        number(&report, "/all_steps/per_s"),
    ))
}

fn peak_kb(child: &Child) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kb = line
        .and_then(|l| l.split_whitespace().next())
        .context("no VmHWM")?;
    Ok(kb.parse()?)
}
