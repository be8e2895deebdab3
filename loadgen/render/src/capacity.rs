//! Shows a search for the highest rate: the result and its probes. Decides nothing.

mod charts;
pub mod set;

use std::path::Path;

use loadgen_report::capacity::{CapacityReport, CapacityResult, Judged, Probe};
use loadgen_report::units::time;

use crate::document::{Answer, Document};
use crate::error::ReportError;
use crate::markdown::markdown;
use crate::page::{Pictures, page};
use crate::plots::figure::drawn;
use crate::quantity::known;
pub use crate::quantity::rate;
use crate::table::{Cell, Table, Tone};
use crate::{date, file};

/// Writes `capacity.md` and `capacity.html`.
///
/// # Errors
/// A plot can't be drawn or a file can't be written.
pub fn write_all(report: &CapacityReport, folder: &Path) -> Result<(), ReportError> {
    let document = document(report);
    let plots = charts::charts(report).into_iter().map(drawn);
    let pictures = Pictures {
        plots: plots.collect::<Result<_, _>>()?,
        ..Pictures::default()
    };
    file::write(folder, "capacity.md", &markdown(&document))?;
    file::write(folder, "capacity.html", &page(&document, &pictures)?)
}

/// A search.
pub fn document(report: &CapacityReport) -> Document {
    let (s, e) = (&report.setting, &report.environment);
    Document {
        title: s.scenario.clone(),
        description: s.description.clone(),
        facts: vec![
            format!(
                "{} · {} · {} cores, {} {}",
                date::shown(report.started_at),
                e.target,
                e.cores,
                e.os,
                e.arch
            ),
            format!(
                "{} probes of {:.0} s, {:.0} s of them warm-up; precision {:.0} %, seed {}",
                report.probes.len(),
                s.probe_s,
                s.warm_up_s,
                s.precision * 100.0,
                s.seed
            ),
        ]
        .into_iter()
        .chain(report.label.clone())
        .chain(e.built_with())
        .collect(),
        answer: answer(report),
        warnings: e.build_warning().into_iter().collect(),
        errors: Vec::new(),
        deciding: Vec::new(),
        tables: vec![table(report)],
        settings: Vec::new(),
        notes: vec![
            HOW.to_owned(),
            OF.to_owned(),
            "This page was made from capacity.json in the same folder; each probe has its own report in its folder."
                .to_owned(),
        ],
    }
}

/// A probe in one line, printed when the probe ends.
pub fn line(probe: &Probe, cores: usize) -> String {
    let growth = |name: &str, slope: Option<loadgen_report::growth::Slope>| {
        slope.map_or_else(String::new, |s| format!("  {name} {}", s.said()))
    };
    let mut line = format!(
        "{:>3}  {:>8}  reached {:>8}{}  p99 {:>7}{}{}  CPU {:.2} of {cores}  {}",
        probe.number,
        rate(probe.rate_per_s),
        rate(probe.reached_per_s.round()),
        failed(probe).map_or_else(String::new, |per_s| format!("  failed {}", rate(per_s))),
        known(probe.times(), |q| time(q.p99)),
        growth("in flight", probe.growth.in_flight),
        growth("backlog", probe.growth.backlog),
        probe.cpu_sum_pct() / 100.0,
        probe.judged.as_str()
    );
    for (what, words) in [("", &probe.reasons), ("at its limit: ", &probe.saturated)] {
        if probe.judged != Judged::Holds && !words.is_empty() {
            line += &format!("\n     {what}{}", words.join("; "));
        }
    }
    line
}

/// Journeys that failed, a second; `None` if none did.
fn failed(probe: &Probe) -> Option<f64> {
    Some(probe.failed_per_s).filter(|per_s| *per_s > 0.0)
}

/// The result of a search, and why.
fn answer(report: &CapacityReport) -> Answer {
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
        (CapacityResult::Invalid, _) => format!(
            "INVALID before the capacity was known ({}): {}",
            known(),
            report.lost.as_deref().unwrap_or("an agent was lost")
        ),
        _ => format!(
            "the budget was used up before the capacity was known: {}",
            known()
        ),
    };
    let mut reasons: Vec<String> = allowed_failures(report).into_iter().collect();
    if let (CapacityResult::Found, Some(too_high)) = (report.result, &too_high) {
        reasons.push(format!(
            "{too_high} is too high: {}",
            report.reasons.join("; ")
        ));
    } else if !report.reasons.is_empty() {
        reasons.push(report.reasons.join("; "));
    }
    match (report.saturated.is_empty(), report.environment.target_started) {
        (false, _) => reasons.push(format!("at its limit: {}", report.saturated.join("; "))),
        (true, true) if report.exceeded_per_s.is_some() => {
            reasons.push("nothing that was measured was at its limit; look at waits, locks and the disk".into());
        }
        (true, false) if report.exceeded_per_s.is_some() => reasons.push(
            "the limit is unknown: the target was not started here, so only the generator's CPU was measured".into(),
        ),
        _ => {}
    }
    Answer {
        word: headline,
        tone: match report.result {
            CapacityResult::Found => Tone::Good,
            CapacityResult::None => Tone::Bad,
            _ => Tone::Unsure,
        },
        meaning: "",
        reasons,
    }
}

/// Says how many journeys failed at the sustained rate, and that they are allowed; `None` if none did.
fn allowed_failures(report: &CapacityReport) -> Option<String> {
    let held = report.rate_per_s?;
    let of_it = |p: &&Probe| p.judged == Judged::Holds && p.rate_per_s == held;
    let failed = failed(report.probes.iter().rfind(of_it)?)?;
    Some(format!(
        "at {} {} failed, which the scenario's thresholds allow",
        rate(held),
        rate(failed)
    ))
}

/// The table of probes, sorted by rate.
fn table(report: &CapacityReport) -> Table {
    let mut probes: Vec<&Probe> = report.probes.iter().collect();
    probes.sort_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
    let rows = probes.into_iter().map(|p| {
        let tone = match p.judged {
            Judged::Holds => Tone::Good,
            Judged::Exceeds | Judged::FarExceeds => Tone::Bad,
            Judged::Doubtful | Judged::Disturbed | Judged::Invalid => Tone::Unsure,
        };
        let why = p.reasons.iter().chain(&p.saturated).map(String::as_str);
        [
            rate(p.rate_per_s).into(),
            Cell::from(p.judged.as_str())
                .tone(tone)
                .more(why.collect::<Vec<_>>().join("\n")),
            p.number.to_string().into(),
            rate(p.reached_per_s.round()).into(),
            known(failed(p), rate).into(),
            known(p.times(), |q| time(q.p50)).into(),
            known(p.times(), |q| time(q.p99)).into(),
            known(p.growth.in_flight, |slope| slope.said()).into(),
            known(p.growth.backlog, |slope| slope.said()).into(),
            format!("{:.2}", p.cpu_sum_pct() / 100.0).into(),
        ]
    });
    Table::new("probes", "Probes")
        .words(["asked"])
        .numbers(["verdict", "probe", "reached", "failed"])
        .numbers(["response p50", "p99"])
        .numbers(["in flight grows by", "backlog grows by"])
        .explained(
            "The slope over the seconds between warm-up and last arrival, with its 95 % interval.",
        )
        .numbers(["CPU, cores"])
        .rows::<Cell, _>(rows)
}

/// How a rate is judged, in words.
const HOW: &str = "A rate is sustained if neither journeys in flight nor the backlog grow (the 95 % interval of the slope includes 0, or the slope is below a twentieth of the throughput), at least 95 % of the arrivals end while they arrive, the scenario's thresholds hold (they say how many may fail) and no more arrivals are dropped than its limits allow. The slope is estimated by least squares over the seconds between warm-up and last arrival, its interval by Newey and West, because work that is left in one second is still there in the next. A rate that fails, unless by far, is tried again, and two of three probes decide; the result was sustained twice.";
/// Which requests the times are of.
const OF: &str = "Response times are of requests answered as expected.";
