//! The tables of a run's settings and environment.

use super::tables::Table;
use super::{count, time};
use crate::report::Report;

/// The tables of settings and environment.
pub fn settings(report: &Report) -> Vec<Table> {
    let e = &report.environment;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let started = if e.target_started {
        "started by this run"
    } else {
        "already running"
    };
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let g = &report.generator;
    let environment = vec![
        row("target", format!("{} ({started})", e.target)),
        row("system", known(&e.system_version)),
        row(
            "Redis",
            format!("{} {}", known(&e.redis_server), known(&e.redis_version)),
        ),
        row("durability", known(&e.durability)),
        row(
            "machine of the generator",
            format!("{} cores, {} {}", e.cores, e.os, e.arch),
        ),
        row("loadgen", e.loadgen_version.clone()),
        row(
            "generator's CPU",
            format!(
                "{:.0} % of a core (process: {:.0} %)",
                g.cpu_pct, g.process_cpu_pct
            ),
        ),
        row(
            "system's CPU, its Redis included",
            report
                .system_cpu_pct
                .map_or_else(|| "unknown".into(), |p| format!("{p:.0} % of a core")),
        ),
        row("live feed reconnected", count(g.feed_reconnects)),
    ];
    let w = &report.workload;
    let mut settings = vec![
        row("workload", w.description.clone()),
        row("journeys started for", format!("{:.1} s", w.duration_s)),
        row("warm-up, not measured", format!("{:.1} s", w.warm_up_s)),
        row("seed", report.seed.to_string()),
        row("drain of journeys", time(report.drain.journeys_s * 1e6)),
        row("drain of the backlog", time(report.drain.backlog_s * 1e6)),
    ];
    let parameters = report.parameters.iter();
    settings.extend(parameters.map(|(name, value)| row(name, value.clone())));
    let table = |caption, rows| Table {
        caption,
        header: vec!["", ""],
        rows,
        words: true,
        ..Table::default()
    };
    vec![
        table("Settings", settings),
        table("Environment", environment),
    ]
}
