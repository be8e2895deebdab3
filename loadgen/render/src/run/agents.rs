//! The agents of a run, each in a row of its own.

use loadgen_report::Report;
use loadgen_report::units::{count, signed_time, time};

use crate::quantity::time_or_none;
use crate::table::Table;

/// The table of agents; empty where one process drove the load.
pub fn table(report: &Report) -> Table {
    let rows = report.agents.iter().map(|agent| {
        let (journeys, generator) = (&agent.journeys, &agent.generator);
        let slip = &generator.schedule_slip_us;
        let cpu = match agent.lost.is_some() {
            true => "–".to_owned(),
            false => format!("{:.0} %", generator.cpu_pct),
        };
        let clock = signed_time(agent.clock_ahead_us as f64);
        [
            agent.address.clone(),
            agent
                .lost
                .clone()
                .unwrap_or_else(|| "to the end".to_owned()),
            count(journeys.started),
            count(journeys.dropped),
            count(journeys.unsent),
            cpu,
            time_or_none(slip, slip.p99),
            format!("{clock} ± {}", time(agent.clock_error_us as f64)),
        ]
    });
    Table::new("agents", "Agents")
        .note("Each by itself: one that did not keep up makes the run INVALID. CPU: of its busiest driver, in percent of a core. Clock: how far its wall clock was ahead at the start; the schedule follows the monotonic clocks, so it moves no figure but the latency budget's and traces'.")
        .words(["agent", "took part"])
        .numbers(["started", "dropped", "unsent", "CPU", "slip p99", "clock"])
        .rows(rows)
}
