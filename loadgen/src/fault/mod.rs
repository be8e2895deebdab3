//! Faults carried out while a run is under way, each at its own time, and what became of each. Only processes of the system that
//! this run has started are ever signalled. Must not know the load, nor how a fault is shown.

mod command;
mod processes;
mod recovery;

use std::time::Duration;

use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::run_event::RunEvent;
use crate::scenario::fault::{Fault, FaultAction};
use processes::Processes;
pub use recovery::Recovery;

/// A process that was killed and is not there again by then has no supervisor.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it is there again.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What became of a fault. Times are from the start of the workload.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultOutcome {
    /// What was done, in words.
    pub what: String,
    /// When.
    pub at: Duration,
    /// When it was over: the process went on or was there again, the command had ended.
    pub until: Duration,
    /// Why it could not be done as it was asked for.
    pub problem: Option<String>,
}

impl FaultOutcome {
    /// Its end, in words.
    pub fn said(&self) -> String {
        let what = &self.what;
        match &self.problem {
            Some(problem) => format!("fault: {what} could not be done: {problem}"),
            None => format!(
                "fault: {what} is over after {:.1} s",
                self.until.saturating_sub(self.at).as_secs_f64()
            ),
        }
    }
}

/// What is told while it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultEvent {
    /// It begins.
    Began {
        /// In words.
        what: String,
    },
    /// It is over, or it could not be done.
    Ended(FaultOutcome),
}

/// Whether all of it can be done to the system of this process group, or to a target that was not started here.
///
/// # Errors
/// In words: which fault can't, where it stands, and what could be done instead.
pub fn check(faults: &[Fault], system: Option<u32>) -> Result<(), String> {
    for fault in faults {
        let wanted = match &fault.action {
            FaultAction::Run { .. } => continue,
            FaultAction::Pause { process, .. } | FaultAction::Kill { process } => process,
        };
        let refuse = |why: &str| {
            let (place, what) = (&fault.place, &fault.action);
            Err(format!("{place}: the fault `{what}` can't be done: {why}"))
        };
        let Some(system) = system else {
            return refuse(
                "the target was not started here, and only processes of a system that loadgen has started are signalled; allowed: `run = \"<command>\"`, or a run without --target",
            );
        };
        let processes = Processes::of(system);
        let known = processes.names().join(", ");
        if processes.named(wanted).is_empty() {
            return refuse(&format!(
                "there is no process `{wanted}`; there are {known} (every service is a process of its own with --processes)"
            ));
        }
        if matches!(fault.action, FaultAction::Kill { .. }) && !processes.supervised(wanted) {
            return refuse(&format!(
                "nothing would start `{wanted}` again; there are {known}, and only a service is started again, with --processes"
            ));
        }
    }
    Ok(())
}

/// Faults under way; the end of it ends them all.
pub struct Injector {
    over: CancellationToken,
    work: AbortOnDropHandle<Vec<FaultOutcome>>,
}

/// What faults are done to and by.
#[derive(Clone)]
pub struct Scene {
    /// The process group of the system that was started here.
    pub system: Option<u32>,
    /// URL, for commands.
    pub target: String,
    /// The zero of the faults' times.
    pub start: Instant,
    /// Ends the run: asked for when a fault can't be done.
    pub stop: CancellationToken,
    /// Where it is told. Weak: the drivers' end must be seen while faults are under way.
    pub events: WeakUnboundedSender<RunEvent>,
}

impl Injector {
    /// From now on every fault comes at its time.
    pub fn start(faults: Vec<Fault>, scene: Scene) -> Self {
        let over = scene.stop.child_token();
        let ended = over.clone();
        let work = async move {
            let mut under_way = JoinSet::new();
            for fault in faults {
                under_way.spawn(carry_out(fault, scene.clone(), ended.clone()));
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

    /// The workload is over: what is paused goes on, what has not come does not come. Returns what became of each that came.
    pub async fn finish(self) -> Vec<FaultOutcome> {
        self.over.cancel();
        self.work.await.unwrap_or_default()
    }
}

/// Nothing when the run was over before it.
async fn carry_out(fault: Fault, scene: Scene, over: CancellationToken) -> Option<FaultOutcome> {
    let due = tokio::time::sleep_until(scene.start + fault.at);
    over.run_until_cancelled(due).await?;
    let at = scene.start.elapsed();
    let what = fault.action.to_string();
    scene.tell(FaultEvent::Began { what: what.clone() });
    let done = match &fault.action {
        FaultAction::Pause { process, length } => pause(process, *length, &scene, &over).await,
        FaultAction::Kill { process } => kill(process, &scene, &over).await,
        FaultAction::Run { command } => command::run(command, &scene.target, &over).await,
    };
    let outcome = FaultOutcome {
        what,
        at,
        until: scene.start.elapsed(),
        problem: done.err(),
    };
    scene.tell(FaultEvent::Ended(outcome.clone()));
    if outcome.problem.is_some() {
        // What follows would be another run than the one that was asked for.
        scene.stop.cancel();
    }
    Some(outcome)
}

impl Scene {
    fn tell(&self, event: FaultEvent) {
        if let Some(events) = self.events.upgrade() {
            events.send(RunEvent::Fault(event)).ok();
        }
    }

    fn processes(&self) -> Processes {
        self.system.map(Processes::of).unwrap_or_default()
    }
}

async fn pause(
    process: &str,
    length: Duration,
    scene: &Scene,
    over: &CancellationToken,
) -> Result<(), String> {
    // Whatever becomes of this task, they go on when it is dropped.
    let _stopped = scene.processes().stop(process)?;
    let until = tokio::time::sleep(length);
    over.run_until_cancelled(until).await;
    Ok(())
}

/// Waits until as many are there again.
async fn kill(process: &str, scene: &Scene, over: &CancellationToken) -> Result<(), String> {
    let before = scene.processes().named(process);
    scene.processes().kill(process)?;
    let back = async {
        loop {
            let now = scene.processes().named(process);
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
            "`{process}` was not there again within {BACK_WITHIN:?}"
        )),
        _ => Ok(()),
    }
}
