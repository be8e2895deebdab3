//! Whether a generator kept up: with its schedule, with its CPU, and on its machine. If not, the figures are its own and not the target's.

use crate::sections::{Generator, WorkloadReport};
use crate::units;
use loadgen_scenario::Limits;

/// What tells whether a generator kept up.
pub struct KeepingUp<'a> {
    /// The scenario's limits.
    pub limits: &'a Limits,
    /// What it was asked of each workload, and did.
    pub workloads: &'a [WorkloadReport],
    /// What it measured of itself.
    pub generator: &'a Generator,
}

impl KeepingUp<'_> {
    /// Why it did not keep up, each reason with what to do about it.
    pub fn doubts(&self) -> Vec<String> {
        let mut reasons = self.late();
        reasons.extend(self.own_troubles());
        reasons.extend(self.lost_arrivals());
        reasons
    }

    fn late(&self) -> Vec<String> {
        let (limits, mut reasons) = (self.limits, Vec::new());
        let slip_max_us = limits.slip_p99_max.as_secs_f64() * 1e6;
        for workload in self.workloads.iter().filter(|w| w.asked.kind != "closed") {
            let (of, slip) = (of(workload), workload.schedule_slip_us.p99);
            if slip > slip_max_us {
                let (slip, limit) = (units::time(slip), units::time(slip_max_us));
                reasons.push(format!("the generator did not keep its schedule{of}: slip p99 {slip} > {limit}; lower the rate or give the generator a core of its own"));
            }
        }
        if self.generator.cpu_pct > limits.cpu_pct_max {
            let (cpu, limit) = (self.generator.cpu_pct, limits.cpu_pct_max);
            reasons.push(format!("the generator's CPU was the bottleneck: {cpu} % of a core > {limit} %; lower the rate or use more drivers"));
        }
        reasons
    }

    fn lost_arrivals(&self) -> Vec<String> {
        let (limits, mut reasons) = (self.limits, Vec::new());
        // Each for itself: one that loses much must not be hidden by others that send more. What no workload loses, all don't lose.
        for workload in self.workloads {
            let (of, journeys) = (of(workload), &workload.journeys);
            let lost = journeys.dropped + journeys.unsent;
            let lost_pct = 100.0 * lost as f64 / (journeys.started + lost).max(1) as f64;
            if lost_pct > limits.dropped_pct_max {
                let (dropped, unsent) = (journeys.dropped, journeys.unsent);
                let or = match dropped {
                    0 => "",
                    _ => ", or raise the limit in_flight_max",
                };
                reasons.push(format!(
                    "{lost_pct:.1} % of the arrivals{of} were not sent ({dropped} dropped over the in-flight limit of {}, {unsent} due but unsent at the end) > {} %; lower the rate{or}",
                    limits.in_flight_max, limits.dropped_pct_max
                ));
            }
        }
        reasons
    }

    /// Why the run is INVALID because of the generator's machine.
    fn own_troubles(&self) -> Vec<String> {
        let (generator, limits) = (self.generator, self.limits);
        let mut reasons = Vec::new();
        // A closed workload has no schedule to be late for, so that waiting for a core shows only here.
        let wanted = generator.cpu_pct + generator.cpu_wait_pct;
        if self.workloads.iter().any(|w| w.asked.kind == "closed")
            && wanted > limits.cpu_pct_max
            && generator.cpu_pct <= limits.cpu_pct_max
        {
            let (wait, limit) = (generator.cpu_wait_pct, limits.cpu_pct_max);
            reasons.push(format!("the machine was too busy: a driver waited for a core {wait} % of the time, which together with its own CPU is over {limit} %; give the generator a core of its own"));
        }
        let late_max_us = limits.loop_stall_p99_max.as_secs_f64() * 1e6;
        let late = generator.loop_lateness_us.p99;
        if late > late_max_us {
            let (late, limit) = (units::time(late), units::time(late_max_us));
            reasons.push(format!("the machine was too busy: the generator's event loop was late, p99 {late} > {limit}; give the generator a core of its own"));
        }
        let jump_max_ms = limits.clock_jump_max.as_secs_f64() * 1e3;
        if generator.clock_jump_ms > jump_max_ms {
            let jump = generator.clock_jump_ms;
            reasons.push(format!("the wall clock jumped by {jump} ms > {jump_max_ms} ms, so times of this machine and the target can't be compared; wait until the clock is synchronised and run again"));
        }
        if generator.own_errors > 0 {
            let count = generator.own_errors;
            reasons.push(format!("{count} requests failed because the generator's machine had no descriptor, port or memory left; raise the limit (ulimit -n) or lower connections_max"));
        }
        reasons
    }
}

/// Which workload a reason is about, if there are several.
fn of(workload: &WorkloadReport) -> String {
    match workload.name.as_str() {
        "" => String::new(),
        name => format!(" of `{name}`"),
    }
}
