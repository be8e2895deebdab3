//! Chooses the journeys to follow, and collects one journey's own times. Must not know how the target's times are read.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use super::critical_path::{AnsweredRequest, to_state};
use super::figures::{BudgetFigures, PathEnd, SlowJourney};
use super::journey_trace::{JourneyTrace, TracedPath};
use super::server_timing;
use super::target_times::TargetTimes;
use crate::feed::partition::Partition;
use crate::feed::position::FeedPosition;
use crate::http_client::Reply;

/// Decides which journeys are followed: evenly, up to a number a second.
pub struct Sampler {
    gap: Option<Duration>,
    next: Cell<Option<Instant>>,
}

impl Sampler {
    /// `per_s`: the most journeys a second; 0 for none.
    #[must_use]
    pub fn new(per_s: f64) -> Self {
        Self {
            gap: (per_s > 0.0).then(|| Duration::from_secs_f64(1.0 / per_s)),
            next: Cell::new(None),
        }
    }

    /// Whether a journey that should start at `intended` is followed.
    pub fn takes(&self, intended: Instant) -> bool {
        let Some(gap) = self.gap else {
            return false;
        };
        match self.next.get() {
            Some(next) if intended < next => false,
            next => {
                // Unused places are not made up for, except for less than one gap: arrivals are not exactly a gap apart.
                let earliest = intended.checked_sub(gap).unwrap_or(intended);
                let from = next.map_or(intended, |next| next.max(earliest));
                self.next.set(Some(from + gap));
                true
            }
        }
    }
}

/// An awaited state that was seen.
struct SeenState {
    await_id: usize,
    name: String,
    topic: String,
    partition: u32,
    position: FeedPosition,
    since_us: i64,
    visible_us: i64,
}

impl SeenState {
    fn partition(&self) -> Partition<'_> {
        Partition {
            topic: &self.topic,
            number: self.partition,
        }
    }
}

/// One followed journey.
pub struct JourneySample {
    /// Its trace id.
    pub trace: u128,
    journey: String,
    clock: (Instant, i64),
    from_us: i64,
    ended_us: i64,
    paused: Duration,
    /// Each with its id and the span id that it has carried.
    requests: Vec<(usize, Option<u64>, AnsweredRequest)>,
    seen: Vec<SeenState>,
    /// When the journey is recorded even if the target's times are missing.
    pub deadline: Option<Instant>,
}

/// The most requests, and the most states, kept of one journey; loops may have any number.
const KEPT_MAX: usize = 1_000;

impl JourneySample {
    /// The sample of the journey of this name that should start at `intended`.
    #[must_use]
    pub fn new(trace: u128, journey: &str, intended: Instant) -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall_us = since_epoch.map_or(0, |since| since.as_micros() as i64);
        let mut sample = Self {
            trace,
            journey: journey.to_owned(),
            clock: (Instant::now(), wall_us),
            from_us: 0,
            ended_us: 0,
            paused: Duration::ZERO,
            requests: Vec::new(),
            seen: Vec::new(),
            deadline: None,
        };
        sample.from_us = sample.at_us(intended);
        sample.ended_us = sample.from_us;
        sample
    }

    /// An instant as wall-clock microseconds, by the clock's value at the journey's beginning.
    fn at_us(&self, instant: Instant) -> i64 {
        let (origin, wall_us) = self.clock;
        let micros = |length: Duration| ((length.as_nanos() + 500) / 1_000) as i64;
        match instant.checked_duration_since(origin) {
            Some(after) => wall_us + micros(after),
            None => wall_us - micros(origin - instant),
        }
    }

    /// Adds a pause.
    pub fn paused(&mut self, length: Duration) {
        self.paused += length;
    }

    /// Adds the answer to a step's request, which has carried this span id.
    pub fn answered(
        &mut self,
        (id, name, span): (usize, &str, Option<u64>),
        intended: Instant,
        begun: Instant,
        reply: &Reply,
    ) {
        let Some(times) = reply
            .times
            .as_ref()
            .filter(|_| self.requests.len() < KEPT_MAX)
        else {
            return;
        };
        let header = times.server_timing.as_deref().unwrap_or_default();
        let request = AnsweredRequest {
            step: name.to_owned(),
            intended_us: self.at_us(intended),
            begun_us: self.at_us(begun),
            connected_us: self.at_us(times.connected),
            written_us: self.at_us(times.written),
            first_byte_us: self.at_us(times.first_byte),
            completed_us: self.at_us(reply.completed),
            server: server_timing::parse(header),
        };
        self.ended_us = self.ended_us.max(request.completed_us);
        self.requests.push((id, span, request));
    }

    /// Adds an awaited state that was visible.
    pub fn saw(
        &mut self,
        (await_id, name): (usize, &str),
        (partition, position): (Partition<'_>, FeedPosition),
        since: Instant,
        visible: Instant,
    ) {
        if self.seen.len() < KEPT_MAX {
            let visible_us = self.at_us(visible);
            self.ended_us = self.ended_us.max(visible_us);
            self.seen.push(SeenState {
                await_id,
                name: name.to_owned(),
                topic: partition.topic.to_owned(),
                partition: partition.number,
                position,
                since_us: self.at_us(since),
                visible_us,
            });
        }
    }

    /// Whether the target has reported everything about this journey.
    #[must_use]
    pub fn is_complete(&self, target_times: &TargetTimes) -> bool {
        let complete = |seen: &SeenState| {
            let (partition, position) = (seen.partition(), seen.position);
            let chain = target_times.chain(self.trace, partition, position);
            !chain.is_empty() && target_times.projected(partition, position).is_some()
        };
        self.seen.iter().all(complete)
    }

    /// Combines it with the target's times and records it.
    pub fn record(self, target_times: &TargetTimes, figures: &mut BudgetFigures) -> JourneyTrace {
        let trace = self.trace(target_times, None);
        figures.sampled += 1;
        for path in &trace.paths {
            figures.path(path.end, &path.path);
        }
        let length_us = trace.to_us - trace.from_us - trace.paused_us;
        if figures.is_slow(length_us) {
            let paths = trace.paths.iter();
            figures.journey(SlowJourney {
                trace: trace.trace,
                from_us: trace.from_us,
                length_us,
                paths: paths.map(|p| (p.name.clone(), p.path.clone())).collect(),
            });
        }
        trace
    }

    /// Combines it with the target's times; `failed_at` is the step at which it failed.
    pub fn trace(self, target_times: &TargetTimes, failed_at: Option<&str>) -> JourneyTrace {
        let answered = self.requests.iter().map(|(_, _, request)| request.clone());
        let answered: Vec<AnsweredRequest> = answered.collect();
        let mut paths = Vec::new();
        for (id, span, request) in self.requests {
            paths.push(TracedPath {
                end: PathEnd::Answer(id),
                path: request.path(),
                name: request.step,
                span,
            });
        }
        for seen in self.seen {
            let (partition, position) = (seen.partition(), seen.position);
            let chain = target_times.chain(self.trace, partition, position);
            let projected = target_times.projected(partition, position);
            let path = to_state(seen.since_us, seen.visible_us, &answered, &chain, projected);
            paths.push(TracedPath {
                end: PathEnd::State(seen.await_id),
                name: seen.name,
                span: None,
                path,
            });
        }
        paths.sort_by_key(|path| path.path.to_us());
        JourneyTrace {
            journey: self.journey,
            trace: self.trace,
            from_us: self.from_us,
            to_us: self.ended_us,
            paused_us: self.paused.as_micros() as i64,
            failed_at: failed_at.map(str::to_owned),
            paths,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journeys_are_followed_evenly_up_to_the_rate_and_all_of_them_below_it() {
        let start = Instant::now();
        let taken = |per_s: f64, arrivals_per_s: u64| {
            let sampler = Sampler::new(per_s);
            let at = |n| start + Duration::from_secs(n) / arrivals_per_s as u32;
            (0..10 * arrivals_per_s)
                .filter(|n| sampler.takes(at(*n)))
                .count()
        };
        let rows = [
            (50.0, 200, 500),
            (50.0, 60, 500),
            (50.0, 20, 200),
            (50.0, 50, 500),
            (0.0, 100, 0),
        ];
        for (per_s, arrivals_per_s, expected) in rows {
            let found = taken(per_s, arrivals_per_s);
            assert!(
                found.abs_diff(expected) <= 1,
                "{per_s} of {arrivals_per_s}: {found}"
            );
        }
    }
}
