//! The audit: waits until nothing is in flight, reads everything that happened and everything that is shown over the public surface, and
//! checks that it fits together. A fast run that is wrong fails. Must not know how a load was made.

mod check;
mod event;
mod finding;
mod fingerprint;
mod gauges;
mod history;
mod readings;
mod settle;
mod surface;
mod topic;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use finding::{CheckReport, Offender};
pub use surface::AuditError;

use crate::http_client::Target;
use crate::record::ledger::Ledger;
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

/// What an audit has found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuditReport {
    /// Why there was none: the target hasn't the surface for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_possible: Option<String>,
    /// Why it could not be carried out on a target that has the surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Until nothing was in flight any more, or the limit.
    pub drain_s: f64,
    /// Reading and checking.
    pub audit_s: f64,
    /// Events read.
    pub events: u64,
    /// Entities and mails read from the lists.
    pub entities: u64,
    /// In their order.
    pub checks: Vec<CheckReport>,
}

impl AuditReport {
    /// What an audit that ended early says.
    pub fn of_error(error: &AuditError) -> Self {
        match error {
            AuditError::NotPossible(_) => Self {
                not_possible: Some(error.to_string()),
                ..Self::default()
            },
            AuditError::NoAnswer { .. } => Self {
                broken: Some(error.to_string()),
                ..Self::default()
            },
        }
    }

    /// Why the target fails; empty when everything holds.
    pub fn reasons(&self) -> Vec<String> {
        let fell = self.checks.iter().filter(|check| check.fell > 0);
        let broken = self.broken.iter();
        let broken = broken.map(|problem| format!("audit: it could not be carried out: {problem}"));
        broken.chain(fell.map(CheckReport::line)).collect()
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
