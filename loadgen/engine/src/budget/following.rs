//! The target's side of the sampled journeys: a feed with only their events and their times. A target without
//! such a feed is fine: its times are then unknown. Events are kept until their journey is recorded, within bounds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::figures::BudgetFigures;
use super::journey_trace::JourneyTrace;
use super::sample::JourneySample;
use super::target_times::TargetTimes;
use crate::feed::FeedReader;
use crate::http_client::Target;

/// Time limit for opening the feed and for its first message.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after a journey's end its events are waited for; after that it is recorded without the missing ones.
const EVENT_WAIT: Duration = Duration::from_secs(2);
/// How often the deadlines of waiting journeys are checked.
const LOOK: Duration = Duration::from_millis(100);
/// The most journeys told in full at once; further ones are in the figures only.
const TRACES_MAX: usize = 2_000;

#[derive(Default)]
struct State {
    target_times: TargetTimes,
    waiting: VecDeque<JourneySample>,
    figures: BudgetFigures,
    /// Journeys that have ended and have not been told yet.
    traces: Vec<JourneyTrace>,
}

impl State {
    fn record(&mut self, sample: JourneySample) {
        let trace = sample.trace;
        let told = sample.record(&self.target_times, &mut self.figures);
        self.tell(told);
        self.target_times.forget(trace);
    }

    fn tell(&mut self, trace: JourneyTrace) {
        if self.traces.len() < TRACES_MAX {
            self.traces.push(trace);
        }
    }

    /// Records the waiting journeys that are complete or past their deadline; with `all`, the rest too.
    fn put_together(&mut self, all: bool) {
        let now = Instant::now();
        for _ in 0..self.waiting.len() {
            let Some(sample) = self.waiting.pop_front() else {
                return;
            };
            let late = sample.deadline.is_none_or(|deadline| deadline <= now);
            if all || late || sample.is_complete(&self.target_times) {
                self.record(sample);
            } else {
                self.waiting.push_back(sample);
            }
        }
    }
}

/// Follows the sampled journeys of one driver.
pub struct Following {
    state: Rc<RefCell<State>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Following {
    /// Starts following. Opens the target's feed if `listens` and if it has one. Must be called within a `LocalSet`.
    pub async fn start(target: &Target, listens: bool) -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        let opened = match listens {
            true => tokio::time::timeout(OPEN_TIMEOUT, open(target, &state)).await,
            false => Ok(Err("nothing is awaited".to_owned())),
        };
        let task = match opened {
            Ok(Ok(reader)) => {
                state.borrow_mut().target_times.listens = true;
                Some(tokio::task::spawn_local(listen(reader, state.clone())))
            }
            Ok(Err(problem)) => {
                tracing::debug!(problem, "the target has no feed of sampled requests");
                None
            }
            Err(_) => None,
        };
        Self { state, task }
    }

    /// Follows a journey that begins.
    pub fn begin(&self, trace: u128) {
        self.state.borrow_mut().target_times.begin(trace);
    }

    /// Records a journey that has ended without an error, now or when its events have come.
    pub fn end(&self, mut sample: JourneySample) {
        let mut state = self.state.borrow_mut();
        let listens = state.target_times.listens && state.target_times.is_followed(sample.trace);
        if listens && !sample.is_complete(&state.target_times) {
            sample.deadline = Some(Instant::now() + EVENT_WAIT);
            state.waiting.push_back(sample);
        } else {
            state.record(sample);
        }
    }

    /// A journey has failed at this step: it is told, but its times are in no figure.
    pub fn fail(&self, sample: JourneySample, at: &str) {
        let mut state = self.state.borrow_mut();
        let trace = sample.trace;
        let told = sample.trace(&state.target_times, Some(at));
        state.tell(told);
        state.target_times.forget(trace);
    }

    /// The journeys that have ended since the last call.
    pub fn take_traces(&self) -> Vec<JourneyTrace> {
        std::mem::take(&mut self.state.borrow_mut().traces)
    }

    /// Stops following a journey.
    pub fn give_up(&self, trace: u128) {
        self.state.borrow_mut().target_times.forget(trace);
    }

    /// Returns the figures; waits a little for events still to come.
    pub async fn finish(&self) -> BudgetFigures {
        let until = Instant::now() + EVENT_WAIT;
        while !self.state.borrow().waiting.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut state = self.state.borrow_mut();
        state.put_together(true);
        std::mem::take(&mut state.figures)
    }
}

async fn open(target: &Target, state: &Rc<RefCell<State>>) -> Result<FeedReader, String> {
    let mut reader = FeedReader::open(target, "/events?sampled=true").await?;
    let (text, _) = reader.next().await?;
    match state.borrow_mut().target_times.take(&text)? {
        true => Ok(reader),
        false => Err("its feed is not limited to sampled requests".to_owned()),
    }
}

/// Reads the feed until its connection breaks. It is not opened again.
async fn listen(mut reader: FeedReader, state: Rc<RefCell<State>>) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            message = reader.next() => {
                let Ok((text, _)) = message else {
                    break;
                };
                let mut state = state.borrow_mut();
                if let Err(problem) = state.target_times.take(&text) {
                    tracing::debug!(problem, "a message about sampled requests could not be parsed");
                }
                state.put_together(false);
            }
            _ = looks.tick() => state.borrow_mut().put_together(false),
        }
    }
    let mut state = state.borrow_mut();
    state.target_times.listens = false;
    state.put_together(true);
    tracing::warn!(
        "the feed of sampled requests broke: later journeys lack the times of the target's side"
    );
}
