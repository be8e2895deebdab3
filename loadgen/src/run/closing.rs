//! After the last journey: waits for the target's backlog, audits the target and tears down. An interrupt ends each of
//! these. Must not know how a report is built.

use std::cell::RefCell;
use std::time::Duration;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::collecting::Collected;
use super::interrupts::Interrupts;
use super::listeners::{Listeners, telling};
use super::options::RunError;
use super::preparation::Run;

use crate::run_event::Observed;
use crate::run_event::RunEvent;
use loadgen_engine::drive;
use loadgen_engine::drive::Finished;
use loadgen_engine::record::ledger::Ledger;
use loadgen_engine::scrape::Scrape;
use loadgen_report::Interruption;
use loadgen_report::audit::AuditReport;
use loadgen_scenario::expression::Vars;
use loadgen_shop::audit;
use loadgen_shop::audit::{AuditError, AuditScope};

/// An audit's progress is reported after this many events.
const AUDIT_TOLD_EVERY: u64 = 1_000;

impl Run {
    /// Waits until the target's backlog is handled. An interrupt ends the wait; in a run that was stopped already it ends the run.
    pub(super) async fn drain_backlog(
        &mut self,
        drained: Duration,
        stop: &CancellationToken,
        collected: &mut Collected,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Result<(Option<Scrape>, Duration), RunError> {
        let start = Instant::now();
        let before = collected.before.clone().unwrap_or_default();
        let (observer, timeout) = (
            &mut collected.observer,
            self.scenario.limits.backlog_timeout,
        );
        let told = RefCell::new(&mut *listeners);
        let work = self.control.drained_while(timeout, |since, scrape| {
            let at = drained + since;
            let observation = observer.look(at, Some(scrape));
            told.borrow_mut()
                .tell(&RunEvent::Observed(Box::new(Observed {
                    at,
                    observation,
                    lag: scrape.lag_since(&before),
                    backlog: (!scrape.backlog.is_empty()).then(|| scrape.backlog_total()),
                    ..Observed::default()
                })));
        });
        let work = telling(work, || {
            told.borrow_mut().tell_waiting(format!(
                "the target's backlog, at /metrics, about {timeout:?} at most (interrupt to skip it)"
            ));
        });
        tokio::select! {
            drained = work => return Ok(drained),
            () = interrupts.stop() => {}
        }
        if stop.is_cancelled() {
            return Err(RunError::Aborted);
        }
        stop.cancel();
        self.interrupted = Some(Interruption::Backlog);
        listeners.tell(&RunEvent::Stopping);
        let last = tokio::time::timeout(Duration::from_secs(1), self.control.scrape()).await;
        Ok((last.ok().flatten(), start.elapsed()))
    }

    /// Carries out tear-down. An interrupt ends it at once.
    pub(super) async fn tear_down(
        &mut self,
        variables: Vars,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) {
        listeners.tell(&RunEvent::TearDown);
        let targets = self.targets();
        let work = drive::tear_down(&self.scenario, targets, variables, self.seed);
        let failures = tokio::select! {
            failures = work => failures,
            () = interrupts.stop() => {
                self.interrupted.get_or_insert(Interruption::TearDown);
                vec!["tear-down was interrupted: some of what set-up created still exists".to_owned()]
            }
        };
        self.warnings.extend(failures);
    }

    /// Whether the ledger has all that the run wrote: an agent that was lost has taken its own with it.
    pub(super) fn has_whole_ledger(&mut self, finished: &Finished) -> bool {
        let lost = finished.agents.iter().filter(|agent| agent.lost.is_some());
        let lost: Vec<&str> = lost.map(|agent| agent.address.as_str()).collect();
        if !lost.is_empty() {
            self.warnings.push(format!(
                "the audit did not compare the target's data with what the run wrote: what {} wrote is unknown",
                lost.join(", ")
            ));
        }
        lost.is_empty()
    }

    /// Audits the target; `None` if the audit was interrupted. Without a ledger it knows nothing of what the run wrote.
    pub(super) async fn audited(
        &mut self,
        ledger: Option<Box<Ledger>>,
        interrupts: &mut Interrupts,
        listeners: &mut Listeners,
    ) -> Option<AuditReport> {
        let scope = AuditScope {
            ledger: ledger.map(|ledger| *ledger),
            from_nothing: self.system.is_some(),
            drain_timeout: audit::DRAIN_TIMEOUT_DEFAULT,
            archives: Vec::new(),
        };
        listeners.tell(&RunEvent::Auditing { events: 0 });
        let listeners = RefCell::new(listeners);
        let told = |events: u64| {
            if events.is_multiple_of(AUDIT_TOLD_EVERY) {
                listeners.borrow_mut().tell(&RunEvent::Auditing { events });
            }
        };
        tokio::select! {
            outcome = audit::audit(self.control.target().clone(), &scope, &told) => {
                let outcome = outcome.map_err(|error| match error {
                    // Without an answer, a service that never looked like the shop is no shop that has died.
                    AuditError::NoAnswer { .. } if !self.control.has_metrics() => {
                        AuditError::NotPossible(format!("it has no /metrics, and {error}"))
                    }
                    error => error,
                });
                Some(outcome.unwrap_or_else(|error| audit::ended_early(&error)))
            }
            () = interrupts.stop() => {
                self.interrupted.get_or_insert(Interruption::Audit);
                self.warnings.push("the audit was interrupted: the target's correctness is unknown".into());
                None
            }
        }
    }
}
