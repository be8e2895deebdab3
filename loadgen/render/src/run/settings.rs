//! The tables of a run's settings and environment.

use loadgen_report::Report;

use super::workloads;
use crate::table::Table;

/// The tables of settings and environment.
pub fn settings(report: &Report) -> Vec<Table> {
    let (e, w) = (&report.environment, &report.workload);
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let started = match e.target_started {
        true => "started by this run",
        false => "already running",
    };
    let redis = format!("{} {}", known(&e.redis_server), known(&e.redis_version));
    let environment = [
        ("target", format!("{} ({started})", e.target)),
        ("system", known(&e.system_version)),
        ("Redis", redis),
        ("durability", known(&e.durability)),
        ("started with", e.system_command.clone().unwrap_or_default()),
        (
            "machine of the generator",
            format!("{} cores, {} {}", e.cores, e.os, e.arch),
        ),
        ("loadgen", e.loadgen_version.clone()),
    ];
    let targets = e.targets.clone().into_iter();
    let settings = [
        ("journeys started for", format!("{:.1} s", w.duration_s)),
        ("warm-up, not measured", format!("{:.1} s", w.warm_up_s)),
        ("measured", format!("{:.1} s", report.duration_s)),
        ("seed", report.seed.to_string()),
    ];
    let table = |id, title| Table::new(id, title).words(["", ""]);
    let owned = |(name, value): (&str, String)| [name.to_owned(), value];
    let parameters = report.parameters.clone().into_iter();
    vec![
        table("settings", "Settings")
            .rows(workloads::in_words(report))
            .rows(settings.map(owned))
            .rows(parameters.map(|(name, value)| [name, value])),
        table("environment", "Environment")
            .rows(
                environment
                    .into_iter()
                    .filter(|(_, value)| !value.is_empty())
                    .map(owned),
            )
            .rows(targets.map(|(name, url)| [format!("target {name}"), url])),
    ]
}
