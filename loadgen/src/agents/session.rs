//! The runs of one leader at an agent: of each it reads the scenario, reaches its targets from here, drives its shares, and tells each second
//! what was measured. Ends at once when nobody leads it any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::clock::{Moment, instant};
use super::frame::{Assigned, FromAgent, ToAgent};
use super::wire::{Heard, Wire};
use crate::descriptors;
use crate::loads::loads;
use crate::small_pages::SmallPages;
use crate::targets;
use crate::terminal;
use loadgen_engine::drive::{self, Assignment, DriverEvent, Load, Refusal, Targets, Variables};
use loadgen_engine::http_client::ConnectOptions;
use loadgen_engine::proc::process_cpu_time;
use loadgen_engine::schedule::Schedule;
use loadgen_scenario::Scenario;
use loadgen_scenario::share::Share;
use loadgen_shop::OrderShop;

/// The connection to who leads the run.
pub struct Session {
    pub wire: Wire<ToAgent, FromAgent>,
    /// How targets are reached from here.
    pub connect: ConnectOptions,
    /// Cancelled when the agent ends.
    pub leaving: CancellationToken,
}

/// A run's part, ready for its variables.
struct Part {
    scenario: Arc<Scenario>,
    targets: Targets,
    loads: Vec<(Share, Vec<Load>)>,
    seed: u64,
    noted: bool,
}

/// The levers of drivers that run.
struct Levers {
    go: Option<oneshot::Sender<Option<Instant>>>,
    stop: CancellationToken,
    abort: CancellationToken,
    schedule: Option<watch::Sender<Schedule>>,
}

impl Levers {
    fn end_at_once(&mut self) {
        self.go = None;
        self.stop.cancel();
        self.abort.cancel();
    }
}

/// CPU of this process since the last look.
struct Cpu {
    began: Duration,
    last: (Instant, Duration),
}

impl Cpu {
    fn start() -> Self {
        let now = process_cpu_time().unwrap_or_default();
        Self {
            began: now,
            last: (Instant::now(), now),
        }
    }

    /// In percent of a core, to a tenth.
    fn pct(&mut self) -> f64 {
        let now = (Instant::now(), process_cpu_time().unwrap_or_default());
        let (wall, cpu) = (now.0 - self.last.0, now.1.saturating_sub(self.last.1));
        self.last = now;
        (1_000.0 * cpu.as_secs_f64() / wall.as_secs_f64().max(1e-3)).round() / 10.0
    }

    fn total(&self) -> Duration {
        let now = process_cpu_time().unwrap_or_default();
        now.saturating_sub(self.began)
    }
}

impl Session {
    /// Carries out one run after the other, to a failure that was told or to the end of the connection.
    pub async fn carry_out(mut self) {
        while self.one_run().await.is_some() {}
    }

    /// Carries out a run; `None` if no other one can follow.
    async fn one_run(&mut self) -> Option<()> {
        let assigned = self
            .until(|frame| match frame {
                ToAgent::Assigned(assigned) => Some(assigned),
                _ => None,
            })
            .await?;
        let part = tokio::select! {
            part = self.part(&assigned) => part,
            () = self.leaving.cancelled() => {
                self.leave();
                return None;
            }
        };
        let (schedule, part) = match part {
            Ok(part) => part,
            Err(problem) => {
                self.wire.send(FromAgent::Refused(problem));
                return None;
            }
        };
        drop(assigned);
        terminal::note(&format!("the scenario: {}", part.scenario.name));
        self.wire.send(FromAgent::Reached);
        let variables = self
            .until(|frame| match frame {
                ToAgent::Prepared(variables) => Some(variables),
                _ => None,
            })
            .await?;
        let (events, told) = mpsc::unbounded_channel();
        let (go, wait) = oneshot::channel();
        let levers = Levers {
            go: Some(go),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            schedule,
        };
        let spawned = drive::spawn(Assignment {
            scenario: part.scenario,
            targets: part.targets,
            loads: part.loads,
            variables: Variables::AfterSetUp(variables),
            seed: part.seed,
            meanings: part.noted.then_some(&OrderShop),
            events,
            go: wait,
            stop: levers.stop.clone(),
            abort: Some(levers.abort.clone()),
        });
        match spawned {
            Ok(_) => self.drive(levers, told).await,
            Err(e) => {
                let problem = format!("the drivers' thread can't be started: {e}");
                self.wire.send(FromAgent::Failed(Refusal::SetUp(problem)));
                None
            }
        }
    }

    /// Waits for a frame before the drivers run; `None` if the connection or the agent ends before.
    async fn until<T>(&mut self, mut wanted: impl FnMut(ToAgent) -> Option<T>) -> Option<T> {
        loop {
            let frame = tokio::select! {
                heard = self.wire.next() => heard.ok()?,
                () = self.leaving.cancelled() => {
                    self.leave();
                    return None;
                }
            };
            if let Some(found) = wanted(frame) {
                return Some(found);
            }
        }
    }

    fn leave(&self) {
        let left = "it was stopped by a signal".to_owned();
        self.wire.send(FromAgent::Failed(Refusal::Lost(left)));
    }

    /// Reads the scenario and reaches the targets. The error is for the person who runs it.
    async fn part(
        &self,
        assigned: &Assigned,
    ) -> Result<(Option<watch::Sender<Schedule>>, Part), String> {
        descriptors::take_all_granted();
        let scenario = assigned.sources.read()?;
        let targets = targets::reached(&scenario, &assigned.target, &self.connect).await?;
        let schedule = match scenario.workloads.as_slice() {
            [only] if only.is_open() => Some(Schedule::new(only.stages_of_the_run())),
            _ => None,
        };
        let schedule = schedule.map(watch::Sender::new);
        let follow = schedule.as_ref().map(watch::Sender::subscribe);
        let seed = assigned.seed;
        let loads = loads(&scenario, seed, assigned.shares(), follow.as_ref(), None);
        let part = Part {
            scenario: Arc::new(scenario),
            targets,
            loads,
            seed,
            noted: assigned.noted,
        };
        Ok((schedule, part))
    }

    /// Passes on what the drivers tell, and to them what is asked, until they have ended; `None` if they have not finished, or nobody
    /// leads any more.
    async fn drive(
        &mut self,
        mut levers: Levers,
        mut told: mpsc::UnboundedReceiver<DriverEvent>,
    ) -> Option<()> {
        let _pages = SmallPages::only();
        let mut cpu = Cpu::start();
        let (mut led, mut finished) = (true, false);
        loop {
            tokio::select! {
                event = told.recv() => match event {
                    Some(event) => {
                        finished |= matches!(event, DriverEvent::Finished(_));
                        self.pass_on(event, &mut cpu);
                    }
                    None => return (led && finished).then_some(()),
                },
                heard = self.wire.next(), if led => {
                    led = heard.is_ok();
                    self.heed(heard, &mut levers, &mut cpu);
                }
                () = self.leaving.cancelled(), if led => {
                    led = false;
                    self.leave();
                    levers.end_at_once();
                }
            }
        }
    }

    fn pass_on(&self, event: DriverEvent, cpu: &mut Cpu) {
        self.wire.send(match event {
            DriverEvent::Ready => FromAgent::Ready,
            DriverEvent::Interval(interval) => FromAgent::Interval {
                interval,
                cpu_pct: cpu.pct(),
            },
            DriverEvent::Draining { in_flight } => FromAgent::Draining { in_flight },
            DriverEvent::Warning(text) => FromAgent::Warning(text),
            DriverEvent::Finished(finished) => FromAgent::Finished {
                finished: Box::new(finished),
                process_cpu: cpu.total(),
            },
            DriverEvent::Failed(refusal) => FromAgent::Failed(refusal),
            // Told to all by who leads the run.
            DriverEvent::SetUp { .. }
            | DriverEvent::Prepared { .. }
            | DriverEvent::Started { .. } => return,
        });
    }

    fn heed(&self, heard: Heard<ToAgent>, levers: &mut Levers, cpu: &mut Cpu) {
        match heard {
            Ok(ToAgent::Clock) => self.wire.send(FromAgent::Clock(Moment::now())),
            Ok(ToAgent::Start { clock_us }) => {
                let at = instant(clock_us);
                let late = at.elapsed();
                if !late.is_zero() {
                    let text = format!("the signal to start came {late:?} late");
                    self.wire.send(FromAgent::Warning(text));
                }
                *cpu = Cpu::start();
                if let Some(go) = levers.go.take() {
                    go.send(Some(at)).ok();
                }
            }
            Ok(ToAgent::Schedule(stages)) => {
                if let Some(schedule) = &levers.schedule {
                    schedule.send_replace(Schedule::new(stages));
                }
            }
            Ok(ToAgent::Stop) => levers.stop.cancel(),
            // Of the time before the drivers.
            Ok(_) => {}
            // Also after the run's end, when there is nothing left to end.
            Err(_) => levers.end_at_once(),
        }
    }
}
