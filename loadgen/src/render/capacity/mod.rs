//! Shows a search for the highest rate: a line for each probe, the conclusion, `capacity.md` and `capacity.html`. Decides nothing.

mod charts;
mod page;

use std::path::Path;

use super::table::Table;
use super::{RenderError, time};
use crate::capacity::{CapacityReport, CapacityResult, Judged, Probe};

/// Writes `capacity.md` and `capacity.html`.
///
/// # Errors
/// A plot can't be drawn or a file can't be written.
pub fn write_all(report: &CapacityReport, folder: &Path) -> Result<(), RenderError> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| RenderError::Output { path, error })
    };
    write("capacity.md", markdown(report))?;
    write("capacity.html", page::page(report)?)
}

/// Formats a rate in journeys a second.
pub fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 100.0 || r.fract() == 0.0 => format!("{r:.0}/s"),
        r => format!("{r:.2}/s"),
    }
}

/// The judgement of a probe in words.
pub fn word(judged: Judged) -> &'static str {
    match judged {
        Judged::Holds => "sustained",
        Judged::Exceeds => "too high",
        Judged::FarExceeds => "far too high",
        Judged::Doubtful => "can't tell",
        Judged::Disturbed => "disturbed",
    }
}

/// A probe in one line, printed when the probe ends.
pub fn line(probe: &Probe, cores: usize) -> String {
    let growth = |name: &str, slope: Option<crate::report::growth::Slope>| {
        slope.map_or_else(String::new, |s| format!("  {name} {}", s.said()))
    };
    let mut line = format!(
        "{:>3}  {:>8}  reached {:>8}  p99 {:>7}{}{}  CPU {:.2} of {cores}  {}",
        probe.number,
        rate(probe.rate_per_s),
        rate(probe.reached_per_s.round()),
        time(probe.response_time_us.p99),
        growth("in flight", probe.growth.in_flight),
        growth("backlog", probe.growth.backlog),
        probe.cpu_sum_pct() / 100.0,
        word(probe.judged)
    );
    for (what, words) in [("", &probe.reasons), ("at its limit: ", &probe.saturated)] {
        if probe.judged != Judged::Holds && !words.is_empty() {
            line += &format!("\n     {what}{}", words.join("; "));
        }
    }
    line
}

/// The result of a search: a headline, and sentences that explain it.
pub fn conclusion(report: &CapacityReport) -> (String, Vec<String>) {
    let held = report.rate_per_s.map(rate);
    let too_high = report.exceeded_per_s.map(rate);
    let known = || match (&held, &too_high) {
        (Some(held), Some(too_high)) => format!("{held} is sustained, {too_high} is not"),
        (Some(held), None) => format!("{held} is sustained"),
        (None, Some(too_high)) => format!("{too_high} is not sustained"),
        (None, None) => "nothing is known yet".to_owned(),
    };
    let headline = match (report.result, &held) {
        (CapacityResult::Found, Some(held)) => format!("sustains {held}"),
        (CapacityResult::AtLeast, Some(held)) => {
            format!("at least {held}: the highest rate allowed is sustained")
        }
        (CapacityResult::Limited, Some(held)) => {
            format!("at least {held}: the generator is the limit")
        }
        (CapacityResult::Limited, None) => "can't tell: the generator is the limit".to_owned(),
        (CapacityResult::Disturbed, _) => format!(
            "can't tell, other programs disturbed too many probes: {}",
            known()
        ),
        (CapacityResult::None, _) => format!(
            "not even {} is sustained",
            too_high.as_deref().unwrap_or("the lowest rate")
        ),
        (CapacityResult::Stopped, _) => {
            format!("stopped before the capacity was known: {}", known())
        }
        _ => format!(
            "the budget was used up before the capacity was known: {}",
            known()
        ),
    };
    let mut sentences = Vec::new();
    if let (CapacityResult::Found, Some(too_high)) = (report.result, &too_high) {
        sentences.push(format!(
            "{too_high} is too high: {}",
            report.reasons.join("; ")
        ));
    } else if !report.reasons.is_empty() {
        sentences.push(report.reasons.join("; "));
    }
    match (report.saturated.is_empty(), report.environment.target_started) {
        (false, _) => sentences.push(format!("at its limit: {}", report.saturated.join("; "))),
        (true, true) if report.exceeded_per_s.is_some() => {
            sentences.push("nothing that was measured was at its limit; look at waits, locks and the disk".into());
        }
        (true, false) if report.exceeded_per_s.is_some() => sentences.push(
            "the limit is unknown: the target was not started here, so only the generator's CPU was measured".into(),
        ),
        _ => {}
    }
    (headline, sentences)
}

/// The table of probes, sorted by rate.
pub fn table(report: &CapacityReport) -> String {
    let mut table = Table::new(&HEADER);
    table.rows = rows(report);
    let mut out = String::new();
    table.write(&mut out);
    out
}

pub(super) const HEADER: [&str; 9] = [
    "asked",
    "verdict",
    "probe",
    "reached",
    "response p50",
    "p99",
    "in flight grows by (95 %)",
    "backlog grows by (95 %)",
    "CPU, cores",
];

pub(super) fn rows(report: &CapacityReport) -> Vec<Vec<String>> {
    let mut probes: Vec<&Probe> = report.probes.iter().collect();
    probes.sort_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
    let said = |slope: Option<crate::report::growth::Slope>| {
        slope.map_or_else(|| "–".to_owned(), |s| s.said())
    };
    let rows = probes.into_iter().map(|p| {
        vec![
            rate(p.rate_per_s),
            word(p.judged).to_owned(),
            p.number.to_string(),
            rate(p.reached_per_s.round()),
            time(p.response_time_us.p50),
            time(p.response_time_us.p99),
            said(p.growth.in_flight),
            said(p.growth.backlog),
            format!("{:.2}", p.cpu_sum_pct() / 100.0),
        ]
    });
    rows.collect()
}

/// The text of `capacity.md`.
pub fn markdown(report: &CapacityReport) -> String {
    let (headline, sentences) = conclusion(report);
    let (s, e) = (&report.setting, &report.environment);
    let mut out = format!("# {}: {headline}\n\n", s.scenario);
    for sentence in sentences {
        out += &format!("* {sentence}\n");
    }
    out += &format!(
        "* {} probes of {:.0} s, of which {:.0} s warm-up; precision {:.0} %, seed {}\n* target: {}; machine: {} cores, {} {}\n\n",
        report.probes.len(),
        s.probe_s,
        s.warm_up_s,
        s.precision * 100.0,
        s.seed,
        e.target,
        e.cores,
        e.os,
        e.arch
    );
    out + &table(report) + "\n" + HOW + "\n"
}

/// How a rate is judged, in words.
pub const HOW: &str = "A rate is sustained if neither journeys in flight nor the backlog grow (the 95 % interval of the slope includes 0, or the slope is below a twentieth of the throughput), at least 95 % of the arrivals are completed while they arrive, the scenario's thresholds hold and no more arrivals are dropped than its limits allow. The slope is estimated by least squares over the seconds between warm-up and last arrival, its interval by Newey and West, because work that is left in one second is still there in the next. A rate that fails, unless by far, is tried again, and two of three probes decide; the result was sustained twice.";
