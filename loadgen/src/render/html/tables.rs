//! The page's tables of everything measured, and its errors. Cells are plain text; the template escapes them.

use super::{count, time};
use crate::render::tables::quantile_cells;
use crate::report::{Quantiles, Report};

/// A table; the first column names the row.
#[derive(Default)]
pub struct Table {
    /// The title above the table.
    pub caption: &'static str,
    /// How to read the table.
    pub note: String,
    /// The column names.
    pub header: Vec<&'static str>,
    /// The cells of each row, as many as the header has.
    pub rows: Vec<Vec<String>>,
    /// Whether the cells are words, which are aligned to the left.
    pub words: bool,
}

impl Table {
    /// Whether any column has a name.
    pub fn has_heads(&self) -> bool {
        self.header.iter().any(|head| !head.is_empty())
    }
}

/// An error with its examples.
pub struct ErrorView {
    /// Number of errors.
    pub count: String,
    /// The kind of error.
    pub kind: String,
    /// The step.
    pub step: String,
    /// The first few examples, as the server sent them.
    pub examples: Vec<String>,
}

const NONE: &str = "–";

/// Formats a time, or a dash without samples.
pub fn time_or_none(q: &Quantiles, figure: f64) -> String {
    match q.count {
        0 => NONE.to_owned(),
        _ => time(figure),
    }
}

/// The tables of a report, without empty ones.
pub fn tables(report: &Report) -> Vec<Table> {
    let mut tables = vec![
        thresholds(report),
        audit(report),
        faults(report),
        requests(report),
        end_to_end(report),
        super::budget::table(report),
        event_lag(report),
        journeys(report),
        resources(report),
        replay(report),
        parts(report),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn faults(report: &Report) -> Table {
    let known = |micros: Option<f64>| micros.map_or_else(|| NONE.to_owned(), time);
    let rows = report.faults.iter().map(|f| {
        let back = match (f.band_p99_us, f.recovery_s) {
            (None, _) => NONE.to_owned(),
            (_, None) => "not before the last arrival".to_owned(),
            (_, Some(seconds)) => format!("after {seconds:.1} s"),
        };
        let seconds = |s: f64| format!("{s:.1} s");
        vec![
            f.what.clone(),
            seconds(f.at_s),
            seconds(f.until_s),
            known(f.worst_p99_us),
            known(f.band_p99_us),
            back,
        ]
    });
    Table {
        caption: "Faults",
        note: "Normal: the highest response time p99 of the seconds before the first fault, or twice their median. Recovered: p99 stayed within that bound for two seconds.".into(),
        header: vec!["fault", "from", "until", "p99 up to", "normal, at most", "recovered"],
        rows: rows.collect(),
        ..Table::default()
    }
}

fn thresholds(report: &Report) -> Table {
    let rows = report.thresholds.iter().map(|t| {
        let mark = if t.passed { "held" } else { "missed" };
        let figure = t.figure.map_or_else(
            || "no samples".to_owned(),
            |f| super::super::figure(&t.threshold, f),
        );
        vec![t.threshold.clone(), figure, mark.to_owned()]
    });
    Table {
        caption: "Thresholds",
        header: vec!["threshold", "figure", "result"],
        rows: rows.collect(),
        ..Table::default()
    }
}

fn audit(report: &Report) -> Table {
    let Some(audit) = &report.audit else {
        return Table::default();
    };
    let mut rows = Vec::new();
    for check in &audit.checks {
        let fell = match &check.skipped {
            Some(why) => format!("not checked: {why}"),
            None => count(check.fell),
        };
        let checked = format!("{} {}", count(check.checked), check.of);
        rows.push(vec![check.name.clone(), checked, fell]);
        for offender in &check.offenders {
            let told = format!("{}: {}", offender.id, offender.reason);
            rows.push(vec![String::new(), told, String::new()]);
        }
    }
    let problem = audit.not_possible.as_ref().or(audit.broken.as_ref());
    rows.extend(problem.map(|problem| vec!["audit".to_owned(), problem.clone(), String::new()]));
    Table {
        caption: "Audit",
        note: "After the load, every event was compared with every entity, mail, sum and piece of stock.".to_owned(),
        header: vec!["check", "checked", "failed"],
        rows,
        words: true,
    }
}

fn requests(report: &Report) -> Table {
    let row = |name: &str, number: u64, errors: u64, response: &Quantiles, service: &Quantiles| {
        let mut cells = vec![name.to_owned(), count(number), count(errors)];
        cells.extend(quantile_cells(response));
        cells.push(time_or_none(service, service.p50));
        cells.push(time_or_none(service, service.p99));
        cells
    };
    let steps = report.steps.iter();
    let mut rows: Vec<_> = steps
        .map(|s| {
            row(
                &s.name,
                s.count,
                s.errors,
                &s.response_time_us,
                &s.service_time_us,
            )
        })
        .collect();
    let all = &report.all_steps;
    rows.push(row(
        "all",
        all.count,
        all.errors,
        &all.response_time_us,
        &all.service_time_us,
    ));
    Table {
        caption: "Requests",
        note:
            "Response time is measured from the intended start, service time from the actual start."
                .into(),
        header: vec![
            "step",
            "count",
            "errors",
            "response p50",
            "p90",
            "p99",
            "p99.9",
            "max",
            "service p50",
            "p99",
        ],
        rows,
        ..Table::default()
    }
}

fn end_to_end(report: &Report) -> Table {
    let rows = report.end_to_end.iter().map(|e| {
        let mut cells = vec![e.name.clone(), count(e.count), count(e.timeouts)];
        cells.extend(quantile_cells(&e.quantiles()));
        cells
    });
    Table {
        caption: "End-to-end latency",
        note: "From the intended start until the state is visible in the read model.".into(),
        header: vec![
            "state", "count", "timeouts", "p50", "p90", "p99", "p99.9", "max",
        ],
        rows: rows.collect(),
        ..Table::default()
    }
}

fn event_lag(report: &Report) -> Table {
    let told = report
        .event_lag
        .iter()
        .filter(|e| e.count > 0 || e.backlog_end > 0);
    let rows = told.map(|e| {
        let mut cells = vec![format!("{} / {}", e.group, e.topic), count(e.count)];
        cells.extend(quantile_cells(&e.quantiles()));
        cells.push(count(e.backlog_end));
        cells
    });
    Table {
        caption: "Event lag",
        note: "Handled − published; each figure is the upper bound of its bucket.".into(),
        header: vec![
            "group / topic",
            "events",
            "p50 ≤",
            "p90 ≤",
            "p99 ≤",
            "p99.9 ≤",
            "max ≤",
            "backlog at the end",
        ],
        rows: rows.collect(),
        ..Table::default()
    }
}

fn journeys(report: &Report) -> Table {
    let j = &report.journeys;
    let counted = [
        ("started", j.started),
        ("completed", j.completed),
        ("failed", j.failed),
        ("skipped or overtaken", j.skipped),
        ("dropped over the in-flight limit", j.dropped),
        ("due but unsent at the end", j.unsent),
    ];
    let rows = counted.map(|(name, number)| vec![name.to_owned(), count(number)]);
    let reasons = report.skipped.iter();
    let reasons =
        reasons.map(|(reason, number)| vec![format!("skipped: {reason}"), count(*number)]);
    Table {
        caption: "Journeys",
        header: vec!["", "count"],
        rows: rows.into_iter().chain(reasons).collect(),
        ..Table::default()
    }
}

fn resources(report: &Report) -> Table {
    let rows = crate::render::resources::rows(report).into_iter();
    Table {
        caption: "Cost of a journey",
        note: "Measured from the end of the warm-up until the backlog had drained, divided by the journeys completed in that time.".into(),
        header: vec!["", "a journey"],
        rows: rows.map(Vec::from).collect(),
        ..Table::default()
    }
}

fn replay(report: &Report) -> Table {
    let Some(replay) = &report.replay else {
        return Table::default();
    };
    let row = |name: &str, invoices: u64| vec![name.to_owned(), count(invoices)];
    let mut rows = vec![
        row("ordered", replay.ordered),
        row("cancelled", replay.cancelled),
    ];
    let skipped = replay.skipped.iter();
    rows.extend(skipped.map(|(reason, number)| row(&format!("skipped: {reason}"), *number)));
    rows.push(row("all", replay.invoices));
    Table {
        caption: "Replay",
        note: format!(
            "Of {} at {} × the recorded speed.",
            replay.trace, replay.speed
        ),
        header: vec!["invoices", "count"],
        rows,
        ..Table::default()
    }
}

fn parts(report: &Report) -> Table {
    let rows = report.merged_from.iter().map(|part| {
        vec![
            part.folder.clone(),
            super::date::shown(part.started_at),
            part.target.clone(),
            count(part.requests),
            part.verdict.as_str().to_owned(),
        ]
    });
    Table {
        caption: "Merged from",
        note: "Counts are added up, distributions interval by interval; nothing is averaged."
            .into(),
        header: vec!["run", "started", "target", "requests", "its own verdict"],
        rows: rows.collect(),
        ..Table::default()
    }
}

/// The errors, the most frequent first, in the report's order.
pub fn errors(report: &Report) -> Vec<ErrorView> {
    let errors = report.errors.iter();
    errors
        .map(|e| ErrorView {
            count: count(e.count),
            kind: e.kind.clone(),
            step: e.step.clone(),
            examples: distinct(&e.examples),
        })
        .collect()
}

/// The examples without repeats.
fn distinct(examples: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for example in examples {
        if !seen.contains(example) {
            seen.push(example.clone());
        }
    }
    seen
}
