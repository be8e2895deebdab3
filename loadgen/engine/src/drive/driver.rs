//! One driver, from connecting to its final figures. It waits until all drivers are ready, starts at the given time, drains,
//! and reports its figures once a second.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::assignment::Load;
use super::clients::{Clients, Targets};
use super::context::{Context, UnderWay};
use super::event::{Driven, DriverEvent, Finished, Interval, Refusal};
use super::notes::Notes;
use super::pauses::Pauses;
use super::self_watch::SelfWatch;
use super::{closed, open, shared_values};
use crate::budget::{Sampler, following::Following};
use crate::feed::Feed;
use crate::http_client::Target;
use crate::record::Figures;
use crate::record::ledger::Meanings;
use loadgen_scenario::Scenario;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::feeder;
use loadgen_scenario::share::Share;

/// Tasks that run before sockets and timers are polled again: few, or a burst of answers would make arrivals late.
const TASKS_PER_LOOK: u32 = 31;

/// The input of one driver.
pub struct Driver {
    pub scenario: Arc<Scenario>,
    pub targets: Targets,
    pub share: Share,
    /// Its share of each workload.
    pub loads: Vec<Load>,
    /// Parameters, and the lists that set-up made.
    pub globals: Arc<Vars>,
    pub seed: u64,
    /// Whether to note what is created, for an audit.
    pub meanings: Option<&'static dyn Meanings>,
    pub events: mpsc::UnboundedSender<DriverEvent>,
    /// The schedule's start, sent after `DriverEvent::Ready`.
    pub start: oneshot::Receiver<Instant>,
    pub stop: CancellationToken,
    /// When cancelled, it ends at once, without figures.
    pub abort: Option<CancellationToken>,
}

/// A runtime for this thread alone: its tasks need no lock.
pub fn runtime() -> Result<LocalRuntime, Refusal> {
    Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS_PER_LOOK)
        .build_local(LocalOptions::default())
        .map_err(|e| Refusal::BadInput(format!("can't start a driver's runtime: {e}")))
}

/// Opens the live feed, if the scenario awaits anything on it.
pub async fn open_feed(scenario: &Scenario, target: &Target) -> Result<Option<Feed>, Refusal> {
    let awaited = scenario.awaited();
    if awaited.is_empty() {
        return Ok(None);
    }
    let feed = Feed::open(target, awaited).await;
    feed.map(Some)
        .map_err(|e| Refusal::BadInput(format!("{e}; this scenario awaits states on it")))
}

impl Driver {
    /// Runs on the calling thread.
    pub fn run(self) -> Result<Finished, Refusal> {
        let abort = self.abort.clone();
        runtime()?.block_on(async {
            let Some(abort) = abort else {
                return self.drive().await;
            };
            tokio::select! {
                biased;
                ended = self.drive() => ended,
                () = abort.cancelled() => Err(Refusal::SetUp("stopped at once".to_owned())),
            }
        })
    }

    async fn drive(self) -> Result<Finished, Refusal> {
        let scenario = self.scenario;
        let limits = scenario.limits.clone();
        let feeders = scenario
            .feeders
            .iter()
            .map(|f| feeder::FeederCursor::new(f, &self.globals, self.share))
            .collect::<Result<_, _>>()
            .map_err(Refusal::BadInput)?;
        let feed = open_feed(&scenario, &self.targets.main).await?;
        let share = 1.0 / self.share.of as f64;
        let sampled_per_s = match scenario.workloads.iter().any(|w| w.traceparent) {
            true => limits.sampled_per_s * share,
            false => 0.0,
        };
        let listens = feed.is_some() && sampled_per_s > 0.0;
        let following = Following::start(&self.targets.main, listens).await;
        let pauses = Pauses::start().map_err(|e| {
            Refusal::BadInput(format!(
                "the operating system grants no timer for pauses: {e}"
            ))
        })?;
        let clients = Clients::new(self.targets, &scenario, self.share);
        let figures = Figures::new(
            scenario.step_names.len(),
            scenario.await_names.len(),
            scenario.workloads.len(),
        );
        let workloads = scenario.workloads.iter();
        let workloads = workloads.map(|_| UnderWay::new(self.stop.child_token()));
        let context = Rc::new(Context {
            share: self.share,
            in_flight_max: self.share.part(limits.in_flight_max),
            workloads: workloads.collect(),
            scenario,
            clients,
            feed,
            sampler: Sampler::new(sampled_per_s),
            following,
            pauses,
            globals: self.globals,
            feeders: RefCell::new(feeders),
            shared: shared_values::SharedValues::default(),
            figures: RefCell::new(figures),
            notes: self.meanings.map(Notes::new),
            started: Cell::new(0),
            reported_s: Cell::new(0),
            seed: self.seed,
        });
        self.events.send(DriverEvent::Ready).ok();
        let start = self
            .start
            .await
            .map_err(|_| Refusal::SetUp("the run was cancelled before its start".to_owned()))?;
        Ok(carry_out(context, self.loads, start, &self.events, &self.stop).await)
    }
}

async fn carry_out(
    context: Rc<Context>,
    loads: Vec<Load>,
    start: Instant,
    events: &mpsc::UnboundedSender<DriverEvent>,
    stop: &CancellationToken,
) -> Finished {
    let self_watch = Rc::new(SelfWatch::start());
    let watching = self_watch.clone();
    let watch = tokio::task::spawn_local(async move { watching.watch().await });
    let ticker = tokio::task::spawn_local(tell_intervals(context.clone(), start, events.clone()));
    let driven = loads.into_iter().enumerate().map(|(workload, load)| {
        let context = &context;
        async move {
            match load {
                Load::Open { arrivals } => open::drive(context, workload, arrivals, start).await,
                Load::Closed { crowd, think_time } => {
                    closed::drive(context, workload, crowd, think_time, start).await
                }
            }
            let arrivals_end = start.elapsed();
            if context.workloads[workload].stop.is_cancelled() && !stop.is_cancelled() {
                let text = exhausted(&context.scenario.workloads[workload].name, arrivals_end);
                events.send(DriverEvent::Warning(text)).ok();
            }
            arrivals_end
        }
    });
    let ends = join_all(driven).await;
    let arrivals_end = ends.iter().max().copied().unwrap_or_default();
    events
        .send(DriverEvent::Draining {
            in_flight: context.in_flight(),
        })
        .ok();
    drain(&context).await;
    let drained = start.elapsed();
    let budget = Box::new(context.following.finish().await);
    ticker.abort();
    watch.abort();
    // The rest since the last tick: the ticker's next tick may have been due but not run yet.
    let reported = Duration::from_secs(context.reported_s.get());
    let length = drained.saturating_sub(reported);
    events.send(interval(&context, reported, length)).ok();
    let feed = context.feed.as_ref();
    if let Some(forgotten) = feed.map(Feed::forgotten).filter(|n| *n > 0) {
        events
            .send(DriverEvent::Warning(format!(
                "{forgotten} awaited ids were dropped: the feed's buffer was full"
            )))
            .ok();
    }
    let driven = ends.into_iter().zip(&context.workloads);
    let driven = driven.map(|(arrivals_end, under_way)| {
        let last_end = under_way.last_end.get().map(|at| at - start);
        let last_end = last_end.filter(|_| under_way.in_flight.get() == 0);
        Driven {
            arrivals_end,
            drained: last_end.map_or(drained, |at| at.max(arrivals_end)),
        }
    });
    Finished {
        arrivals_end,
        drained,
        workloads: driven.collect(),
        budget,
        feed_reconnects: feed.map_or(0, Feed::reconnects),
        connections: context.clients.figures(),
        ledger: context.notes.as_ref().map(Notes::take),
        drivers: vec![self_watch.health(context.clients.generator_errors())],
        agents: Vec::new(),
    }
}

/// What is said of a feeder that ends a workload.
fn exhausted(workload: &str, at: Duration) -> String {
    let of = match workload {
        "" => String::new(),
        name => format!(" of `{name}`"),
    };
    format!(
        "a feeder had no more values after {:.1} s: no more journeys{of} were started after that",
        at.as_secs_f64()
    )
}

/// Waits for the journeys in flight, up to the limit; the rest count as failed.
async fn drain(context: &Context) {
    let deadline = Instant::now() + context.scenario.limits.drain_timeout;
    while context.in_flight() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut figures = context.figures.borrow_mut();
    for (workload, under_way) in context.workloads.iter().enumerate() {
        for _ in 0..under_way.in_flight.get() {
            figures.error(
                "journey",
                "unfinished",
                "still in flight at the end of the drain timeout".into(),
            );
            let counts = figures.counts(workload);
            counts.failed += 1;
            counts.failed_elsewhere += 1;
        }
    }
}

async fn tell_intervals(
    context: Rc<Context>,
    start: Instant,
    events: mpsc::UnboundedSender<DriverEvent>,
) {
    let second = Duration::from_secs(1);
    for n in 1.. {
        tokio::time::sleep_until((start + second * n).into()).await;
        context.reported_s.set(u64::from(n));
        if events
            .send(interval(&context, second * (n - 1), second))
            .is_err()
        {
            return;
        }
    }
}

fn interval(context: &Context, start: Duration, length: Duration) -> DriverEvent {
    let figures = context.figures.borrow_mut().take();
    DriverEvent::Interval(Box::new(Interval {
        start,
        length,
        figures,
        in_flight: context.in_flight(),
        started: context.started.take(),
        traces: context.following.take_traces(),
        agents_cpu_pct: Vec::new(),
    }))
}
