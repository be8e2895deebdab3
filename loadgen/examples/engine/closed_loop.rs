//! 32 connections, each sending its next request as soon as its answer is there: loadgen with all its recording, next to wrk and oha,
//! in turns. Measures requests a second and CPU per request.

use std::process::{Command, Stdio};

use anyhow::Context;

use crate::bench::{self, Server, children_cpu_s, median, met, number};

const CONNECTIONS: usize = 32;
/// Loadgen's CPU per request is compared with oha's, its rate with wrk's.
const OHA_CPU_RATIO_MAX: f64 = 0.7;

/// What one run made.
struct Made {
    requests: f64,
    /// How long it took by its own account: wrk ends some time after what it was asked for.
    seconds: f64,
}

#[derive(Default)]
struct Figures {
    per_s: Vec<f64>,
    cpu_us: Vec<f64>,
}

/// Runs each program `rounds` times for `seconds` seconds.
pub fn measure(rounds: usize, seconds: u64) -> anyhow::Result<()> {
    let server = Server::start(&[])?;
    let folder = tempfile::tempdir()?;
    let names = ["wrk", "loadgen", "oha"];
    let mut figures = names.map(|_| Figures::default());
    for round in 0..rounds {
        for (name, figures) in names.iter().zip(&mut figures) {
            let before = children_cpu_s()?;
            let made = match *name {
                "loadgen" => {
                    loadgen(&server, &folder.path().join(round.to_string()), seconds).map(Some)?
                }
                name => rival(name, &server, seconds)?,
            };
            if let Some(made) = made {
                figures.per_s.push(made.requests / made.seconds);
                figures
                    .cpu_us
                    .push((children_cpu_s()? - before) * 1e6 / made.requests);
            }
        }
    }
    println!(
        "closed loop, {CONNECTIONS} connections, medians of {rounds} runs of {seconds} s in turns:"
    );
    let [wrk, own, oha] = figures
        .map(|mut f| (!f.per_s.is_empty()).then(|| (median(&mut f.per_s), median(&mut f.cpu_us))));
    for (name, measured) in names.iter().zip([wrk, own, oha]) {
        match measured {
            Some((per_s, cpu_us)) => {
                println!("  {name:<8} {per_s:>8.0} requests/s   {cpu_us:>6.2} µs of CPU a request")
            }
            None => println!("  {name:<8} is not installed"),
        }
    }
    let own = own.context("loadgen did not run")?;
    if let Some(wrk) = wrk {
        let (rate, cpu) = (own.0 / wrk.0, own.1 / wrk.1);
        println!(
            "  beside wrk: {rate:.2} × its rate (claim: ≥ 1; {}), {cpu:.2} × its CPU",
            met(rate >= 1.0)
        );
    }
    if let Some(oha) = oha {
        let (rate, cpu) = (own.0 / oha.0, own.1 / oha.1);
        println!(
            "  beside oha: {rate:.2} × its rate, {cpu:.2} × its CPU (claim: ≤ {OHA_CPU_RATIO_MAX}; {})",
            met(cpu <= OHA_CPU_RATIO_MAX)
        );
    }
    Ok(())
}

fn loadgen(server: &Server, out: &std::path::Path, seconds: u64) -> anyhow::Result<Made> {
    let workload = format!(
        "kind = \"closed\"\nusers = {CONNECTIONS}\nduration = \"{seconds}s\"\ntraceparent = false"
    );
    bench::loadgen(&bench::one_get(&workload), &server.url, out)?.output()?;
    let report = bench::report(out)?;
    Ok(Made {
        requests: number(&report, "/all_steps/count"),
        seconds: number(&report, "/duration_s"),
    })
}

/// What another program made; `None` if it is not on PATH.
fn rival(name: &str, server: &Server, seconds: u64) -> anyhow::Result<Option<Made>> {
    let (connections, url) = (CONNECTIONS.to_string(), format!("{}/", server.url));
    let arguments = match name {
        "wrk" => vec![
            "-t1".into(),
            format!("-c{connections}"),
            format!("-d{seconds}s"),
            url,
        ],
        _ => vec![
            "--no-tui".into(),
            "-c".into(),
            connections,
            "-z".into(),
            format!("{seconds}s"),
            url,
        ],
    };
    let Ok(output) = Command::new(name)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
    else {
        return Ok(None);
    };
    let text = String::from_utf8(output.stdout)?;
    // wrk: `  12345 requests in 4.10s, …`; oha: `  Total:\t4.0003 secs`, `  [200] 12345 responses`.
    let (count, length) = match name {
        "wrk" => (
            between(&text, "", " requests in "),
            between(&text, " requests in ", "s,"),
        ),
        _ => (
            between(&text, "[200] ", " responses"),
            between(&text, "Total:", "sec"),
        ),
    };
    let made = count
        .zip(length)
        .map(|(requests, seconds)| Made { requests, seconds });
    made.map(Some)
        .with_context(|| format!("{name} printed no number of requests or seconds: {text}"))
}

/// The number that a line has between two texts.
fn between(text: &str, before: &str, after: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(before)?;
        let (number, _) = rest.split_once(after)?;
        number.trim().parse().ok()
    })
}
