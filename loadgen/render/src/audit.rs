//! Shows an audit: a row for each check, and one for each offender.

use loadgen_report::audit::{AuditReport, CheckReport};
use loadgen_report::units::{count, time};

use crate::table::{Cell, Table, Tone};
use crate::text;

/// An audit of a running system, for a terminal.
pub fn audit(report: &AuditReport) -> String {
    text::tables([&table(report)])
}

/// The checks, what fell, and what it comes to.
pub fn table(report: &AuditReport) -> Table {
    let table = Table::new("audit", "Audit");
    // Where no audit took place, nothing was compared.
    let table = match report.not_possible.is_none() && report.broken.is_none() {
        true => table.note("After the load, every event was compared with every entity, mail, sum and piece of stock."),
        false => table,
    };
    let mut table = table.words(["check", "result", "what was checked, or what is wrong"]);
    report
        .checks
        .iter()
        .for_each(|check| rows(check, &mut table));
    let (outcome, more) = match (&report.not_possible, &report.broken) {
        (Some(why), _) => (Cell::from("none"), why.clone()),
        (None, Some(problem)) => (
            Cell::from("FAIL").tone(Tone::Bad),
            format!("it could not be carried out: {problem}"),
        ),
        (None, None) => {
            let passed = report.reasons().is_empty();
            let (drain, took) = (time(report.drain_s * 1e6), time(report.audit_s * 1e6));
            (
                Cell::from(if passed { "PASS" } else { "FAIL" }).tone(Tone::of(passed)),
                format!(
                    "{} events and {} entities in {took}; nothing was in flight after {drain}",
                    count(report.events),
                    count(report.entities)
                ),
            )
        }
    };
    table.row([Cell::from("audit"), outcome, more.into()]);
    table
}

fn rows(check: &CheckReport, table: &mut Table) {
    let checked = format!("{} {}", count(check.checked), check.of);
    let (outcome, more) = match (check.fell, &check.skipped) {
        (0, None) => (Cell::from("held").tone(Tone::Good), checked),
        (0, Some(why)) => (
            Cell::from("not checked"),
            format!("{checked}; not checked: {why}"),
        ),
        (fell, skipped) => {
            let skipped = skipped.iter().map(|why| format!("; not checked: {why}"));
            (
                Cell::from(format!("{} failed", count(fell))).tone(Tone::Bad),
                checked + &skipped.collect::<String>(),
            )
        }
    };
    table.row([check.name.as_str().into(), outcome, more.into()]);
    for offender in &check.offenders {
        let more = format!("{}: {}", offender.id, offender.reason);
        table.row([format!("FAILED {}", check.name), String::new(), more]);
    }
    let unnamed = check.fell - check.offenders.len() as u64;
    if unnamed > 0 {
        let more = format!("and {} more", count(unnamed));
        table.row([format!("FAILED {}", check.name), String::new(), more]);
    }
}
