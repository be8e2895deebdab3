//! Several workloads of a run, each in a row of its own.

use loadgen_report::Report;
use loadgen_report::units::count;

use crate::quantity::{known, time_or_none};
use crate::table::Table;

/// The table of workloads; empty where there is only one without a name.
pub fn table(report: &Report) -> Table {
    let rate = |per_s: f64| format!("{per_s:.1}/s");
    let rows = report.workloads.iter().map(|w| {
        let (journeys, response, slip) = (&w.journeys, &w.response_time_us, &w.schedule_slip_us);
        [
            w.name.clone(),
            known(w.asked.rate, rate),
            rate(journeys.per_s),
            count(journeys.started),
            count(journeys.completed),
            count(journeys.failed),
            count(journeys.skipped),
            count(journeys.dropped),
            count(journeys.unsent),
            time_or_none(response, response.p50),
            time_or_none(response, response.p99),
            time_or_none(slip, slip.p99),
        ]
    });
    Table::new("workloads", "Workloads")
        .note("Asked: on average, by the schedule; a closed workload asks for no rate. Reached: journeys completed a second, from the end of its own warm-up until its last journey ended.")
        .words(["workload"])
        .numbers(["asked", "reached", "started", "completed", "failed", "skipped"])
        .numbers(["dropped", "unsent", "response p50", "p99", "slip p99"])
        .rows(rows)
}

/// Each workload in words.
pub fn in_words(report: &Report) -> Vec<[String; 2]> {
    let named = report.workloads.iter();
    let named = named.map(|w| [format!("workload {}", w.name), w.asked.description.clone()]);
    let only = || ["workload".to_owned(), report.workload.description.clone()];
    match report.workloads.is_empty() {
        true => vec![only()],
        false => named.collect(),
    }
}
