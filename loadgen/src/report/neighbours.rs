//! What else the machine was doing while the system and the generator shared it: a figure measured beside a busy neighbour is the
//! neighbour's too. Pure arithmetic; known only of a system that was started here, where there is a `/proc`.

use super::Report;
use super::growth::measured;
use crate::record::series::{HOST, OTHERS};

/// Of all cores. On a quiet virtual machine under full load it was 0.01.
const SHARE_MIN: f64 = 0.1;

/// What others had of the machine, if it was so much that it matters, in words.
pub fn said(report: &Report) -> Option<String> {
    let cores = report.environment.cores;
    let [programs, host] = [OTHERS, HOST].map(|name| cores_of(report, name));
    let all = programs + host;
    (all >= cores as f64 * SHARE_MIN).then(|| {
        format!("others had {all:.2} of {cores} cores (programs {programs:.2}, the host of this machine {host:.2})")
    })
}

/// The same as a warning.
pub fn warning(report: &Report) -> Option<String> {
    let said = said(report)?;
    Some(format!(
        "{said} while this was measured: the figures are theirs too"
    ))
}

/// Cores that one of the series' processes had, on average.
fn cores_of(report: &Report, name: &str) -> f64 {
    let processes = report.series.iter().flat_map(|s| &s.processes);
    let index = processes.into_iter().position(|process| process == name);
    let (_, points) = measured(report);
    let seen = points
        .iter()
        .filter_map(|p| p.cpu_pct.get(index?).copied().flatten());
    let seen: Vec<f64> = seen.collect();
    match seen.len() {
        0 => 0.0,
        n => seen.iter().sum::<f64>() / n as f64 / 100.0,
    }
}
