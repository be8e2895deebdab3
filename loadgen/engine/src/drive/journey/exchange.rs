//! A request step: sends the request, checks the answer and records the times of both.

use std::time::Instant;

use super::{JourneyEnd, JourneyRun, StepError};
use crate::drive::context::Context;
use crate::drive::request::{self, Carried};
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
        let layers = [&self.vars, &self.context.globals];
        let rendered = request::render(
            request,
            &mut Context::scope(&layers, &mut self.rng),
            Carried {
                trace: self.trace.map(|trace| (trace, self.sample.is_some())),
                key: self.context.scenario.idempotency_keys,
            },
        )
        .map_err(StepError::from)?;
        // Waiting for a connection counts as the target's slowness: in the response time, not in the service time.
        let turn = self.context.http.turn().await;
        let actual = turn.since;
        let (http, notes) = (&self.context.http, self.context.notes.as_ref());
        let outcome = rendered.send(http, turn, notes).await;
        let completed = outcome
            .as_ref()
            .map_or_else(|_| Instant::now(), |reply| reply.completed);
        let skip = outcome
            .as_ref()
            .ok()
            .and_then(|reply| skip_on.iter().find(|(status, _)| *status == reply.status));
        let examined = match (&outcome, skip) {
            (_, Some(_)) => Ok(Vars::new()),
            (Ok(reply), None) => request::examine(
                reply,
                expect,
                extract,
                &mut Context::scope(&layers, &mut self.rng),
            ),
            (Err(_), None) => Ok(Vars::new()),
        };
        if self.measured {
            let mut figures = self.context.figures.borrow_mut();
            let figures = &mut figures.steps[*id];
            figures.count += 1;
            figures.errors += u64::from(outcome.is_err() || examined.is_err());
            // A timeout's duration counts too: without it the target would look faster than it is.
            figures
                .response_time
                .record(completed.saturating_duration_since(intended));
            figures
                .service_time
                .record(completed.saturating_duration_since(actual));
            figures
                .slip
                .record(actual.saturating_duration_since(intended));
        }
        if let (Some(sample), Some(begun), Ok(reply)) = (&mut self.sample, begun, &outcome) {
            sample.answered((*id, &step.name, rendered.span()), intended, begun, reply);
        }
        self.intended = completed;
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
