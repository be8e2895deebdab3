//! Finds what was at its limit in a probe: a process that uses a full core, the whole machine, or a limit of the scenario. Uses the CPU of
//! each process, which is known only for a target that was started here. Pure.

use super::probe::Probe;
use crate::report::Report;
use loadgen_engine::record::series::{AGENT, GENERATOR, HOST, OTHERS};
use loadgen_scenario::Limits;

/// Percent of one core from which a process is at its limit: Redis and the system have one working thread each when started here.
const CORE_FULL_PCT: f64 = 90.0;
/// Share of all cores from which the machine is full. The kernel's network work and the CPU that a host takes away belong to no process; a
/// target at its limit used 0.75 to 0.85 of a virtual machine with two cores.
const MACHINE_FULL_SHARE: f64 = 0.75;
/// Share of a scenario's limit from which the limit is reached.
const LIMIT_SHARE: f64 = 0.98;
/// Whether all known processes of this machine together use nearly the whole of it.
pub fn machine_is_full(probe: &Probe, report: &Report) -> bool {
    probe.cpu_sum_pct() >= report.environment.cores as f64 * 100.0 * MACHINE_FULL_SHARE
}

/// Everything that was at its limit, in words, the machine before its processes.
pub fn named(probe: &Probe, report: &Report, limits: &Limits) -> Vec<String> {
    let mut named = Vec::new();
    let cores = report.environment.cores;
    if machine_is_full(probe, report) {
        named.push(format!(
            "the machine ({:.2} of {cores} cores: {})",
            probe.cpu_sum_pct() / 100.0,
            shares(probe.cpu_here_pct())
        ));
    }
    for (name, pct) in probe
        .cpu_pct
        .iter()
        .filter(|(_, pct)| *pct >= CORE_FULL_PCT)
    {
        let who = match name.as_str() {
            GENERATOR => "the generator",
            OTHERS | HOST => continue,
            name if name.starts_with(AGENT) => "an agent",
            name if name.ends_with("-server") => "Redis",
            _ => "the system",
        };
        named.push(format!("{who}'s CPU ({name} {pct:.0} % of a core)"));
    }
    let in_flight = probe.in_flight_max as f64;
    if in_flight >= limits.in_flight_max as f64 * LIMIT_SHARE {
        named.push(format!(
            "the limit of {} journeys in flight",
            limits.in_flight_max
        ));
    }
    // Waiting for a connection is part of the response time but not of the service time.
    let all = &report.all_steps;
    let waits = all.response_time_us.p50 > 2.0 * all.service_time_us.p50;
    if waits && in_flight >= limits.connections_max as f64 {
        named.push(format!(
            "the limit of {} connections",
            limits.connections_max
        ));
    }
    named
}

/// The CPU of these processes in percent of one core, in words.
pub fn shares<'a>(processes: impl Iterator<Item = &'a (String, f64)>) -> String {
    let shares = processes.filter(|(_, pct)| *pct >= 1.0);
    let shares: Vec<String> = shares.map(|(n, pct)| format!("{n} {pct:.0} %")).collect();
    shares.join(", ")
}
