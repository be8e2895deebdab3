//! The tables of a journey's cost on the target. Must not know how it was measured.

use std::collections::BTreeMap;

use loadgen_report::Report;
use loadgen_report::units::time;

use crate::quantity::bytes;
use crate::table::Table;

/// The number of commands that have a row of their own.
const COMMANDS_MAX: usize = 20;

/// What a journey cost on the target.
pub fn table(report: &Report) -> Table {
    let table = Table::new("cost", "Cost of a journey")
        .note("Measured from the end of the warm-up until the backlog had drained, divided by the journeys completed in that time.")
        .words([""])
        .numbers(["a journey"]);
    let Some(resources) = &report.resources else {
        return table;
    };
    let (cpu, redis) = (&resources.cpu_us_per_journey, resources.redis.as_ref());
    let number = |n: f64| format!("{n:.1}");
    let rows = [
        ("CPU, system and Redis", cpu.both.map(time)),
        ("CPU, system", cpu.system.map(time)),
        ("CPU, Redis", cpu.redis.map(time)),
        (
            "Redis commands",
            redis.map(|r| number(r.commands_per_journey)),
        ),
        (
            "bytes to Redis",
            redis.map(|r| bytes(r.input_bytes_per_journey)),
        ),
        (
            "bytes from Redis",
            redis.map(|r| bytes(r.output_bytes_per_journey)),
        ),
        (
            "events in an append, mean",
            resources.events_per_append.map(number),
        ),
        (
            "messages taken at once, mean",
            resources.messages_per_take.map(number),
        ),
        (
            "data in Redis at the end",
            redis.map(|r| bytes(r.memory_bytes)),
        ),
    ];
    let peaks = resources.memory_peak_bytes.iter();
    table
        .rows(
            rows.into_iter()
                .filter_map(|(name, value)| Some([name.to_owned(), value?])),
        )
        .rows(peaks.map(|(name, peak)| [format!("memory at most, {name}"), bytes(*peak as f64)]))
}

/// The commands that a journey needs.
pub fn commands(report: &Report) -> Table {
    let resources = report.resources.as_ref();
    let redis = resources.and_then(|resources| resources.redis.as_ref());
    let calls = redis.map_or_else(Vec::new, |redis| most_called(&redis.calls_per_journey));
    let row = |(command, calls): (&str, f64)| [command.to_owned(), format!("{calls:.2}")];
    Table::new("commands", "Redis commands of a journey, by command")
        .note(
            "Commands within scripts and transactions count, and those of the system's idle work.",
        )
        .words(["command"])
        .numbers(["calls a journey"])
        .rows(calls.into_iter().map(row))
}

/// The commands that are called most, the most frequent first, and the sum of all others.
fn most_called(calls: &BTreeMap<String, f64>) -> Vec<(&str, f64)> {
    let calls = calls
        .iter()
        .map(|(command, calls)| (command.as_str(), *calls));
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    let others = calls.split_off(calls.len().min(COMMANDS_MAX));
    if !others.is_empty() {
        calls.push(("others", others.iter().map(|(_, calls)| calls).sum()));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_commands_come_first_and_the_rest_is_one_row() {
        let calls = (0..COMMANDS_MAX + 2).map(|n| (format!("c{n}"), n as f64));
        let calls = calls.collect();
        let most = most_called(&calls);
        assert_eq!(most[0], ("c21", 21.0));
        assert_eq!(most[COMMANDS_MAX - 1], ("c2", 2.0));
        assert_eq!(most[COMMANDS_MAX..], [("others", 1.0)]);
    }
}
