//! Numbers with their units, as tables and plots show them.

use loadgen_report::Quantiles;
use loadgen_report::compare::{Scale, Unit};
use loadgen_report::units::{count, time, time_of_nanos, without_minus_zero};

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
        Unit::Nanos => time_of_nanos(value),
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

/// Formats a change: `+3.1 %`, or `+0.20 points` for an error rate.
pub fn change(scale: Scale, effect: f64) -> String {
    match scale {
        // A large change is easier to read as a factor.
        Scale::Ratio if effect >= 10.0 => format!("× {effect:.1}"),
        Scale::Ratio => format!("{:+.1} %", without_minus_zero((effect - 1.0) * 100.0, 1)),
        Scale::Difference => format!("{:+.2} points", without_minus_zero(effect * 100.0, 2)),
    }
}

/// Formats a time, or a dash without samples.
pub fn time_or_none(q: &Quantiles, figure: f64) -> String {
    match q.count {
        0 => NONE.to_owned(),
        _ => time(figure),
    }
}

/// Formats a rate in journeys a second.
pub fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 100.0 || r.fract() == 0.0 => format!("{r:.0}/s"),
        r => format!("{r:.2}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_as_zero_has_no_minus() {
        assert_eq!(change(Scale::Ratio, 0.9999), "+0.0 %");
        assert_eq!(change(Scale::Ratio, 0.999), "-0.1 %");
        assert_eq!(change(Scale::Difference, -0.00001), "+0.00 points");
        for (seconds, shown) in [
            (-0.04, "0.0"),
            (-0.0, "0.0"),
            (-0.06, "-0.1"),
            (0.06, "0.1"),
        ] {
            assert_eq!(format!("{:.1}", without_minus_zero(seconds, 1)), shown);
        }
    }
}
