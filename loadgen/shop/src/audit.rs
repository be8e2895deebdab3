//! The audit: waits until nothing is in flight, reads everything that happened and everything that is shown over the public surface, and
//! checks that it fits together. A fast run that is wrong fails. Must not know how a load was made.

mod check;
mod event;
mod fingerprint;
mod gauges;
mod history;
mod readings;
mod settle;
mod surface;
mod topic;

use std::time::{Duration, Instant};

pub use surface::AuditError;

use loadgen_engine::http_client::Target;
use loadgen_engine::record::ledger::Ledger;
use loadgen_report::audit::AuditReport;
use readings::{Folds, Readings};
use settle::settle;
use surface::Surface;
use topic::Topic;

/// How long nothing may be in flight, at most, before the audit begins.
pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// What an audit knows beside the target.
#[derive(Debug, Clone, Default)]
pub struct AuditScope {
    /// What a run was answered; none outside of a run.
    pub ledger: Option<Ledger>,
    /// The target was empty before that run: all there is must be its. Else only what began with its first write is judged.
    pub from_nothing: bool,
    /// For what is in flight.
    pub drain_timeout: Duration,
}

/// What an audit that ended early says.
pub fn ended_early(error: &AuditError) -> AuditReport {
    match error {
        AuditError::NotPossible(_) => AuditReport {
            not_possible: Some(error.to_string()),
            ..AuditReport::default()
        },
        AuditError::NoAnswer { .. } => AuditReport {
            broken: Some(error.to_string()),
            ..AuditReport::default()
        },
    }
}

/// Audits a target. `told` is told how many events have been read so far.
///
/// # Errors
/// When the target has no such surface, or stops answering on it.
pub async fn audit(
    target: Target,
    scope: &AuditScope,
    told: &dyn Fn(u64),
) -> Result<AuditReport, AuditError> {
    let surface = Surface::of(target).await?;
    let mut settled = settle(&surface, scope.drain_timeout).await;
    let start = Instant::now();
    let since_us = since_us(&surface, scope).await?;
    let mut readings = Readings::new(since_us);
    let mut events = readings.events(&surface, told).await?;
    let entities = readings.entities(&surface).await?;
    let late = readings.events(&surface, &|_| {}).await?;
    events += late;
    if late > 0 {
        let problem = format!("{late} events came in while it was read: it is not at rest");
        settled.unsettled.get_or_insert(problem);
    }
    let Folds {
        history,
        versions,
        stock,
        read_model,
    } = readings.folds;
    let (ledger, gauges) = (scope.ledger.as_ref(), settled.gauges.as_ref());
    let checks = vec![
        check::accepted_present(&history, ledger, gauges, scope.from_nothing),
        check::order_histories(&history),
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

/// From when on things are judged: everything, or what began with the run's first write, by the target's own clock.
async fn since_us(surface: &Surface, scope: &AuditScope) -> Result<u64, AuditError> {
    let Some(ledger) = scope.ledger.as_ref().filter(|_| !scope.from_nothing) else {
        return Ok(0);
    };
    let ids = ledger.kinds().flat_map(|(_, writes)| writes.accepted());
    let ids: std::collections::HashSet<&str> = ids.collect();
    let mut first = u64::MAX;
    for topic in Topic::ALL {
        let mut after = "0-0".to_owned();
        surface
            .events(topic, &mut after, |event| {
                if ids.contains(event.aggregate_id.as_ref()) {
                    first = first.min(event.published_at_us);
                }
            })
            .await?;
    }
    Ok(if first == u64::MAX { 0 } else { first })
}
