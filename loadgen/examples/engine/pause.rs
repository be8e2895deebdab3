//! Whether a pause before a request shows in its response time: the same GET at the same rate, right at its arrival and after a pause, in
//! turns.

use crate::bench::{self, Server, median, met, number, time};

/// Arrivals a second: few, so that nothing but the pause differs.
const RATE: u64 = 200;
/// Not a whole number of milliseconds, because the runtime's timer ends on those.
const PAUSE: &str = "15.3ms";
/// How much higher the median after a pause may be, in percent. It may well be lower: an arrival also has its journey to begin.
const MORE_PCT_MAX: f64 = 5.0;

/// Runs both `rounds` times for `seconds` seconds.
pub fn measure(rounds: usize, seconds: u64) -> anyhow::Result<()> {
    let server = Server::start(&[])?;
    let folder = tempfile::tempdir()?;
    let workload = format!("kind = \"open\"\nrate = {RATE}.0\nduration = \"{seconds}s\"");
    let unpaused = bench::one_get(&workload);
    let paused = unpaused.replacen(
        "[[journeys.steps]]",
        &format!("[[journeys.steps]]\nthink = \"{PAUSE}\"\n[[journeys.steps]]"),
        1,
    );
    let mut halves = [const { Vec::new() }; 2];
    let mut slips = [const { Vec::new() }; 2];
    for round in 0..rounds {
        for (kind, scenario) in [&unpaused, &paused].into_iter().enumerate() {
            let out = folder.path().join(format!("{kind}-{round}"));
            bench::loadgen(scenario, &server.url, &out)?.output()?;
            let report = bench::report(&out)?;
            halves[kind].push(number(&report, "/all_steps/response_time_us/p50"));
            slips[kind].push(number(&report, "/steps/0/slip_us/p50"));
        }
    }
    let [unpaused, paused] = halves.map(|mut all| median(&mut all));
    let [slip_unpaused, slip_paused] = slips.map(|mut all| median(&mut all));
    let more_pct = 100.0 * (paused / unpaused - 1.0);
    println!(
        "a pause of {PAUSE} before a request, {RATE}/s, medians of {rounds} runs of {seconds} s in turns:"
    );
    println!(
        "  response time p50 {} after it, {} without: {more_pct:+.1} % (claim: at most {MORE_PCT_MAX} % more; {})",
        time(paused),
        time(unpaused),
        met(more_pct <= MORE_PCT_MAX)
    );
    println!(
        "  of it late, p50: {} after a pause, {} without",
        time(slip_paused),
        time(slip_unpaused)
    );
    Ok(())
}
