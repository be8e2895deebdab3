//! Before the drivers and after them: carries out set-up, once for all drivers of a run, and tear-down.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clients::Targets;
use super::driver::open_feed;
use super::event::{DriverEvent, Refusal};
use super::notes::Notes;
use super::set_up::{OnFailure, StepRunner};
use crate::record::ledger::{Ledger, Meanings};
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::Vars;

/// The input of set-up.
pub struct Preparation<'a> {
    /// The scenario of the run.
    pub scenario: &'a Scenario,
    /// The targets of its requests.
    pub targets: &'a Targets,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit.
    pub meanings: Option<&'static dyn Meanings>,
}

/// What set-up made.
pub struct Prepared {
    /// The parameters and the lists.
    pub variables: Vars,
    /// What was created, if it is noted.
    pub ledger: Option<Box<Ledger>>,
}

impl Preparation<'_> {
    /// Carries set-up out, and tells of each step.
    ///
    /// # Errors
    /// A step failed, or the run was stopped meanwhile.
    pub async fn carry_out(
        self,
        variables: Vars,
        events: &mpsc::UnboundedSender<DriverEvent>,
        stop: &CancellationToken,
    ) -> Result<Prepared, Refusal> {
        let notes = self.meanings.map(Notes::new);
        let variables = self
            .variables(notes.as_ref(), variables, events, stop)
            .await?;
        let ledger = notes.map(|notes| notes.take());
        Ok(Prepared { variables, ledger })
    }

    async fn variables(
        self,
        notes: Option<&Notes>,
        variables: Vars,
        events: &mpsc::UnboundedSender<DriverEvent>,
        stop: &CancellationToken,
    ) -> Result<Vars, Refusal> {
        let mut globals = self.scenario.parameters.clone();
        globals.extend(variables);
        globals.extend(self.scenario.secrets.variable());
        if self.scenario.setup.is_empty() {
            return Ok(globals);
        }
        let feed = open_feed(self.scenario, &self.targets.main).await?;
        let mut steps = StepRunner::new(
            self.scenario,
            self.targets.clone(),
            self.seed,
            feed,
            notes,
            OnFailure::AtOnce,
        );
        for step in &self.scenario.setup {
            let name = &step.name;
            events.send(DriverEvent::SetUp { step: name.clone() }).ok();
            let work = steps.run(step, &mut globals);
            tokio::select! {
                done = work => done.map_err(|e| {
                    let e = self.scenario.secrets.hide(e);
                    Refusal::SetUp(format!("set-up step `{name}`: {e}"))
                })?,
                () = stop.cancelled() => return Err(Refusal::SetUp(format!("stopped during set-up step `{name}`"))),
            }
        }
        Ok(globals)
    }
}

/// Carries out tear-down in the caller's task. Tries every step, even after a failure. Returns the failures as texts.
pub async fn tear_down(
    scenario: &Scenario,
    targets: Targets,
    mut variables: Vars,
    seed: u64,
) -> Vec<String> {
    let on_failure = OnFailure::AtTheEnd;
    let mut steps = StepRunner::new(scenario, targets, seed, None, None, on_failure);
    let mut failures = Vec::new();
    for step in &scenario.teardown {
        if let Err(problem) = steps.run(step, &mut variables).await {
            let problem = scenario.secrets.hide(problem);
            failures.push(format!("tear-down step `{}`: {problem}", step.name));
        }
    }
    failures
}
