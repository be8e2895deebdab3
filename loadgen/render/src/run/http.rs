//! The tables of what went over HTTP.

use loadgen_report::Report;
use loadgen_report::units::{count, time};

use crate::quantity::{bytes, known};
use crate::table::Table;

/// Connections, the bytes of answers, and redirects.
pub fn tables(report: &Report) -> Vec<Table> {
    let connections = Table::new("connections", "Connections")
        .words([""])
        .numbers(["figure"]);
    let answers = Table::new("answers", "Answers")
        .note("The bodies' bytes; on the wire without heads and the sizes of chunks.")
        .words(["step"])
        .numbers(["on the wire", "decoded"]);
    let redirects = Table::new("redirects", "Redirects")
        .note("Each redirect that was followed, by its place in the request; the step's times include all of them.")
        .words(["step"])
        .numbers(["place", "status", "count", "p50", "p99"])
        .words(["the first one", "led to"]);
    let Some(http) = &report.http else {
        return Vec::new();
    };
    let rows = [
        ("protocol", http.protocol.clone()),
        ("opened", count(http.connections)),
        ("requests sent on them", count(http.requests)),
        ("most requests at once on one", count(http.streams_max)),
        ("closed by the target while idle", count(http.closed_idle)),
        ("requests sent once more", count(http.repeated)),
    ];
    let hops = http.redirects.iter().map(|hop| {
        [
            hop.step.clone(),
            hop.place.to_string(),
            hop.status.to_string(),
            count(hop.count),
            known(hop.time_us.map(|q| q.p50), time),
            known(hop.time_us.map(|q| q.p99), time),
            hop.from.clone(),
            hop.to.clone(),
        ]
    });
    let sizes = http.answers.iter().map(|step| {
        [
            step.step.clone(),
            bytes(step.wire_bytes as f64),
            bytes(step.body_bytes as f64),
        ]
    });
    vec![
        redirects.rows(hops),
        answers.rows(sizes),
        connections.rows(rows.map(|(name, value)| [name.to_owned(), value])),
    ]
}
