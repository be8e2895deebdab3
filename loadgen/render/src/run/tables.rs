//! The tables of a run: everything measured, the most important first.

use std::collections::BTreeSet;

use loadgen_report::units::{self, count, time, without_minus_zero};
use loadgen_report::{Quantiles, Report, StepReport};

use super::{agents, cost, http, latency_budget, profile, workloads};
use crate::quantity::{known, time_or_none};
use crate::table::{Cell, Content, Table, Tone};
use crate::{audit, date};

/// The columns of a distribution of times.
const QUANTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

fn quantiles(q: &Quantiles) -> [String; 5] {
    [q.p50, q.p90, q.p99, q.p999, q.max].map(|figure| time_or_none(q, figure))
}

/// The tables of a report, without empty ones.
pub fn tables(report: &Report) -> Vec<Table> {
    let mut tables = vec![errors(report), thresholds(report)];
    tables.extend(report.audit.as_ref().map(audit::table));
    tables.extend([
        faults(report),
        requests(report),
        failed_requests(report),
        end_to_end(report),
    ]);
    tables.extend(latency_budget::tables(report));
    tables.extend([
        event_lag(report),
        journeys(report),
        workloads::table(report),
    ]);
    tables.extend(http::tables(report));
    tables.extend([
        generator(report),
        agents::table(report),
        cost::table(report),
        cost::commands(report),
        profile::table(report),
        replay(report),
        parts(report),
    ]);
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn errors(report: &Report) -> Table {
    let mut table = Table::new("errors", "Errors")
        .words(["error"])
        .numbers(["count"])
        .words(["at", "for example"]);
    for error in &report.errors {
        let examples: BTreeSet<&String> = error.examples.iter().collect();
        let mut examples = examples.into_iter().cloned();
        table.row([
            error.kind.clone(),
            count(error.count),
            error.step.clone(),
            examples.next().unwrap_or_default(),
        ]);
        for example in examples {
            table.row(["", "", "", &example]);
        }
    }
    table
}

fn thresholds(report: &Report) -> Table {
    let rows = report.thresholds.iter().map(|t| {
        let figure = t.figure.map_or_else(
            || "no samples".to_owned(),
            |figure| units::figure(&t.threshold, figure),
        );
        let held = Cell::from(if t.passed { "held" } else { "missed" });
        let threshold = match t.by_default {
            true => format!("{} (default)", t.threshold),
            false => t.threshold.clone(),
        };
        [
            threshold.into(),
            figure.into(),
            held.tone(Tone::of(t.passed)),
        ]
    });
    Table::new("thresholds", "Thresholds")
        .columns(Content::Code, ["threshold"])
        .numbers(["figure", "result"])
        .rows(rows)
}

fn faults(report: &Report) -> Table {
    let rows = report.faults.iter().map(|f| {
        let back = match (&f.problem, f.band_p99_us, f.recovery_s) {
            (Some(problem), ..) => problem.clone(),
            (None, None, _) => "nothing was measured before the fault".to_owned(),
            (None, _, None) => "not before the last arrival".to_owned(),
            (None, _, Some(seconds)) => format!("after {seconds:.1} s"),
        };
        let seconds = |s: f64| format!("{:.1} s", without_minus_zero(s, 1));
        [
            f.what.clone(),
            seconds(f.at_s),
            seconds(f.until_s),
            known(f.worst_p99_us, time),
            known(f.band_p99_us, time),
            back,
        ]
    });
    Table::new("faults", "Faults")
        .note("Normal: the highest response time p99 of the seconds before the first fault, or twice their median. Recovered: p99 stayed within that bound for two seconds.")
        .words(["fault"])
        .numbers(["from", "until", "p99 up to", "normal, at most"])
        .words(["recovered"])
        .rows(rows)
}

fn requests(report: &Report) -> Table {
    let row = |name: &str, number, errors, response: &Quantiles, service: &Quantiles| {
        let mut cells = vec![name.to_owned(), count(number), count(errors)];
        cells.extend(quantiles(response));
        cells.extend([service.p50, service.p99].map(|figure| time_or_none(service, figure)));
        cells
    };
    let step = |s: &StepReport| {
        row(
            &s.name,
            s.count,
            s.errors,
            &s.response_time_us,
            &s.service_time_us,
        )
    };
    let all = &report.all_steps;
    let (response, service) = (&all.response_time_us, &all.service_time_us);
    Table::new("requests", "Requests")
        .note(match all.errors {
            0 => "Response time is measured from the intended start, service time from the actual start.",
            _ => "Response time is measured from the intended start, service time from the actual start; both of requests answered as expected. The others are under Failed requests.",
        })
        .words(["step"])
        .numbers(["count", "errors", "response p50"])
        .numbers(QUANTILES.into_iter().skip(1))
        .numbers(["service p50", "p99"])
        .rows(report.steps.iter().map(step))
        .rows([row("all", all.count, all.errors, response, service)])
}

fn failed_requests(report: &Report) -> Table {
    let row = |name: &str, what: &str, times: &Quantiles| {
        let mut cells = vec![name.to_owned(), what.to_owned(), count(times.count)];
        cells.extend(quantiles(times));
        (times.count > 0).then_some(cells)
    };
    let rows = report.steps.iter().flat_map(|s| {
        [
            row(&s.name, "answered with an error", &s.failed_time_us),
            row(&s.name, "unanswered", &s.unanswered_time_us),
        ]
    });
    Table::new("failed", "Failed requests")
        .note("Apart from the response times of good answers: from the intended start until the answer, or until a request without an answer (refused, timed out, connection lost) was given up.")
        .words(["step", "outcome"])
        .numbers(["count"])
        .numbers(QUANTILES)
        .rows(rows.flatten())
}

fn end_to_end(report: &Report) -> Table {
    let rows = report.end_to_end.iter().map(|e| {
        let mut cells = vec![e.name.clone(), count(e.count), count(e.timeouts)];
        cells.extend(quantiles(&e.quantiles()));
        cells
    });
    Table::new("states", "End-to-end latency")
        .note("From the intended start of the step that the scenario names until the state is visible in the read model.")
        .words(["state"])
        .numbers(["count", "timeouts"])
        .numbers(QUANTILES)
        .rows(rows)
}

fn event_lag(report: &Report) -> Table {
    let lags = report.event_lag.iter();
    let rows = lags.filter(|e| e.count > 0 || e.backlog_end > 0).map(|e| {
        let mut cells = vec![format!("{} / {}", e.group, e.topic), count(e.count)];
        cells.extend(quantiles(&e.quantiles()));
        cells.push(count(e.backlog_end));
        cells
    });
    Table::new("lag", "Event lag")
        .note("Handled − published; each figure is the upper bound of its bucket.")
        .words(["group / topic"])
        .numbers(["events"])
        .numbers(QUANTILES.map(|name| format!("{name} ≤")))
        .numbers(["backlog at the end"])
        .rows(rows)
}

fn journeys(report: &Report) -> Table {
    let j = &report.journeys;
    let asked = report.workload.rate;
    let asked = asked.map_or_else(String::new, |rate| format!(" ({rate:.1}/s asked)"));
    let in_replay = |reason: &String| {
        let replay = report.replay.as_ref();
        replay.is_some_and(|replay| replay.skipped.contains_key(reason))
    };
    let reasons = report
        .skipped
        .iter()
        .filter(|(reason, _)| !in_replay(reason));
    Table::new("journeys", "Journeys")
        .words([""])
        .numbers(["count"])
        .rows([
            ["started".to_owned(), count(j.started)],
            ["completed".to_owned(), count(j.completed)],
            [
                format!("completed a second{asked}"),
                format!("{:.1}", j.per_s),
            ],
            ["failed".to_owned(), count(j.failed)],
            ["skipped or overtaken".to_owned(), count(j.skipped)],
            [
                "dropped over the in-flight limit".to_owned(),
                count(j.dropped),
            ],
            ["due but unsent at the end".to_owned(), count(j.unsent)],
        ])
        .rows(reasons.map(|(reason, number)| [format!("skipped: {reason}"), count(*number)]))
}

fn generator(report: &Report) -> Table {
    let (g, drain) = (&report.generator, &report.drain);
    let slip = &g.schedule_slip_us;
    let slip = [slip.p50, slip.p99, slip.max].map(|figure| time_or_none(slip, figure));
    let core = |pct: f64| format!("{pct:.0} % of a core");
    let mut rows = vec![
        ("generator's CPU", core(g.cpu_pct)),
        ("its whole process's CPU", core(g.process_cpu_pct)),
        ("schedule slip p50, p99, max", slip.join(", ")),
        ("drain of the journeys", time(drain.journeys_s * 1e6)),
    ];
    // Only a system with a live feed, with metrics, or on this machine has these.
    if g.feed_reconnects > 0 {
        rows.push(("live feed reconnected", count(g.feed_reconnects)));
    }
    if let Some(pct) = report.system_cpu_pct {
        rows.push(("CPU of the system and its Redis", core(pct)));
    }
    if let Some(backlog) = drain.backlog_end {
        rows.push(("drain of the backlog", time(drain.backlog_s * 1e6)));
        rows.push(("backlog at the end", count(backlog)));
    }
    Table::new("generator", "Generator and drain")
        .words([""])
        .numbers(["figure"])
        .rows(
            rows.into_iter()
                .map(|(name, value)| [name.to_owned(), value]),
        )
}

fn replay(report: &Report) -> Table {
    let table = Table::new("replay", "Replay")
        .words([""])
        .numbers(["invoices", "lines (as planned)"]);
    let Some(replay) = &report.replay else {
        return table;
    };
    let lines = &replay.lines;
    let row = |name: String, invoices: Option<u64>, lines: Option<u64>| {
        [name, known(invoices, count), known(lines, count)]
    };
    let reasons: BTreeSet<&String> = replay.skipped.keys().chain(lines.left_out.keys()).collect();
    let skipped = reasons.into_iter().map(|reason| {
        let (invoices, lines) = (replay.skipped.get(reason), lines.left_out.get(reason));
        row(
            format!("skipped: {reason}"),
            invoices.copied(),
            lines.copied(),
        )
    });
    let all = format!("all of {} at {} ×", replay.trace, replay.speed);
    table
        .rows([
            row(
                "ordered".to_owned(),
                Some(replay.ordered),
                Some(lines.ordered),
            ),
            row(
                "cancelled".to_owned(),
                Some(replay.cancelled),
                Some(lines.cancelled),
            ),
        ])
        .rows(skipped)
        .rows([row(all, Some(replay.invoices), Some(lines.total))])
}

fn parts(report: &Report) -> Table {
    let rows = report.merged_from.iter().map(|part| {
        [
            part.folder.clone(),
            date::shown(part.started_at),
            part.target.clone(),
            count(part.requests),
            part.verdict.as_str().to_owned(),
        ]
    });
    Table::new("parts", "Merged from")
        .note("Counts are added up, distributions interval by interval; nothing is averaged.")
        .words(["run", "started", "target"])
        .numbers(["requests", "its own verdict"])
        .rows(rows)
}
