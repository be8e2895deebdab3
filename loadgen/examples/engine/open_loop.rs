//! How late arrivals are started, compared with the machine's floor: a bare loop that only sleeps until the same times.

use std::time::{Duration, Instant};

use loadgen::record::Times;
use rustix::time::{ClockId, clock_gettime};

use crate::bench::{self, Server, median, met, number, time};

/// Arrivals a second.
const RATE: u64 = 20_000;
const SLIP_RATIO_MAX: f64 = 2.0;
const RATE_ERROR_PCT_MAX: f64 = 0.1;

/// Runs both `rounds` times for `seconds` seconds.
pub fn measure(rounds: usize, seconds: u64) -> anyhow::Result<()> {
    let server = Server::start(&[])?;
    let folder = tempfile::tempdir()?;
    let [
        mut floors,
        mut floor_cpus,
        mut slips,
        mut halves,
        mut rates,
        mut cpus,
    ] = [const { Vec::new() }; 6];
    for round in 0..rounds {
        let before = clock_gettime(ClockId::ThreadCPUTime);
        floors.push(floor(seconds).0.value_at_quantile(0.99) as f64);
        let used = clock_gettime(ClockId::ThreadCPUTime) - before;
        let used_s = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        floor_cpus.push(100.0 * used_s / seconds as f64);
        let out = folder.path().join(round.to_string());
        let workload = format!("kind = \"open\"\nrate = {RATE}.0\nduration = \"{seconds}s\"");
        bench::loadgen(&bench::one_get(&workload), &server.url, &out)?.output()?;
        let report = bench::report(&out)?;
        slips.push(number(&report, "/generator/schedule_slip_us/p99"));
        halves.push(number(&report, "/generator/schedule_slip_us/p50"));
        cpus.push(number(&report, "/generator/cpu_pct"));
        // The time until the last request was sent: after the schedule's end if the generator is late.
        let sending_s = number(&report, "/duration_s") - number(&report, "/drain/journeys_s");
        rates.push(number(&report, "/journeys/completed") / sending_s);
    }
    let all = [floors, floor_cpus, slips, halves, rates, cpus];
    let [floor, floor_cpu, slip, half, rate, cpu] = all.map(|mut all| median(&mut all));
    println!("open loop at {RATE}/s, medians of {rounds} runs of {seconds} s in turns:");
    println!(
        "  schedule slip p50 {}, p99 {}; {cpu:.0} % of a core",
        time(half),
        time(slip)
    );
    let ratio = slip / floor;
    println!(
        "  a bare sleeping loop: p99 {}, {floor_cpu:.0} % of a core; ratio {ratio:.2} (claim: ≤ {SLIP_RATIO_MAX}; {})",
        time(floor),
        met(ratio <= SLIP_RATIO_MAX)
    );
    let off_pct = 100.0 * (rate / RATE as f64 - 1.0).abs();
    println!(
        "  reached {rate:.1}/s: {off_pct:.3} % off (claim: ≤ {RATE_ERROR_PCT_MAX} %; {})",
        met(off_pct <= RATE_ERROR_PCT_MAX)
    );
    Ok(())
}

/// Sleeps until each arrival's time and records how late it wakes.
fn floor(seconds: u64) -> Times {
    let mut slip = Times::default();
    let start = Instant::now();
    for k in 0..RATE * seconds {
        let due = start + Duration::from_nanos(k * 1_000_000_000 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        slip.record(due.elapsed());
    }
    slip
}
