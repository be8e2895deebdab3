//! Numbers with their units, as tables and plots show them.

use loadgen_report::compare::Unit;
use loadgen_report::units::{count, time};

/// Stands for a missing number.
pub const NONE: &str = "–";

/// Formats a number, or a dash without one.
pub fn known<T>(number: Option<T>, shown: impl Fn(T) -> String) -> String {
    number.map_or_else(|| NONE.to_owned(), shown)
}

/// Formats a value with its unit.
pub fn quantity(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Micros => time(value),
        Unit::Nanos if value < 1_000.0 => format!("{value:.1} ns"),
        Unit::Nanos if value < 1e6 => format!("{:.2} µs", value / 1e3),
        Unit::Nanos => time(value / 1e3),
        Unit::Bytes => bytes(value),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Share => format!("{:.2} %", value * 100.0),
        Unit::Number if value >= 1_000.0 => count(value.round() as u64),
        Unit::Number => format!("{value:.1}"),
    }
}

/// Formats bytes with three digits and a fitting unit.
pub fn bytes(value: f64) -> String {
    let (number, unit) = match value {
        v if v < 1e3 => return format!("{v:.0} B"),
        v if v < 1e6 => (v / 1e3, "kB"),
        v if v < 1e9 => (v / 1e6, "MB"),
        v => (v / 1e9, "GB"),
    };
    let decimals = match number {
        n if n < 10.0 => 2,
        n if n < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}
