//! What else the machine was doing while the system and the generator shared it: a figure measured beside a busy neighbour is the
//! neighbour's too. Pure arithmetic; known only of a system that was started here, where there is a `/proc`.

use super::growth::measured;
use crate::report::Report;
use loadgen_engine::record::series::{HOST, OTHERS};

/// Of all cores. On a quiet virtual machine under full load it was 0.01.
const SHARE_MIN: f64 = 0.1;

/// What others had of the machine, if it was so much that it matters, in words.
pub fn said(report: &Report) -> Option<String> {
    let cores = report.environment.cores;
    let [programs, host] = [OTHERS, HOST].map(|name| {
        let known = cpu_pct(report).find(|(n, _)| *n == name);
        known.map_or(0.0, |(_, pct)| pct / 100.0)
    });
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

/// By process in percent of one core, on average between the end of the warm-up and the last arrival; those that were seen.
pub fn cpu_pct(report: &Report) -> impl Iterator<Item = (&str, f64)> {
    let (_, points) = measured(report);
    let names = report.series.iter().flat_map(|s| s.processes.iter());
    names.enumerate().filter_map(move |(i, name)| {
        let seen = points
            .iter()
            .filter_map(|p| p.cpu_pct.get(i).copied().flatten());
        let seen: Vec<f64> = seen.collect();
        let mean = seen.iter().sum::<f64>() / seen.len() as f64;
        (!seen.is_empty()).then_some((name.as_str(), mean))
    })
}
