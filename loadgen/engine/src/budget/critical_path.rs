//! The path of a request, and of an awaited state, as parts that follow each other without a gap. Pure arithmetic on times that are all
//! wall-clock microseconds.

use serde::{Deserialize, Serialize};

use super::chain::ReportedEvent;
use super::parts::{
    APPEND, CONNECTION, EARLIER, FEED, HANDLER, PROJECTION, READ, SERVER, SLIP, STREAM_WAIT,
    UNEXPLAINED, WRITE,
};

/// One part of a path: its begin, its end and its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathSegment {
    /// The part's name.
    pub part: String,
    /// The place, for people; empty if the part's name says it.
    pub at: String,
    /// Begin.
    pub from_us: i64,
    /// End; may be before its begin if clocks differ.
    pub to_us: i64,
}

/// A sequence of parts; each begins where the one before ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// The intended start.
    pub from_us: i64,
    /// The parts, in order.
    pub segments: Vec<PathSegment>,
}

impl CriticalPath {
    fn from(from_us: i64) -> Self {
        Self {
            from_us,
            segments: Vec::new(),
        }
    }

    /// The path's end.
    #[must_use]
    pub fn to_us(&self) -> i64 {
        self.segments
            .last()
            .map_or(self.from_us, |segment| segment.to_us)
    }

    fn until(&mut self, part: &str, at: &str, to_us: i64) {
        let from_us = self.to_us();
        if from_us != to_us {
            self.segments.push(PathSegment {
                part: part.to_owned(),
                at: at.to_owned(),
                from_us,
                to_us,
            });
        }
    }

    fn lasting(&mut self, part: &str, at: &str, length_us: i64) {
        self.until(part, at, self.to_us() + length_us);
    }
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredRequest {
    /// The step's name.
    pub step: String,
    /// When it should have been sent.
    pub intended_us: i64,
    /// When its turn came.
    pub begun_us: i64,
    /// When it had a connection.
    pub connected_us: i64,
    /// When its last byte was written.
    pub written_us: i64,
    /// When the answer's first byte was read.
    pub first_byte_us: i64,
    /// When the answer's last byte was read.
    pub completed_us: i64,
    /// The server's own parts, in order: names and microseconds.
    pub server: Vec<(String, i64)>,
}

/// When the read model received and applied a batch of events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projected {
    /// When it had received the events.
    pub received_at_us: i64,
    /// When their changes were visible.
    pub applied_at_us: i64,
}

impl AnsweredRequest {
    fn sent(&self, path: &mut CriticalPath) {
        path.until(SLIP, &self.step, self.begun_us);
        path.until(CONNECTION, &self.step, self.connected_us);
        path.until(WRITE, &self.step, self.written_us);
    }

    /// From its intended start to the answer's last byte.
    #[must_use]
    pub fn path(&self) -> CriticalPath {
        let mut path = CriticalPath::from(self.intended_us);
        self.sent(&mut path);
        if self.server.is_empty() {
            path.until(SERVER, &self.step, self.first_byte_us);
        } else {
            // The network's share is not known by direction: half of it is put on either side.
            let told: i64 = self.server.iter().map(|(_, length)| length).sum();
            let network = self.first_byte_us - self.written_us - told;
            path.lasting(UNEXPLAINED, &self.step, network / 2);
            for (part, length) in &self.server {
                path.lasting(part, &self.step, *length);
            }
            path.until(UNEXPLAINED, &self.step, self.first_byte_us);
        }
        path.until(READ, &self.step, self.completed_us);
        path
    }
}

/// The path from `since_us` until a state was visible: the request, the events that it led to, and the projection of the last one. Time that
/// is not covered is unexplained.
#[must_use]
pub fn to_state(
    since_us: i64,
    visible_us: i64,
    requests: &[AnsweredRequest],
    chain: &[&ReportedEvent],
    projected: Option<Projected>,
) -> CriticalPath {
    let mut path = CriticalPath::from(since_us);
    if let Some(request) = cause(requests, chain, visible_us) {
        path.until(EARLIER, "", request.intended_us);
        request.sent(&mut path);
        // The server's parts before the handler are on the path to the first event.
        let before = request.server.iter().position(|(part, _)| part == HANDLER);
        if let (Some(before), Some(first)) = (before, chain.first()) {
            let before = &request.server[..before];
            let told: i64 = before.iter().map(|(_, length)| length).sum();
            path.until(UNEXPLAINED, &request.step, first.received_at_us - told);
            for (part, length) in before {
                path.lasting(part, &request.step, *length);
            }
        }
    }
    for (i, event) in chain.iter().enumerate() {
        let at = match i {
            0 => event.topic.clone(),
            _ => format!("{} → {}", chain[i - 1].topic, event.topic),
        };
        let wait = if i == 0 { UNEXPLAINED } else { STREAM_WAIT };
        path.until(wait, &at, event.received_at_us);
        path.until(HANDLER, &at, event.submitted_at_us);
        path.until(APPEND, &at, event.published_at_us);
    }
    if let (Some(last), Some(projected)) = (chain.last(), projected) {
        let at = format!("{} → read model", last.topic);
        path.until(STREAM_WAIT, &at, projected.received_at_us);
        path.until(PROJECTION, &at, projected.applied_at_us);
        path.until(FEED, "", visible_us);
    }
    path.until(UNEXPLAINED, "", visible_us);
    path
}

/// The request that led to a chain: the one during which its first event was handed to the store, or the nearest one if
/// clocks differ or the answer came earlier.
fn cause<'a>(
    requests: &'a [AnsweredRequest],
    chain: &[&ReportedEvent],
    visible_us: i64,
) -> Option<&'a AnsweredRequest> {
    let at = chain.first().map_or(visible_us, |e| e.submitted_at_us);
    requests.iter().min_by_key(|request| {
        let (from, to) = (request.connected_us, request.completed_us);
        (from - at).max(at - to).max(0)
    })
}

#[cfg(test)]
#[path = "critical_path_tests.rs"]
mod tests;
