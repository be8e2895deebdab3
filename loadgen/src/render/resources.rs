//! The cost of a journey as rows of a table. Knows the report's figures, not how a table looks.

use super::compare::bytes;
use super::time;
use crate::report::Report;

/// Name and cost for each known figure; empty if no cost is known.
pub fn rows(report: &Report) -> Vec<[String; 2]> {
    let Some(resources) = &report.resources else {
        return Vec::new();
    };
    let cpu = &resources.cpu_us_per_journey;
    let redis = resources.redis.as_ref();
    let number = |n: f64| format!("{n:.1}");
    let each = [
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
    let known = each.into_iter();
    let known = known.filter_map(|(name, value)| Some([name.to_owned(), value?]));
    let peaks = resources.memory_peak_bytes.iter();
    let peaks = peaks.map(|(name, peak)| [format!("memory at most, {name}"), bytes(*peak as f64)]);
    known.chain(peaks).collect()
}
