//! The audit: waits until nothing is in flight, reads all events and all listed entities over the public HTTP interface, and checks that
//! they agree. A run with wrong results fails, however fast it was. Must not know how the load was made.

mod archive;
mod check;
mod event;
mod fingerprint;
mod gauges;
mod history;
mod readings;
mod settle;
mod surface;
mod topic;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use fingerprint::content_of;
pub use surface::AuditError;
use topic::ShopPartition;
pub(crate) use topic::ShopTopic;

use archive::Archive;
use loadgen_engine::http_client::Target;
use loadgen_engine::record::ledger::Ledger;
use loadgen_report::audit::AuditReport;
use readings::{Folds, Readings};
use settle::settle;
use surface::{FROM, Surface};

/// How long the audit waits by default until nothing is in flight.
pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// The options of an audit.
#[derive(Debug, Clone, Default)]
pub struct AuditScope {
    /// The responses that the run received; `None` outside of a run.
    pub ledger: Option<Ledger>,
    /// Whether the target was empty before the run, so that everything on it must come from the run. Otherwise only entities that began with
    /// or after the run's first write are judged.
    pub from_nothing: bool,
    /// How long to wait until nothing is in flight.
    pub drain_timeout: Duration,
    /// The files with the events that `ordershop archive` has moved out of the target.
    pub archives: Vec<PathBuf>,
}

/// The outcome of an audit that ended with an error.
pub fn ended_early(error: &AuditError) -> AuditReport {
    match error {
        AuditError::NotPossible(_) => AuditReport {
            not_possible: Some(error.to_string()),
            ..AuditReport::default()
        },
        AuditError::NoAnswer { .. } | AuditError::BadArchive { .. } => AuditReport {
            broken: Some(error.to_string()),
            ..AuditReport::default()
        },
    }
}

/// Audits a target. `told` is called with the number of events read so far.
///
/// # Errors
/// The target lacks the HTTP interface, or stops answering.
pub async fn audit(
    target: Target,
    scope: &AuditScope,
    told: &dyn Fn(u64),
) -> Result<AuditReport, AuditError> {
    let archives = scope.archives.iter().map(|path| Archive::open(path));
    let archives: Vec<Archive> = archives.collect::<Result<_, _>>()?;
    let surface = Surface::of(target).await?;
    let mut settled = settle(&surface, scope.drain_timeout).await;
    let start = Instant::now();
    let partitions = surface.partitions().await?;
    let since_us = since_us(&surface, partitions, scope).await?;
    let mut readings = Readings::new(partitions, since_us, scope.ledger.as_ref());
    let mut events = readings.events(&surface, &archives, told).await?;
    let entities = readings.entities(&surface).await?;
    let late = readings.events(&surface, &[], &|_| {}).await?;
    events += late;
    if late > 0 {
        let problem =
            format!("{late} events arrived while the audit was reading, so the target is not idle");
        settled.unsettled.get_or_insert(problem);
    }
    let Folds {
        history,
        versions,
        stock,
        read_model,
        clients,
    } = readings.folds;
    let (ledger, gauges) = (scope.ledger.as_ref(), settled.gauges.as_ref());
    let checks = vec![
        check::accepted_present(&history, ledger, gauges, scope.from_nothing),
        clients.finish(scope.from_nothing),
        check::order_histories(&history),
        check::ordered(&history),
        check::paid_and_shipped(&history),
        stock.finish(&history),
        check::money(&history),
        check::mails(&history),
        read_model.finish(),
        versions.finish(&history.unreadable),
        check::nothing_left(gauges, settled.unsettled.as_deref()),
    ];
    Ok(AuditReport {
        drain_s: settled.took.as_secs_f64(),
        audit_s: start.elapsed().as_secs_f64(),
        events,
        entities,
        checks,
        ..AuditReport::default()
    })
}

/// The time from which entities are judged: 0 for all, or the run's first write by the target's own clock.
async fn since_us(
    surface: &Surface,
    partitions: u32,
    scope: &AuditScope,
) -> Result<u64, AuditError> {
    let Some(ledger) = scope.ledger.as_ref().filter(|_| !scope.from_nothing) else {
        return Ok(0);
    };
    let ids = ledger.kinds().flat_map(|(_, writes)| writes.accepted());
    let ids: std::collections::HashSet<&str> = ids.collect();
    let mut first: Option<u64> = None;
    for partition in ShopPartition::all(partitions) {
        let mut after = FROM.to_owned();
        surface
            .events(partition, &mut after, |event| {
                if ids.contains(event.aggregate_id.as_ref()) {
                    let at_us = event.published_at_us;
                    first = Some(first.map_or(at_us, |first| first.min(at_us)));
                }
            })
            .await?;
    }
    Ok(first.unwrap_or(0))
}

#[cfg(test)]
mod tests;
