//! One journey: its steps in order, each measured from its intended start. The first step should start at the
//! journey's arrival, every later one at the end of the step before it (not when this task gets to run).

mod awaited_state;
mod branches;
mod exchange;
mod known_positions;
mod rounds;

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::SmallRng;
use serde_json::Value;

use super::context::Context;
use super::request::StepError;
use super::shared_values::Ticket;
use crate::budget::JourneySample;
use crate::feed::position::FeedPosition;
use crate::http_client::Customer;
use crate::record::JourneyOutcome;
use crate::schedule::{Arrival, of_workload};
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::{Action, KeySource, Step};

/// Starts a journey as a task of its own.
pub fn start(
    context: &Rc<Context>,
    workload: usize,
    arrival: Arrival,
    number: u64,
    intended: Instant,
    measured: bool,
) {
    let journey = run(
        context.clone(),
        workload,
        arrival,
        number,
        intended,
        measured,
    );
    tokio::task::spawn_local(journey);
}

/// Carries a journey out and records it; returns its end.
pub fn run(
    context: Rc<Context>,
    workload: usize,
    arrival: Arrival,
    number: u64,
    intended: Instant,
    measured: bool,
) -> impl Future<Output = Instant> {
    // Counted before the task first runs, or a whole burst of arrivals would find room.
    context.journey_begins(workload);
    if measured {
        let slip = Instant::now().saturating_duration_since(intended);
        context.figures.borrow_mut().started(workload, slip);
    }
    async move {
        let customer = Customer::new(context.scenario.http.cookies);
        let start = (number, intended);
        let mut run = JourneyRun::new(&context, &customer, workload, arrival, start, measured);
        let outcome = match run.exhausted.take() {
            Some(reason) => {
                context.workloads[workload].stop.cancel();
                JourneyOutcome::Skipped(reason)
            }
            None => run.run_steps().await,
        };
        if let Some(sample) = run.sample.take() {
            match &outcome {
                JourneyOutcome::Completed | JourneyOutcome::Overtaken(_) => {
                    context.following.end(*sample)
                }
                JourneyOutcome::Failed { .. } => context.following.fail(*sample, run.at),
                JourneyOutcome::Skipped(_) => context.following.give_up(sample.trace),
            }
        }
        for (key, ticket) in &run.promises {
            context.shared.withdraw(key, *ticket);
        }
        // The journey that overtook this one may wait for the same keys, and releases them.
        if !matches!(outcome, JourneyOutcome::Overtaken(_)) {
            run.release();
        }
        let ended = run.intended;
        if measured {
            let mut figures = context.figures.borrow_mut();
            figures.journey_ended(workload, run.journey, &outcome);
        }
        context.journey_ends(workload, ended);
        ended
    }
}

/// Why a journey ends before its last step.
enum JourneyEnd {
    Error(StepError),
    Skip(String),
    Overtaken(String),
}

impl<F: Into<StepError>> From<F> for JourneyEnd {
    fn from(error: F) -> Self {
        Self::Error(error.into())
    }
}

struct JourneyRun<'a> {
    context: &'a Context,
    workload: usize,
    journey: usize,
    vars: Vars,
    rng: SmallRng,
    trace: Option<u128>,
    /// Set if this journey is sampled for the latency budget.
    sample: Option<Box<JourneySample>>,
    measured: bool,
    /// When the current step should start.
    intended: Instant,
    /// The intended start of each step's last execution, by the step's place; for `since`, so only if something is awaited.
    starts: Vec<Option<Instant>>,
    /// Whether a request or an awaited state has counted the error that the journey ends by.
    is_counted: bool,
    /// The current step's name, for errors.
    at: &'a str,
    /// Why the journey can't begin: a feeder has no more values.
    exhausted: Option<String>,
    /// Keys on the feed that this journey has awaited.
    keys: Vec<(&'a str, &'a KeySource, String)>,
    /// Up to where this journey has written partitions and seen them, by their names.
    seen: Vec<(Box<str>, FeedPosition)>,
    /// Values that this journey has promised and not stored yet.
    promises: Vec<(String, Ticket)>,
    /// What the customer's client remembers.
    customer: &'a Customer,
}

impl<'a> JourneyRun<'a> {
    fn new(
        context: &'a Context,
        customer: &'a Customer,
        workload: usize,
        arrival: Arrival,
        (number, intended): (u64, Instant),
        measured: bool,
    ) -> Self {
        let mut rng = context.rng(of_workload(number, workload));
        let mut vars = arrival.vars;
        let mut exhausted = None;
        let mut feeders = context.feeders.borrow_mut();
        let journey = &context.scenario.journeys[arrival.journey];
        for index in &journey.feeders {
            let feeder = &mut feeders[*index];
            match feeder.draw(&mut rng) {
                Some(value) => drop(vars.insert(feeder.name().to_owned(), value)),
                None => {
                    exhausted = Some(format!("the feeder `{}` has no more values", feeder.name()))
                }
            }
        }
        let trace = context.scenario.workloads[workload]
            .traceparent
            .then(|| rng.random());
        let sample = trace.filter(|_| measured && context.sampler.takes(intended));
        let sample = sample.map(|trace| {
            context.following.begin(trace);
            Box::new(JourneySample::new(trace, &journey.name, intended))
        });
        Self {
            context,
            workload,
            journey: arrival.journey,
            vars,
            rng,
            trace,
            sample,
            measured,
            intended,
            starts: match context.feed {
                Some(_) => vec![None; journey.step_count],
                None => Vec::new(),
            },
            is_counted: false,
            at: &journey.name,
            exhausted,
            keys: Vec::new(),
            seen: Vec::new(),
            promises: Vec::new(),
            customer,
        }
    }

    async fn run_steps(&mut self) -> JourneyOutcome {
        let context = self.context;
        let steps = &context.scenario.journeys[self.journey].steps;
        match self.steps(steps).await {
            Ok(()) => JourneyOutcome::Completed,
            Err(JourneyEnd::Skip(reason)) => JourneyOutcome::Skipped(reason),
            Err(JourneyEnd::Overtaken(reason)) => JourneyOutcome::Overtaken(reason),
            Err(JourneyEnd::Error(error)) => {
                if self.measured {
                    let mut figures = context.figures.borrow_mut();
                    let example = context.scenario.secrets.hide(error.example);
                    figures.error(self.at, &error.kind, example);
                }
                JourneyOutcome::Failed {
                    elsewhere: !self.is_counted,
                }
            }
        }
    }

    async fn steps(&mut self, steps: &'a [Step]) -> Result<(), JourneyEnd> {
        for step in steps {
            self.at = &step.name;
            if let Some(condition) = &step.condition
                && !self.holds(condition)?
            {
                continue;
            }
            match &step.looped {
                None => self.step(step).await?,
                // Boxed, because a loop's steps may have loops; a single step needs no box.
                Some(looped) => Box::pin(self.repeat(step, looped)).await?,
            }
        }
        Ok(())
    }

    fn holds(
        &mut self,
        condition: &loadgen_scenario::condition::Condition,
    ) -> Result<bool, StepError> {
        Ok(condition.holds(&mut Context::scope(
            &[&self.vars, &self.context.globals],
            &mut self.rng,
        ))?)
    }

    /// Lets the feed forget the keys that this journey has awaited.
    fn release(&self) {
        if let Some(feed) = &self.context.feed {
            self.keys
                .iter()
                .for_each(|(topic, source, key)| feed.release(topic, source, key));
        }
    }

    async fn step(&mut self, step: &'a Step) -> Result<(), JourneyEnd> {
        if let Some(start) = self.starts.get_mut(step.place) {
            *start = Some(self.intended);
        }
        match &step.action {
            Action::Steps(steps) => Box::pin(self.steps(steps)).await,
            Action::Parallel(steps) => Box::pin(self.parallel(steps)).await,
            Action::Skip(reason) => Err(JourneyEnd::Skip(reason.clone())),
            Action::Request { .. } => self.request(step).await,
            Action::Await(awaits) => self.awaits(awaits).await,
            Action::Think(range) => {
                let length = range.sample(&mut self.rng);
                self.pause(length).await
            }
            Action::ThinkFor(template) => {
                let length: HumanDuration = self
                    .render(template)?
                    .parse()
                    .map_err(|e: String| StepError::new("template", e))?;
                self.pause(length.0).await
            }
            Action::Promise(key) => {
                let key = self.render(key)?;
                let ticket = self.context.shared.promise(&key);
                self.promises.push((key, ticket));
                Ok(())
            }
            Action::Remember(memory) => {
                let (key, value) = (self.render(&memory.key)?, self.value(&memory.value)?);
                let promised = self.promises.iter().position(|(of, _)| *of == key);
                let ticket = promised.map(|at| self.promises.swap_remove(at).1);
                self.context.shared.remember(&key, ticket, value);
                Ok(())
            }
            Action::Forget { memory, otherwise } => {
                let (key, value) = (self.render(&memory.key)?, self.value(&memory.value)?);
                let found = self.context.shared.forget(&key, &value);
                match otherwise {
                    Some(reason) if !found => Err(JourneyEnd::Overtaken(reason.clone())),
                    _ => Ok(()),
                }
            }
            Action::Recall {
                key,
                variable,
                otherwise,
            } => {
                let key = self.render(key)?;
                let waiting_since = Instant::now();
                let last = self.context.shared.recall(&key).await;
                // Waiting for a promised value is not the next step's delay.
                self.intended += waiting_since.elapsed();
                self.vars.insert(
                    variable.clone(),
                    last.ok_or_else(|| JourneyEnd::Skip(otherwise.clone()))?,
                );
                Ok(())
            }
        }
    }

    async fn pause(&mut self, length: Duration) -> Result<(), JourneyEnd> {
        self.intended += length;
        if let Some(sample) = &mut self.sample {
            sample.paused(length);
        }
        self.context.pauses.until(self.intended).await;
        Ok(())
    }

    fn render(
        &mut self,
        template: &loadgen_scenario::template::Template,
    ) -> Result<String, StepError> {
        Ok(template.render(&mut Context::scope(
            &[&self.vars, &self.context.globals],
            &mut self.rng,
        ))?)
    }

    fn value(
        &mut self,
        template: &loadgen_scenario::template::Template,
    ) -> Result<Value, StepError> {
        Ok(template.render_value(&mut Context::scope(
            &[&self.vars, &self.context.globals],
            &mut self.rng,
        ))?)
    }
}
