//! What the page says in words and numbers: key figures, tables, errors, settings. Cells are plain text; the template escapes them.

use super::{count, time};
use crate::report::{Quantiles, Report};

/// A key figure.
pub struct Tile {
    /// What it is.
    pub name: &'static str,
    /// With its unit.
    pub value: String,
    /// What belongs to it.
    pub more: String,
}

/// A table; the first column names the row.
#[derive(Default)]
pub struct Table {
    /// Above it.
    pub caption: &'static str,
    /// How to read it.
    pub note: String,
    /// Column heads.
    pub header: Vec<&'static str>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<String>>,
    /// Whether the cells are words, which stand to the left.
    pub words: bool,
}

impl Table {
    /// Whether its columns are named at all.
    pub fn has_heads(&self) -> bool {
        self.header.iter().any(|head| !head.is_empty())
    }
}

/// An error with its examples.
pub struct ErrorView {
    /// How often.
    pub count: String,
    /// What.
    pub kind: String,
    /// Where.
    pub step: String,
    /// The first few, as the server said them.
    pub examples: Vec<String>,
}

const NONE: &str = "–";

fn quantile_cells(q: &Quantiles) -> Vec<String> {
    match q.count {
        0 => vec![NONE.to_owned(); 5],
        _ => [q.p50, q.p90, q.p99, q.p999, q.max].map(time).to_vec(),
    }
}

fn time_or_none(q: &Quantiles, figure: f64) -> String {
    match q.count {
        0 => NONE.to_owned(),
        _ => time(figure),
    }
}

/// Keeps what belongs together on one line: breaks are left at commas only.
fn unbroken(text: &str) -> String {
    let parts: Vec<String> = text
        .split(", ")
        .map(|part| part.replace(' ', "\u{a0}").replace('\u{2009}', "\u{202f}"))
        .collect();
    parts.join(", ")
}

/// The figures that one looks for first.
pub fn tiles(report: &Report) -> Vec<Tile> {
    let mut tiles = key_figures(report);
    for tile in &mut tiles {
        tile.value = unbroken(&tile.value);
        tile.more = unbroken(&tile.more);
    }
    tiles
}

fn key_figures(report: &Report) -> Vec<Tile> {
    let (journeys, all) = (&report.journeys, &report.all_steps);
    let response = &all.response_time_us;
    let asked = report
        .workload
        .rate
        .map_or_else(String::new, |r| format!("{r:.1}/s asked, "));
    let mut tiles = vec![
        Tile {
            name: "response time p99",
            value: time_or_none(response, response.p99),
            more: format!(
                "p50 {}, max {}",
                time_or_none(response, response.p50),
                time_or_none(response, response.max)
            ),
        },
        Tile {
            name: "journeys completed",
            value: format!("{:.1}/s", journeys.per_s),
            more: format!("{asked}{} in all", count(journeys.completed)),
        },
        Tile {
            name: "requests",
            value: format!("{}/s", count(all.per_s.round() as u64)),
            more: format!("{} in {:.1} s", count(all.count), report.duration_s),
        },
        Tile {
            name: "errors",
            value: count(report.errors.iter().map(|e| e.count).sum()),
            more: format!("{} journeys failed", count(journeys.failed)),
        },
    ];
    let worst = report.end_to_end.iter().filter(|e| e.count > 0);
    if let Some(worst) = worst.max_by(|a, b| a.p99_us.total_cmp(&b.p99_us)) {
        tiles.push(Tile {
            name: "end to end p99",
            value: time(worst.p99_us),
            more: format!("{}, p50 {}", worst.name, time(worst.p50_us)),
        });
    }
    let lag = &report.event_lag_all;
    if lag.count > 0 {
        tiles.push(Tile {
            name: "event lag p99",
            value: format!("≤ {}", time(lag.p99)),
            more: format!("p50 ≤ {}, {} events", time(lag.p50), count(lag.count)),
        });
    }
    if let Some(backlog) = report.drain.backlog_end {
        tiles.push(Tile {
            name: "backlog at the end",
            value: count(backlog),
            more: format!("after {}", time(report.drain.backlog_s * 1e6)),
        });
    }
    tiles.push(Tile {
        name: "schedule slip p99",
        value: time_or_none(
            &report.generator.schedule_slip_us,
            report.generator.schedule_slip_us.p99,
        ),
        more: format!("generator's CPU {:.0} %", report.generator.cpu_pct),
    });
    tiles
}

/// Everything measured.
pub fn tables(report: &Report) -> Vec<Table> {
    let mut tables = vec![
        thresholds(report),
        requests(report),
        end_to_end(report),
        event_lag(report),
        journeys(report),
        replay(report),
        parts(report),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
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
        header: vec!["what had to hold", "it was", ""],
        rows: rows.collect(),
        ..Table::default()
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
        note: "Response time counts from the intended start, service time from the actual one."
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
        note: "Until the state is visible in the read model.".into(),
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
        note: "Handled − published; each figure is at most that.".into(),
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

/// Most frequent first, as the report has them.
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

/// Each example once.
fn distinct(examples: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for example in examples {
        if !seen.contains(example) {
            seen.push(example.clone());
        }
    }
    seen
}

/// How and where it ran.
pub fn settings(report: &Report) -> Vec<Table> {
    let e = &report.environment;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let started = if e.target_started {
        "started by this run"
    } else {
        "was running"
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
        row("live feed opened again", count(g.feed_reconnects)),
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
