//! Runs several drivers of this process as one: set-up once, a common start, and merged events.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::assignment::{Assignment, Variables};
use super::driver::{Driver, runtime};
use super::event::{DriverEvent, Finished, Refusal};
use super::merging::Merging;
use super::preparation::{Preparation, Prepared};
use loadgen_scenario::expression::Vars;

/// The name of drivers' threads, before their number.
pub const DRIVER: &str = "driver";

/// From the signal to the start: all drivers must be awake by then.
const START_AFTER: Duration = Duration::from_millis(5);

/// Starts the drivers on threads of their own. They end after `DriverEvent::Finished` or `DriverEvent::Failed`.
pub fn spawn(assignment: Assignment) -> std::io::Result<std::thread::JoinHandle<()>> {
    let fleet = std::thread::Builder::new().name("fleet".into());
    fleet.spawn(move || {
        let events = assignment.events.clone();
        let outcome = runtime().and_then(|runtime| runtime.block_on(drive(assignment)));
        // The receiver may be gone when the program is about to end.
        events
            .send(outcome.map_or_else(DriverEvent::Failed, DriverEvent::Finished))
            .ok();
    })
}

async fn drive(assignment: Assignment) -> Result<Finished, Refusal> {
    let Assignment {
        scenario,
        targets,
        loads,
        variables,
        seed,
        meanings,
        events,
        go,
        stop,
        abort,
    } = assignment;
    let preparation = Preparation {
        scenario: &scenario,
        targets: &targets,
        seed,
        meanings,
    };
    let prepared = match variables {
        Variables::BeforeSetUp(lists) => preparation.carry_out(lists, &events, &stop).await?,
        Variables::AfterSetUp(variables) => Prepared {
            variables,
            ledger: meanings.map(|_| Box::default()),
        },
    };
    let globals = Arc::new(prepared.variables);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut starts = Vec::new();
    let of = loads.len();
    for (index, (share, loads)) in loads.into_iter().enumerate() {
        let (start, wait) = oneshot::channel();
        starts.push(start);
        let (events, mut own) = mpsc::unbounded_channel();
        let driver = Driver {
            scenario: scenario.clone(),
            targets: targets.clone(),
            share,
            loads,
            globals: globals.clone(),
            seed,
            meanings,
            events: events.clone(),
            start: wait,
            stop: stop.clone(),
            abort: abort.clone(),
        };
        std::thread::Builder::new()
            .name(format!("{DRIVER} {index}"))
            .spawn(move || {
                let outcome = driver.run();
                // The receiver is gone when another driver has failed.
                events
                    .send(outcome.map_or_else(DriverEvent::Failed, DriverEvent::Finished))
                    .ok();
            })
            .map_err(|e| Refusal::BadInput(format!("can't start a driver's thread: {e}")))?;
        let tell = tell.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = own.recv().await {
                tell.send((index, event)).ok();
            }
        });
    }
    drop(tell);
    let mut ready = 0;
    while ready < of {
        match told.recv().await {
            Some((_, DriverEvent::Ready)) => ready += 1,
            Some((_, DriverEvent::Failed(refusal))) => return Err(refusal),
            Some(_) => {}
            None => return Err(lost()),
        }
    }
    if !scenario.teardown.is_empty() {
        let variables = Vars::clone(&globals);
        events.send(DriverEvent::Prepared { variables }).ok();
    }
    events.send(DriverEvent::Ready).ok();
    let at = go
        .await
        .map_err(|_| Refusal::SetUp("the run was cancelled before its start".to_owned()))?;
    let at = at.unwrap_or_else(|| Instant::now() + START_AFTER);
    let wall_clock = SystemTime::now() + at.saturating_duration_since(Instant::now());
    events.send(DriverEvent::Started { at, wall_clock }).ok();
    for start in starts {
        // A driver that has ended meanwhile sends an event itself.
        start.send(at).ok();
    }
    let mut merging = Merging::new(of, prepared.ledger);
    while let Some((index, event)) = told.recv().await {
        for event in merging.merge(index, event)? {
            events.send(event).ok();
        }
        if let Some(finished) = merging.finished() {
            return Ok(finished);
        }
    }
    Err(lost())
}

fn lost() -> Refusal {
    Refusal::SetUp("a driver's thread ended unexpectedly".to_owned())
}
