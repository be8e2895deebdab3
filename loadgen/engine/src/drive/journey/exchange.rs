//! A request step: sends the request, checks the answer and records the times of both.

use std::time::Instant;

use super::{JourneyEnd, JourneyRun, StepError};
use crate::drive::context::Context;
use crate::drive::request::{self, Carried};
use crate::http_client::{Following, Manner};
use loadgen_scenario::expression::Vars;
use loadgen_scenario::{Action, Step};

impl<'a> JourneyRun<'a> {
    pub(super) async fn request(&mut self, step: &'a Step) -> Result<(), JourneyEnd> {
        let Action::Request {
            id,
            request,
            expect,
            extract,
            skip_on,
        } = &step.action
        else {
            return Ok(());
        };
        let intended = self.intended;
        let begun = self.sample.as_ref().map(|_| Instant::now());
        // Another target has other positions.
        let tells_positions = request.target.is_none();
        let at_least = tells_positions.then(|| self.at_least()).flatten();
        let layers = [&self.vars, &self.context.globals];
        let rendered = request::render(
            request,
            None,
            &mut Context::scope(&layers, &mut self.rng),
            Carried {
                trace: self.trace.map(|trace| (trace, self.sample.is_some())),
                key: self.context.scenario.workloads[self.workload].idempotency_keys,
                at_least,
            },
            &self.context.scenario.secrets,
        )
        .map_err(StepError::from)?;
        // Waiting for a connection counts as the target's slowness: in the response time, not in the service time.
        let http = self.context.clients.of(request.target);
        let turn = http.turn().await;
        let actual = turn.since;
        // What another target does is not the audited system's doing.
        let notes = self
            .context
            .notes
            .as_ref()
            .filter(|_| request.target.is_none());
        let mut hops = Vec::new();
        let manner = Manner {
            customer: self.customer,
            following: Following {
                redirects_max: self.context.scenario.http.redirects,
                is_answer: &|status| {
                    let mut skipped = skip_on.iter();
                    expect.status.contains(&status) || skipped.any(|(known, _)| *known == status)
                },
            },
        };
        let outcome = rendered.send(http, turn, &manner, notes, &mut hops).await;
        let completed = outcome
            .as_ref()
            .map_or_else(|_| Instant::now(), |reply| reply.completed);
        let waited = completed.saturating_duration_since(intended);
        let skip = outcome
            .as_ref()
            .ok()
            .and_then(|reply| skip_on.iter().find(|(status, _)| *status == reply.status));
        let examined = match (&outcome, skip) {
            (_, Some(_)) => Ok(Vars::new()),
            (Ok(reply), None) => request::examine(
                reply,
                waited,
                expect,
                extract,
                &mut Context::scope(&layers, &mut self.rng),
            )
            .map_err(|error| rendered.told(error, &hops)),
            (Err(_), None) => Ok(Vars::new()),
        };
        if self.measured {
            let mut all = self.context.figures.borrow_mut();
            let figures = &mut all.steps[*id];
            figures.count += 1;
            figures.errors += u64::from(outcome.is_err() || examined.is_err());
            // Apart, because a refusal within a millisecond is no fast answer, and a time limit no slow one.
            match (&outcome, &examined) {
                (Err(_), _) => figures.unanswered_time.record(waited),
                (Ok(_), Err(_)) => figures.failed_time.record(waited),
                (Ok(_), Ok(_)) => {
                    figures.response_time.record(waited);
                    figures
                        .service_time
                        .record(completed.saturating_duration_since(actual));
                }
            }
            figures
                .slip
                .record(actual.saturating_duration_since(intended));
            if let Ok(reply) = &outcome {
                figures.wire_bytes += reply.wire_bytes;
                figures.body_bytes += reply.body.len() as u64;
            }
            figures.redirected(&hops, |text| rendered.hidden(text.to_owned()));
            if outcome.is_ok() && examined.is_ok() {
                all.answered(self.workload, waited);
            }
        }
        if let (Some(sample), Some(begun), Ok(reply)) = (&mut self.sample, begun, &outcome) {
            sample.answered((*id, &step.name, rendered.span()), intended, begun, reply);
        }
        if tells_positions
            && let Ok(reply) = &outcome
            && let Some(position) = &reply.position
        {
            self.sees_all(position);
        }
        self.intended = completed;
        self.is_counted = outcome.is_err() || examined.is_err();
        if let Some((_, reason)) = skip {
            return Err(JourneyEnd::Skip(reason.clone()));
        }
        outcome?;
        let found = examined?;
        if !found.is_empty() {
            self.vars.extend(found);
        }
        Ok(())
    }
}
