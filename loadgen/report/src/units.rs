//! Formats numbers with a fitting unit and number of digits.

/// Formats a time in microseconds with a fitting unit and three digits.
pub fn time(micros: f64) -> String {
    let (number, unit) = match micros {
        t if t < 1_000.0 => return format!("{t:.0} µs"),
        t if t < 1_000_000.0 => (t / 1e3, "ms"),
        t => (t / 1e6, "s"),
    };
    let decimals = if number < 10.0 {
        2
    } else if number < 100.0 {
        1
    } else {
        0
    };
    format!("{number:.decimals$} {unit}")
}

/// Formats a time in nanoseconds with a fitting unit.
pub fn time_of_nanos(nanos: f64) -> String {
    match nanos {
        t if t < 1e3 => format!("{t:.1} ns"),
        t if t < 1e6 => format!("{:.2} µs", t / 1e3),
        t => time(t / 1e3),
    }
}

/// Formats a time in microseconds that may be negative.
pub fn signed_time(micros: f64) -> String {
    match micros.round() < 0.0 {
        true => format!("−{}", time(-micros)),
        false => time(micros.max(0.0)),
    }
}

/// The value as it is shown with so many decimals: what is shown as zero has no sign.
pub fn without_minus_zero(value: f64, decimals: i32) -> f64 {
    match value.abs() < 0.5 * 10_f64.powi(-decimals) {
        true => 0.0,
        false => value,
    }
}

/// Formats a number with thin spaces between groups of three digits.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Formats the figure of a threshold with the unit of its metric.
pub fn figure(threshold: &str, figure: f64) -> String {
    let metric = threshold
        .parse::<loadgen_scenario::threshold::Threshold>()
        .map(|t| t.metric);
    match metric {
        Ok(metric) if metric.is_time() => time(figure),
        Ok(metric) if metric.is_ratio() => format!("{:.3} %", figure * 100.0),
        _ if figure >= 1_000.0 && figure.fract() == 0.0 => count(figure as u64),
        _ => format!("{}", (figure * 1e3).round() / 1e3),
    }
}
