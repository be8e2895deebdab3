//! `nothing_left`: when the target is idle, nothing waits, nothing is pending and there are no dead letters.

use super::super::gauges::Gauges;
use loadgen_report::audit::CheckReport;

/// Checks every gauge. `unsettled` says what was still in flight at the end of the drain timeout.
pub fn nothing_left(gauges: Option<&Gauges>, unsettled: Option<&str>) -> CheckReport {
    let mut report = CheckReport::new("nothing_left", "gauges");
    if let Some(unsettled) = unsettled {
        report.fell("the target", unsettled);
    }
    let Some(gauges) = gauges else {
        report.skipped = Some("the target has no /metrics".to_owned());
        return report;
    };
    let families = [
        (&gauges.backlog, "events not handled"),
        (&gauges.pending, "events taken and not acknowledged"),
        (&gauges.queued, "messages waiting"),
        (&gauges.held, "messages taken and not answered"),
        (&gauges.dead_letters, "dead letters"),
    ];
    for (family, what) in families {
        for (of, count) in family {
            report.look(of, (*count > 0).then(|| format!("{count} {what}")));
        }
    }
    report
}
