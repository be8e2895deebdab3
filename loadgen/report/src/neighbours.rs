//! The CPU that other programs and the machine's host took during a run: it distorts the run's figures. Pure arithmetic. The data is
//! known only if the run started the system and the machine has a `/proc`.

use super::growth::measured;
use crate::report::Report;
use loadgen_engine::record::series::{HOST, OTHERS};

/// Share of all cores from which others matter. On a quiet virtual machine under full load their share was 0.01.
const SHARE_MIN: f64 = 0.1;

/// The CPU that others took, in words; `None` below `SHARE_MIN` of the machine.
pub fn said(report: &Report) -> Option<String> {
    let cores = report.environment.cores;
    let [programs, host] = [OTHERS, HOST].map(|name| {
        let known = cpu_pct(report).find(|(n, _)| *n == name);
        known.map_or(0.0, |(_, pct)| pct / 100.0)
    });
    let all = programs + host;
    (all >= cores as f64 * SHARE_MIN).then(|| {
        format!("others took {all:.2} of {cores} cores (other programs {programs:.2}, the host of this machine {host:.2})")
    })
}

/// The warning about the CPU that others took, if they took enough to matter.
pub fn warning(report: &Report) -> Option<String> {
    let said = said(report)?;
    Some(format!(
        "{said} while this was measured: the figures are theirs too; measure again on a quieter machine"
    ))
}

/// Mean CPU of each process in percent of one core, between the end of the warm-up and the last arrival.
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
