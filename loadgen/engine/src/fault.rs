//! Carries out faults during a run, each at its own time, and reports their outcomes. Only processes of the system that
//! this run has started are signalled. Must not know the load, nor how a fault is shown.

mod command;
mod processes;
mod proxy;
mod recovery;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use loadgen_scenario::fault::{Fault, FaultAction, NetworkTrouble, SYSTEM};
use processes::Processes;
pub use processes::{ProcessNames, StartedSystem, services};
pub use proxy::{Disturbed, Proxy};
pub use recovery::Recovery;

/// How long to wait for a killed process to be started again.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two checks whether it runs again.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The outcome of a fault. Times are from the start of the workload.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultOutcome {
    /// The fault, in words.
    pub what: String,
    /// When the fault began.
    pub at: Duration,
    /// When it was over: the process ran again, or the command had ended.
    pub until: Duration,
    /// Why it could not be done as planned.
    pub problem: Option<String>,
}

impl FaultOutcome {
    /// The outcome, in words.
    pub fn text(&self) -> String {
        let what = &self.what;
        match &self.problem {
            Some(problem) => format!("fault: {what} failed: {problem}"),
            None => format!(
                "fault: {what} ended after {:.1} s",
                self.until.saturating_sub(self.at).as_secs_f64()
            ),
        }
    }
}

/// An event of a fault during a run.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultEvent {
    /// The fault begins.
    Began {
        /// The fault, in words.
        what: String,
    },
    /// The fault is over, or could not be done.
    Ended(FaultOutcome),
}

/// Checks that all faults can be done: to the system that was started here, or to a target that was not.
///
/// # Errors
/// A text: which fault can't be done, its place in the scenario, and what is allowed instead.
pub fn check(faults: &[Fault], system: Option<&dyn StartedSystem>) -> Result<(), String> {
    for fault in faults {
        let refuse = |why: &str| {
            let (place, what) = (&fault.place, &fault.action);
            Err(format!("{place}: the fault `{what}` can't be done: {why}"))
        };
        if matches!(fault.action, FaultAction::Run { .. }) {
            continue;
        }
        let Some(system) = system else {
            return refuse(
                "the target was not started by loadgen, and loadgen only harms what it has started; allowed: `run = \"<command>\"`, or a run without --target",
            );
        };
        let (FaultAction::Pause { process, .. } | FaultAction::Kill { process }) = &fault.action
        else {
            continue;
        };
        let processes = Processes::of(system);
        if processes.named(process).is_empty() {
            let known = processes.names().join(", ");
            return refuse(&format!(
                "there is no process `{process}`; allowed: {known} (with --processes, every service is a process of its own)"
            ));
        }
    }
    Ok(())
}

/// Faults in progress; dropping it ends them all.
pub struct Injector {
    over: CancellationToken,
    work: AbortOnDropHandle<Vec<FaultOutcome>>,
}

/// What faults need to know of their run.
#[derive(Clone)]
pub struct FaultContext {
    /// The system that was started here.
    pub system: Option<Arc<dyn StartedSystem>>,
    /// The target's URL, for commands.
    pub target: String,
    /// The start of the faults' times.
    pub start: Instant,
    /// Ends the run; cancelled when a fault can't be done.
    pub stop: CancellationToken,
    /// The channel for events.
    pub events: UnboundedSender<FaultEvent>,
}

impl Injector {
    /// Starts the faults' clock: from now on every fault begins at its time.
    pub fn start(faults: Vec<Fault>, context: FaultContext) -> Self {
        let over = context.stop.child_token();
        let ended = over.clone();
        let work = async move {
            let mut under_way = JoinSet::new();
            for fault in faults {
                under_way.spawn(carry_out(fault, context.clone(), ended.clone()));
            }
            let mut outcomes: Vec<FaultOutcome> = Vec::new();
            while let Some(outcome) = under_way.join_next().await {
                outcomes.extend(outcome.ok().flatten());
            }
            outcomes.sort_by_key(|outcome| outcome.at);
            outcomes
        };
        Self {
            over,
            work: AbortOnDropHandle::new(tokio::spawn(work)),
        }
    }

    /// Ends faults at the workload's end: continues paused processes, skips faults that have not begun, and returns the others' outcomes.
    pub async fn finish(self) -> Vec<FaultOutcome> {
        self.over.cancel();
        self.work.await.unwrap_or_default()
    }
}

/// Carries one fault out; `None` if the run was over before its time.
async fn carry_out(
    fault: Fault,
    context: FaultContext,
    over: CancellationToken,
) -> Option<FaultOutcome> {
    let due = tokio::time::sleep_until(context.start + fault.at);
    over.run_until_cancelled(due).await?;
    let at = context.start.elapsed();
    let what = fault.action.to_string();
    context.tell(FaultEvent::Began { what: what.clone() });
    let done = match &fault.action {
        FaultAction::Pause { process, length } => pause(process, *length, &context, &over).await,
        FaultAction::Kill { process } => kill(process, &context, &over).await,
        FaultAction::Network { trouble, length } => {
            disturb(*trouble, *length, &context, &over).await
        }
        FaultAction::Run { command } => command::run(command, &context.target, &over).await,
    };
    let outcome = FaultOutcome {
        what,
        at,
        until: context.start.elapsed(),
        problem: done.err(),
    };
    context.tell(FaultEvent::Ended(outcome.clone()));
    if outcome.problem.is_some() {
        // Without the fault, the rest would not be the run that was asked for.
        context.stop.cancel();
    }
    Some(outcome)
}

impl FaultContext {
    fn tell(&self, event: FaultEvent) {
        self.events.send(event).ok();
    }

    fn processes(&self) -> Processes {
        let system = self.system.as_deref();
        system.map(Processes::of).unwrap_or_default()
    }
}

async fn pause(
    process: &str,
    length: Duration,
    context: &FaultContext,
    over: &CancellationToken,
) -> Result<(), String> {
    // The guard continues the processes when it is dropped, even if this task is aborted.
    let _stopped = context.processes().stop(process)?;
    let until = tokio::time::sleep(length);
    over.run_until_cancelled(until).await;
    Ok(())
}

async fn disturb(
    trouble: NetworkTrouble,
    length: Duration,
    context: &FaultContext,
    over: &CancellationToken,
) -> Result<(), String> {
    let network = context.system.as_deref().and_then(StartedSystem::network);
    let _disturbed = network
        .map(|network| network.disturb(trouble))
        .ok_or("there is no proxy between the system and its Redis")?;
    over.run_until_cancelled(tokio::time::sleep(length)).await;
    Ok(())
}

/// Kills processes and waits until as many run again.
async fn kill(
    process: &str,
    context: &FaultContext,
    over: &CancellationToken,
) -> Result<(), String> {
    let before = context.processes().named(process);
    context.processes().kill(process)?;
    if let (SYSTEM, Some(system)) = (process, &context.system) {
        // Also at the run's end: the audit needs it.
        return system.start_again().await;
    }
    let back = async {
        loop {
            let now = context.processes().named(process);
            if now.iter().filter(|id| !before.contains(id)).count() >= before.len() {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    match over
        .run_until_cancelled(tokio::time::timeout(BACK_WITHIN, back))
        .await
    {
        Some(Err(_)) => Err(format!(
            "`{process}` was not started again within {BACK_WITHIN:?}"
        )),
        _ => Ok(()),
    }
}
