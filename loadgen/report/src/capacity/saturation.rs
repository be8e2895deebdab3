//! What was at its limit in a probe: a process that has a core to itself, the whole machine, or a limit of the scenario. Judged by CPU by
//! process, which is known of a target that was started here. Pure.

use super::probe::Probe;
use crate::report::Report;
use loadgen_engine::record::series::{GENERATOR, HOST, OTHERS};
use loadgen_scenario::Limits;

/// Of one core: Redis and the system work on one thread each, as they are started here.
const CORE_FULL_PCT: f64 = 90.0;
/// Of all cores. The kernel's own work for the network and what a host takes away are no process'; a target at its limit was seen at 0.75
/// to 0.85 of a virtual machine with two cores.
const MACHINE_FULL_SHARE: f64 = 0.75;
/// Of a limit of the scenario.
const LIMIT_SHARE: f64 = 0.98;
/// Whether all known processes together take nearly all of the machine.
pub fn machine_is_full(probe: &Probe, report: &Report) -> bool {
    probe.cpu_sum_pct() >= report.environment.cores as f64 * 100.0 * MACHINE_FULL_SHARE
}

/// In words, the whole before its parts; nothing where nothing was at its limit.
pub fn named(probe: &Probe, report: &Report, limits: &Limits) -> Vec<String> {
    let mut named = Vec::new();
    let cores = report.environment.cores;
    if machine_is_full(probe, report) {
        named.push(format!(
            "the machine ({:.2} of {cores} cores: {})",
            probe.cpu_sum_pct() / 100.0,
            shares(probe)
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
    // A request that has to wait for a connection waits in its response time, but not in its service time.
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

/// Each process' share.
pub fn shares(probe: &Probe) -> String {
    let shares = probe.cpu_pct.iter().filter(|(_, pct)| *pct >= 1.0);
    let shares: Vec<String> = shares.map(|(n, pct)| format!("{n} {pct:.0} %")).collect();
    shares.join(", ")
}
