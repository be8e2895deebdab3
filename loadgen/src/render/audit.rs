//! Shows an audit as text: a row for each check, a line for each offender, and the verdict.

use std::fmt::Write as _;

use super::table::Table;
use super::{count, time};
use crate::audit::AuditReport;

/// The audit as text: a table of the checks, the offenders and the verdict.
pub fn audit(report: &AuditReport) -> String {
    if let Some(why) = &report.not_possible {
        return format!("audit: {why}\n");
    }
    let mut out = String::new();
    let mut table = Table::new(&["check", "checked", "failed"]);
    for check in &report.checks {
        let fell = match (check.fell, check.checked, &check.skipped) {
            (0, 0, Some(_)) => "skipped".to_owned(),
            (fell, ..) => count(fell),
        };
        let checked = format!("{} {}", count(check.checked), check.of);
        table.rows.push(vec![check.name.clone(), checked, fell]);
    }
    table.write(&mut out);
    for check in &report.checks {
        if let Some(why) = &check.skipped {
            say(&mut out, format!("{}: not checked: {why}", check.name));
        }
        for offender in &check.offenders {
            say(
                &mut out,
                format!(
                    "FAILED {}: {}: {}",
                    check.name, offender.id, offender.reason
                ),
            );
        }
        let more = check.fell - check.offenders.len() as u64;
        if more > 0 {
            say(
                &mut out,
                format!("FAILED {}: and {} more", check.name, count(more)),
            );
        }
    }
    if let Some(problem) = &report.broken {
        say(&mut out, format!("could not be carried out: {problem}"));
    }
    let verdict = match report.reasons().is_empty() {
        true => "PASS",
        false => "FAIL",
    };
    let (drain, took) = (time(report.drain_s * 1e6), time(report.audit_s * 1e6));
    say(
        &mut out,
        format!(
            "audit: {verdict}, {} events and {} entities in {took}; nothing was in flight after {drain}",
            count(report.events),
            count(report.entities)
        ),
    );
    out
}

fn say(out: &mut String, line: String) {
    writeln!(out, "{line}").expect("writing to a String cannot fail");
}
