//! The way of a request, and of an awaited state, as parts that follow each other without a gap. Pure arithmetic on times that are all
//! wall-clock microseconds.

use super::chain::Told;
use super::{
    APPEND, CONNECTION, EARLIER, FEED, HANDLER, PROJECTION, READ, SERVER, SLIP, STREAM_WAIT,
    UNEXPLAINED, WRITE,
};

/// One part of a way: its begin, its end and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
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
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// The intended start.
    pub from_us: i64,
    /// The parts, in order.
    pub legs: Vec<Leg>,
}

impl Way {
    fn from(from_us: i64) -> Self {
        Self {
            from_us,
            legs: Vec::new(),
        }
    }

    /// The way's end.
    #[must_use]
    pub fn to_us(&self) -> i64 {
        self.legs.last().map_or(self.from_us, |leg| leg.to_us)
    }

    fn until(&mut self, part: &str, at: &str, to_us: i64) {
        let from_us = self.to_us();
        if from_us != to_us {
            self.legs.push(Leg {
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
pub struct Exchange {
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

impl Exchange {
    fn sent(&self, way: &mut Way) {
        way.until(SLIP, &self.step, self.begun_us);
        way.until(CONNECTION, &self.step, self.connected_us);
        way.until(WRITE, &self.step, self.written_us);
    }

    /// From its intended start to the answer's last byte.
    #[must_use]
    pub fn way(&self) -> Way {
        let mut way = Way::from(self.intended_us);
        self.sent(&mut way);
        if self.server.is_empty() {
            way.until(SERVER, &self.step, self.first_byte_us);
        } else {
            // The network's share is not known by direction: half of it is put on either side.
            let told: i64 = self.server.iter().map(|(_, length)| length).sum();
            let network = self.first_byte_us - self.written_us - told;
            way.lasting(UNEXPLAINED, &self.step, network / 2);
            for (part, length) in &self.server {
                way.lasting(part, &self.step, *length);
            }
            way.until(UNEXPLAINED, &self.step, self.first_byte_us);
        }
        way.until(READ, &self.step, self.completed_us);
        way
    }
}

/// The way from `since_us` until a state was visible: the request, the events that it led to, and the projection of the last one. Time that
/// is not covered is unexplained.
#[must_use]
pub fn to_state(
    since_us: i64,
    visible_us: i64,
    exchanges: &[Exchange],
    chain: &[&Told],
    projected: Option<Projected>,
) -> Way {
    let mut way = Way::from(since_us);
    if let Some(exchange) = cause(exchanges, chain, visible_us) {
        way.until(EARLIER, "", exchange.intended_us);
        exchange.sent(&mut way);
        // The server's parts before the handler are on the way to the first event.
        let before = exchange.server.iter().position(|(part, _)| part == HANDLER);
        if let (Some(before), Some(first)) = (before, chain.first()) {
            let before = &exchange.server[..before];
            let told: i64 = before.iter().map(|(_, length)| length).sum();
            way.until(UNEXPLAINED, &exchange.step, first.received_at_us - told);
            for (part, length) in before {
                way.lasting(part, &exchange.step, *length);
            }
        }
    }
    for (i, event) in chain.iter().enumerate() {
        let at = match i {
            0 => event.topic.clone(),
            _ => format!("{} → {}", chain[i - 1].topic, event.topic),
        };
        let wait = if i == 0 { UNEXPLAINED } else { STREAM_WAIT };
        way.until(wait, &at, event.received_at_us);
        way.until(HANDLER, &at, event.submitted_at_us);
        way.until(APPEND, &at, event.published_at_us);
    }
    if let (Some(last), Some(projected)) = (chain.last(), projected) {
        let at = format!("{} → read model", last.topic);
        way.until(STREAM_WAIT, &at, projected.received_at_us);
        way.until(PROJECTION, &at, projected.applied_at_us);
        way.until(FEED, "", visible_us);
    }
    way.until(UNEXPLAINED, "", visible_us);
    way
}

/// The request that led to a chain: the one during which its first event was handed to the store, or the nearest one if
/// clocks differ or the answer came earlier.
fn cause<'a>(exchanges: &'a [Exchange], chain: &[&Told], visible_us: i64) -> Option<&'a Exchange> {
    let at = chain.first().map_or(visible_us, |e| e.submitted_at_us);
    exchanges.iter().min_by_key(|exchange| {
        let (from, to) = (exchange.connected_us, exchange.completed_us);
        (from - at).max(at - to).max(0)
    })
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
