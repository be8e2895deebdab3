//! Carries journeys out: a driver is one thread with its own runtime, connections, feed and recorder. Takes arrivals as they are
//! given and keeps to their times; must not know how they were made, nor what a report looks like.

mod closed;
mod cpu_time;
mod journey;
mod open;
mod pacing;
mod request;
mod set_up;
mod shared_values;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use cpu_time::{group_cpu_time, group_cpu_times, process_cpu_time};

use crate::feed::Feed;
use crate::feeder;
use crate::http_client::{HttpClient, Target};
use crate::record::Figures;
use crate::record::ledger::Ledger;
use crate::run_event::{Finished, Interval, Refusal, RunEvent};
use crate::scenario::expression::{Scope, Vars};
use crate::scenario::{Scenario, ThinkTime};
use crate::schedule::Arrivals;

/// How the driver is loaded.
pub enum Load {
    /// Journeys at times fixed in advance.
    Open {
        /// When, which, and with which variables.
        arrivals: Arrivals,
        /// The schedule's length; what is not started soon after it counts as unsent. Without one everything is sent, however late.
        end: Option<Duration>,
    },
    /// Users who wait for their own journeys.
    Closed {
        /// How many.
        users: usize,
        /// Between one user's journeys.
        think_time: ThinkTime,
        /// How long new journeys are started.
        duration: Duration,
    },
}

/// What a driver is given.
pub struct Assignment {
    /// What to do.
    pub scenario: Arc<Scenario>,
    /// Where.
    pub target: Target,
    /// How.
    pub load: Load,
    /// Lists (and other variables) beyond the scenario's parameters, for set-up, feeders and templates.
    pub variables: Vars,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether to note what is created, for an audit.
    pub notes_writes: bool,
    /// Where events go.
    pub events: mpsc::UnboundedSender<RunEvent>,
    /// Told to go after `RunEvent::Ready`.
    pub go: oneshot::Receiver<()>,
    /// Cancelled: no new journeys.
    pub stop: CancellationToken,
}

/// What the tasks of one driver share.
pub(crate) struct Context {
    scenario: Arc<Scenario>,
    http: HttpClient,
    feed: Option<Feed>,
    /// Parameters and lists.
    globals: Vars,
    feeders: RefCell<Vec<feeder::Source>>,
    shared: shared_values::SharedValues,
    figures: RefCell<Figures>,
    /// Only where somebody audits it afterwards.
    ledger: Option<RefCell<Ledger>>,
    in_flight: Cell<usize>,
    started: Cell<u64>,
    seed: u64,
}

impl Context {
    fn rng(&self, number: u64) -> SmallRng {
        // Spreads neighbouring numbers over the seeds (the golden ratio's bits).
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn scope<'a>(layers: &'a [&'a Vars], rng: &'a mut SmallRng) -> Scope<'a> {
        Scope { layers, rng }
    }
}

/// Starts a driver on a thread of its own. It ends after `RunEvent::Finished` or `RunEvent::Failed`.
pub fn spawn(assignment: Assignment) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("driver".into())
        .spawn(move || {
            let events = assignment.events.clone();
            let runtime = match tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime,
                Err(e) => {
                    return drop(events.send(RunEvent::Failed(Refusal::BadInput(format!(
                        "no runtime for the driver: {e}"
                    )))));
                }
            };
            let local = tokio::task::LocalSet::new();
            let outcome = local.block_on(&runtime, drive(assignment));
            // Nobody listens any more when the program is about to end.
            events
                .send(outcome.map_or_else(RunEvent::Failed, RunEvent::Finished))
                .ok();
        })
}

async fn drive(assignment: Assignment) -> Result<Finished, Refusal> {
    let Assignment {
        scenario,
        target,
        load,
        variables,
        seed,
        notes_writes,
        events,
        go,
        stop,
    } = assignment;
    let limits = scenario.limits.clone();
    let awaited = scenario.awaited();
    let feed =
        match awaited.is_empty() {
            true => None,
            false => Some(Feed::open(&target, awaited).await.map_err(|e| {
                Refusal::BadInput(format!("{e}; this scenario awaits states on it"))
            })?),
        };
    let http = HttpClient::new(target, limits.request_timeout, limits.response_bytes_max);
    let mut globals = scenario.parameters.clone();
    globals.extend(variables);
    let mut rng = SmallRng::seed_from_u64(seed);
    let ledger = notes_writes.then(RefCell::default);
    for step in &scenario.setup {
        events
            .send(RunEvent::SetUp {
                step: step.name.clone(),
            })
            .ok();
        let (feed, ledger) = (feed.as_ref(), ledger.as_ref());
        let work = set_up::run(step, &http, feed, &limits, &mut globals, &mut rng, ledger);
        tokio::select! {
            done = work => done.map_err(|e| Refusal::SetUp(format!("set-up step `{}`: {e}", step.name)))?,
            () = stop.cancelled() => return Err(Refusal::SetUp(format!("stopped during set-up step `{}`", step.name))),
        }
    }
    let feeders = scenario
        .feeders
        .iter()
        .map(|f| feeder::Source::new(f, &globals))
        .collect::<Result<_, _>>()
        .map_err(Refusal::BadInput)?;
    let figures = RefCell::new(Figures::new(
        scenario.step_names.len(),
        scenario.await_names.len(),
    ));
    let context = Rc::new(Context {
        scenario,
        http,
        feed,
        globals,
        feeders: RefCell::new(feeders),
        shared: shared_values::SharedValues::default(),
        figures,
        ledger,
        in_flight: Cell::new(0),
        started: Cell::new(0),
        seed,
    });
    events.send(RunEvent::Ready).ok();
    go.await
        .map_err(|_| Refusal::SetUp("the run was given up before its start".to_owned()))?;
    Ok(workload(context, load, events, stop).await)
}

async fn workload(
    context: Rc<Context>,
    load: Load,
    events: mpsc::UnboundedSender<RunEvent>,
    stop: CancellationToken,
) -> Finished {
    let cpu_before = cpu_time::thread_cpu_time();
    let start = Instant::now();
    events
        .send(RunEvent::Started {
            at: start,
            wall_clock: SystemTime::now(),
        })
        .ok();
    let ticker = tokio::task::spawn_local(tell_intervals(context.clone(), start, events.clone()));
    match load {
        Load::Open { arrivals, end } => open::drive(&context, arrivals, end, start, &stop).await,
        Load::Closed {
            users,
            think_time,
            duration,
        } => closed::drive(&context, users, think_time, duration, start, &stop).await,
    }
    let arrivals_end = start.elapsed();
    events
        .send(RunEvent::Draining {
            in_flight: context.in_flight.get(),
        })
        .ok();
    drain(&context).await;
    let drained = start.elapsed();
    ticker.abort();
    let length = Duration::from_nanos((drained.as_nanos() % 1_000_000_000) as u64);
    events
        .send(interval(&context, drained - length, length))
        .ok();
    let feed = context.feed.as_ref();
    if let Some(forgotten) = feed.map(Feed::forgotten).filter(|n| *n > 0) {
        events
            .send(RunEvent::Warning(format!(
                "{forgotten} awaited ids were forgotten for want of room"
            )))
            .ok();
    }
    let cpu = cpu_before
        .zip(cpu_time::thread_cpu_time())
        .map(|(before, after)| after.saturating_sub(before));
    Finished {
        arrivals_end,
        drained,
        cpu,
        feed_reconnects: feed.map_or(0, Feed::reconnects),
        ledger: context.ledger.as_ref().map(RefCell::take),
    }
}

/// Waits for the journeys in flight, within the limit; the rest have failed.
async fn drain(context: &Context) {
    let deadline = Instant::now() + context.scenario.limits.drain_timeout;
    while context.in_flight.get() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut figures = context.figures.borrow_mut();
    for _ in 0..context.in_flight.get() {
        figures.error(
            "journey",
            "unfinished",
            "still in flight when the time to drain was over".into(),
        );
        figures.journeys.failed += 1;
    }
}

async fn tell_intervals(
    context: Rc<Context>,
    start: Instant,
    events: mpsc::UnboundedSender<RunEvent>,
) {
    let second = Duration::from_secs(1);
    for n in 1.. {
        tokio::time::sleep_until((start + second * n).into()).await;
        if events
            .send(interval(&context, second * (n - 1), second))
            .is_err()
        {
            return;
        }
    }
}

fn interval(context: &Context, start: Duration, length: Duration) -> RunEvent {
    let figures = context.figures.borrow_mut().take();
    RunEvent::Interval(Box::new(Interval {
        start,
        length,
        figures,
        in_flight: context.in_flight.get(),
        started: context.started.take(),
    }))
}
