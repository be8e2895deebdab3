//! The target's side of the sampled journeys: a feed with only their events and their times. A target without
//! such a feed is fine: its times are then unknown. Events are kept until their journey is recorded, within bounds.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::chain::{self, Told};
use super::figures::BudgetFigures;
use super::sample::Sample;
use super::way::Projected;
use crate::feed::position::Position;
use crate::feed::{Socket, open_socket};
use crate::http_client::Target;

/// Time limit for opening the feed and for its first message.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after a journey's end its events are waited for; after that it is recorded without the missing ones.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the deadlines of waiting journeys are checked.
const LOOK: Duration = Duration::from_millis(100);
/// The most journeys followed at once; further ones are recorded without the target's side.
const JOURNEYS_MAX: usize = 20_000;
/// The most events kept of one journey.
const EVENTS_MAX: usize = 256;
/// The most batches of the read model kept per topic.
const BATCHES_MAX: usize = 4_096;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    sampled: bool,
    #[serde(borrow, default)]
    events: Vec<EventFrame<'a>>,
    #[serde(borrow, default)]
    batches: Vec<BatchFrame<'a>>,
}

#[derive(Deserialize)]
struct EventFrame<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    position: Cow<'a, str>,
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    #[serde(borrow)]
    causation_id: Cow<'a, str>,
    published_at_us: i64,
    received_at_us: i64,
    submitted_at_us: i64,
}

#[derive(Deserialize)]
struct BatchFrame<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    received_at_us: i64,
    applied_at_us: i64,
}

/// What the target has reported.
#[derive(Default)]
pub struct Heard {
    /// Whether there is a feed.
    listens: bool,
    /// Events of current journeys, by trace id.
    events: HashMap<u128, Vec<Told>>,
    /// Batches by topic, each with its last event's position.
    batches: HashMap<String, VecDeque<(Position, Projected)>>,
}

impl Heard {
    /// The events of a journey that led to the one at `last`.
    pub(super) fn chain(&self, trace: u128, topic: &str, last: Position) -> Vec<&Told> {
        let events = self.events.get(&trace).map_or(&[][..], Vec::as_slice);
        chain::leading_to(events, topic, last)
    }

    /// When the read model received and applied an event.
    pub(super) fn projected(&self, topic: &str, position: Position) -> Option<Projected> {
        let batches = self.batches.get(topic)?;
        let at = batches.partition_point(|(to, _)| *to < position);
        batches.get(at).map(|(_, projected)| *projected)
    }

    fn begin(&mut self, trace: u128) {
        if self.listens && self.events.len() < JOURNEYS_MAX {
            self.events.insert(trace, Vec::new());
        }
    }

    fn take(&mut self, text: &str) -> Result<bool, String> {
        let frame: Frame<'_> =
            serde_json::from_str(text).map_err(|e| format!("not a message of the feed: {e}"))?;
        for event in frame.events {
            let trace = u128::from_str_radix(&event.correlation_id, 16).unwrap_or_default();
            // Events of other generators, or of journeys given up, are ignored.
            if let Some(events) = self.events.get_mut(&trace)
                && events.len() < EVENTS_MAX
            {
                events.push(Told {
                    topic: event.topic.into_owned(),
                    position: event.position.parse()?,
                    event_id: event.event_id.into_owned(),
                    causation_id: event.causation_id.into_owned(),
                    received_at_us: event.received_at_us,
                    submitted_at_us: event.submitted_at_us,
                    published_at_us: event.published_at_us,
                });
            }
        }
        for batch in frame.batches {
            let batches = self.batches.entry(batch.topic.into_owned()).or_default();
            let to = batch.to.parse()?;
            // Batches come in order; a repeated one is ignored.
            if batches.back().is_none_or(|(last, _)| *last < to) {
                if batches.len() == BATCHES_MAX {
                    batches.pop_front();
                }
                let (received_at_us, applied_at_us) = (batch.received_at_us, batch.applied_at_us);
                let projected = Projected {
                    received_at_us,
                    applied_at_us,
                };
                batches.push_back((to, projected));
            }
        }
        Ok(frame.kind == "hello" && frame.sampled)
    }
}

#[derive(Default)]
struct State {
    heard: Heard,
    waiting: VecDeque<Sample>,
    figures: BudgetFigures,
}

impl State {
    /// Records the waiting journeys that are complete or past their deadline; with `all`, the rest too.
    fn put_together(&mut self, all: bool) {
        let now = Instant::now();
        for _ in 0..self.waiting.len() {
            let Some(sample) = self.waiting.pop_front() else {
                return;
            };
            let late = sample.deadline.is_none_or(|deadline| deadline <= now);
            if all || late || sample.is_told(&self.heard) {
                let trace = sample.trace;
                sample.record(&self.heard, &mut self.figures);
                self.heard.events.remove(&trace);
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
            Ok(Ok(socket)) => {
                state.borrow_mut().heard.listens = true;
                Some(tokio::task::spawn_local(listen(socket, state.clone())))
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
        self.state.borrow_mut().heard.begin(trace);
    }

    /// Records a journey that has ended without an error, now or when its events have come.
    pub fn end(&self, mut sample: Sample) {
        let mut state = self.state.borrow_mut();
        let listens = state.heard.listens && state.heard.events.contains_key(&sample.trace);
        if listens && !sample.is_told(&state.heard) {
            sample.deadline = Some(Instant::now() + PATIENCE);
            state.waiting.push_back(sample);
        } else {
            let State { heard, figures, .. } = &mut *state;
            let trace = sample.trace;
            sample.record(heard, figures);
            heard.events.remove(&trace);
        }
    }

    /// Stops following a journey.
    pub fn give_up(&self, trace: u128) {
        self.state.borrow_mut().heard.events.remove(&trace);
    }

    /// Returns the figures; waits a little for events still to come.
    pub async fn finish(&self) -> BudgetFigures {
        let until = Instant::now() + PATIENCE;
        while !self.state.borrow().waiting.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut state = self.state.borrow_mut();
        state.put_together(true);
        std::mem::take(&mut state.figures)
    }
}

async fn open(target: &Target, state: &Rc<RefCell<State>>) -> Result<Socket, String> {
    let mut socket = open_socket(target, "/events?sampled=true").await?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return match state.borrow_mut().heard.take(&text)? {
                    true => Ok(socket),
                    false => Err("its feed is not limited to sampled requests".to_owned()),
                };
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(e.to_string()),
            None => return Err("closed before its first message".to_owned()),
        }
    }
}

/// Reads the feed until the socket breaks. It is not opened again.
async fn listen(mut socket: Socket, state: Rc<RefCell<State>>) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let mut state = state.borrow_mut();
                    if let Err(problem) = state.heard.take(&text) {
                        tracing::debug!(problem, "a message about sampled requests could not be parsed");
                    }
                    state.put_together(false);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            _ = looks.tick() => state.borrow_mut().put_together(false),
        }
    }
    let mut state = state.borrow_mut();
    state.heard.listens = false;
    state.put_together(true);
    tracing::warn!(
        "the feed of sampled requests broke: later journeys lack the times of the target's side"
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use super::*;

    #[test]
    fn events_are_kept_of_journeys_under_way_alone_and_batches_are_found_by_position() {
        let mut heard = Heard {
            listens: true,
            ..Heard::default()
        };
        heard.begin(10);
        let event = |trace: &str, position: &str| {
            format!(
                r#"{{"topic":"order","position":"{position}","event_id":"{position}","correlation_id":"{trace}",
               "causation_id":"m","published_at_us":3,"received_at_us":1,"submitted_at_us":2,"data":{{"x":[1]}},"version":1}}"#
            )
        };
        let (mine, others) = (event("0000000a", "5-1"), event("0000000b", "5-2"));
        let batch = |to: &str, at: i64| {
            format!(
                r#"{{"topic":"order","to":"{to}","received_at_us":{at},"applied_at_us":{}}}"#,
                at + 1
            )
        };
        let (one, two) = (batch("5-1", 10), batch("7-0", 20));
        heard
            .take(&format!(
                r#"{{"type":"events","events":[{mine},{others}]}}"#
            ))
            .unwrap();
        heard
            .take(&format!(
                r#"{{"type":"projected","batches":[{one},{two},{one}]}}"#
            ))
            .unwrap();

        let at = |text: &str| text.parse::<Position>().unwrap();
        assert_eq!(heard.chain(10, "order", at("5-1")).len(), 1);
        assert!(heard.chain(11, "order", at("5-2")).is_empty());
        let received = |position| {
            heard
                .projected("order", at(position))
                .map(|p| p.received_at_us)
        };
        assert_eq!(received("5-1"), Some(10));
        assert_eq!(received("5-2"), Some(20));
        assert_eq!(received("7-1"), None);
    }

    #[test]
    fn only_a_feed_that_says_it_is_of_sampled_requests_is_one() {
        let said = |text| Heard::default().take(text);
        assert_eq!(
            said(r#"{"type":"hello","sampled":true,"positions":{}}"#),
            Ok(true)
        );
        assert_eq!(
            said(r#"{"type":"hello","positions":{"order":"1-0"}}"#),
            Ok(false)
        );
        assert!(said("hello").is_err());
    }
}
