//! Runs several drivers as one: set-up once, a common start, and merged events, so that listeners see a single driver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::assignment::Assignment;
use super::clients::Targets;
use super::driver::{Driver, open_feed, runtime};
use super::event::{DriverEvent, Finished, Interval, Refusal};
use super::notes::Notes;
use super::set_up::{OnFailure, StepRunner};
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::share::Share;

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
    } = assignment;
    let notes = meanings.map(Notes::new);
    let preparation = Preparation {
        scenario: &scenario,
        targets: &targets,
        seed,
        notes: notes.as_ref(),
    };
    let globals = preparation.carry_out(variables, &events, &stop).await?;
    let globals = Arc::new(globals);
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut starts = Vec::new();
    let of = loads.len();
    for (share, loads) in Share::all(of).zip(loads) {
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
        };
        std::thread::Builder::new()
            .name(format!("{DRIVER} {}", share.index))
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
                tell.send((share.index, event)).ok();
            }
        });
    }
    drop(tell);
    let mut fleet = Fleet::new(of);
    fleet.finished.ledger = notes.map(|notes| notes.take());
    while fleet.ready < of {
        match told.recv().await {
            Some((_, DriverEvent::Ready)) => fleet.ready += 1,
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
    go.await
        .map_err(|_| Refusal::SetUp("the run was cancelled before its start".to_owned()))?;
    let at = Instant::now() + START_AFTER;
    let wall_clock = SystemTime::now() + START_AFTER;
    events.send(DriverEvent::Started { at, wall_clock }).ok();
    for start in starts {
        // A driver that has ended meanwhile sends an event itself.
        start.send(at).ok();
    }
    while let Some((index, event)) = told.recv().await {
        for event in fleet.merge(index, event)? {
            events.send(event).ok();
        }
        if fleet.finished.drivers.len() == of {
            return Ok(fleet.finished);
        }
    }
    Err(lost())
}

fn lost() -> Refusal {
    Refusal::SetUp("a driver's thread ended unexpectedly".to_owned())
}

/// The input of set-up.
struct Preparation<'a> {
    scenario: &'a Scenario,
    targets: &'a Targets,
    seed: u64,
    notes: Option<&'a Notes>,
}

impl Preparation<'_> {
    /// Returns the parameters and the lists that set-up made.
    async fn carry_out(
        self,
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
            self.notes,
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

/// How far a driver has come.
#[derive(Clone, Copy)]
enum DriverProgress {
    /// The number of intervals that it has reported.
    Intervals(u64),
    /// It reports no more.
    Finished,
}

/// The state of all drivers.
struct Fleet {
    ready: usize,
    /// Journeys in flight, one entry for each driver that has begun to drain.
    draining: Vec<usize>,
    /// The progress of each driver.
    progress: Vec<DriverProgress>,
    /// Intervals that some drivers have reported and others have not.
    open: BTreeMap<u64, Interval>,
    finished: Finished,
}

impl Fleet {
    fn new(drivers: usize) -> Self {
        Self {
            ready: 0,
            draining: Vec::new(),
            progress: vec![DriverProgress::Intervals(0); drivers],
            open: BTreeMap::new(),
            finished: Finished::default(),
        }
    }

    /// Merges a driver's event and returns the events of the whole fleet that follow from it.
    fn merge(&mut self, index: usize, event: DriverEvent) -> Result<Vec<DriverEvent>, Refusal> {
        match event {
            DriverEvent::Interval(interval) => {
                let number = interval.start.as_secs();
                self.progress[index] = DriverProgress::Intervals(number + 1);
                match self.open.get_mut(&number) {
                    Some(so_far) => so_far.add(*interval),
                    None => drop(self.open.insert(number, *interval)),
                }
                Ok(self.complete())
            }
            DriverEvent::Draining { in_flight } => {
                self.draining.push(in_flight);
                let all = self.draining.len() == self.progress.len();
                Ok(all
                    .then(|| DriverEvent::Draining {
                        in_flight: self.draining.iter().sum(),
                    })
                    .into_iter()
                    .collect())
            }
            DriverEvent::Finished(finished) => {
                self.progress[index] = DriverProgress::Finished;
                self.finished.add(finished);
                Ok(self.complete())
            }
            DriverEvent::Failed(refusal) => Err(refusal),
            DriverEvent::Warning(text) => Ok(vec![DriverEvent::Warning(text)]),
            // Events of the whole run are sent once, by `drive`.
            _ => Ok(Vec::new()),
        }
    }

    /// Takes the intervals that every driver has reported.
    fn complete(&mut self) -> Vec<DriverEvent> {
        let reported = self.progress.iter().filter_map(|progress| match progress {
            DriverProgress::Intervals(count) => Some(count),
            DriverProgress::Finished => None,
        });
        let later = match reported.min() {
            Some(reported_by_all) => self.open.split_off(reported_by_all),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.open, later)
            .into_values()
            .map(|interval| DriverEvent::Interval(Box::new(interval)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Figures;

    fn interval(second: u64, started: u64) -> DriverEvent {
        let mut figures = Figures::new(0, 0, 1);
        figures.counts(0).started = started;
        DriverEvent::Interval(Box::new(Interval {
            start: Duration::from_secs(second),
            length: Duration::from_secs(1),
            figures,
            in_flight: 1,
            started,
            traces: Vec::new(),
        }))
    }

    fn seen(events: Vec<DriverEvent>) -> Vec<(u64, u64, usize)> {
        let of = |event| match event {
            DriverEvent::Interval(i) => {
                (i.start.as_secs(), i.figures.journeys().started, i.in_flight)
            }
            other => panic!("{other:?}"),
        };
        events.into_iter().map(of).collect()
    }

    #[test]
    fn an_interval_is_told_when_every_driver_has_told_it_or_has_finished() {
        let mut fleet = Fleet::new(2);

        assert_eq!(seen(fleet.merge(0, interval(0, 3)).unwrap()), []);
        assert_eq!(seen(fleet.merge(0, interval(1, 4)).unwrap()), []);
        assert_eq!(
            seen(fleet.merge(1, interval(0, 5)).unwrap()),
            [(0, 8, 2)],
            "both figures as one"
        );
        let last = fleet.merge(1, DriverEvent::Finished(Finished::default()));
        assert_eq!(seen(last.unwrap()), [(1, 4, 1)]);
        assert_eq!(seen(fleet.merge(0, interval(2, 6)).unwrap()), [(2, 6, 1)]);
    }
}
