//! `nothing_left`: when nothing more happens, nothing waits, nothing is half done and nothing was given up.

use super::super::gauges::Gauges;
use loadgen_report::audit::CheckReport;

/// Looks at every gauge. `unsettled` says what was still going on when the time to drain was over.
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
        (&gauges.dead_letters, "dead letters"),
    ];
    for (family, what) in families {
        for (of, count) in family {
            report.look(of, (*count > 0).then(|| format!("{count} {what}")));
        }
    }
    report
}
