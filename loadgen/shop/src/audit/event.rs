//! A recorded event, as a page of `/events/{topic}` has it. Knows the page's JSON; must not know what an event means.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One recorded event, borrowed from its page.
#[derive(Debug, Clone, Deserialize)]
pub struct Event<'a> {
    /// `<ms>-<sequence>`.
    #[serde(borrow)]
    pub position: Cow<'a, str>,
    /// Unique.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// `entity_created`, …
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    /// What it belongs to.
    #[serde(borrow)]
    pub aggregate_id: Cow<'a, str>,
    /// The aggregate's version with this event, from 1.
    pub version: u64,
    /// JSON object.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// Microseconds since the Unix epoch, by the event store's clock.
    pub published_at_us: u64,
    /// The message or event that it follows from.
    #[serde(borrow, default)]
    pub causation_id: Cow<'a, str>,
}

/// A page of events.
#[derive(Debug, Deserialize)]
pub struct EventPage<'a> {
    /// Oldest first.
    #[serde(borrow)]
    pub result: Vec<Event<'a>>,
    /// Where the next page begins; none: this was the last.
    #[serde(borrow, default)]
    pub cursor: Option<Cow<'a, str>>,
}

/// A position, ordered as the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64, pub u64);

impl Position {
    /// Reads `<ms>-<sequence>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, sequence) = text.split_once('-')?;
        Some(Self(ms.parse().ok()?, sequence.parse().ok()?))
    }
}

/// What happened to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Action {
    Created,
    Updated,
    Deleted,
    MailSent,
    StockReserved,
    StockReleased,
    Other,
}

impl Event<'_> {
    /// Its action.
    pub fn action(&self) -> Action {
        match self.action.as_ref() {
            "entity_created" => Action::Created,
            "entity_updated" => Action::Updated,
            "entity_deleted" => Action::Deleted,
            "mail_sent" => Action::MailSent,
            "stock_reserved" => Action::StockReserved,
            "stock_released" => Action::StockReleased,
            _ => Action::Other,
        }
    }

    /// Whether another event made it happen, and not a request: a request's event has its message's id (and a place,
    /// `<id>-3`), a reaction's the id of its cause and what it did, `<id>.cleared`.
    pub fn is_reaction(&self) -> bool {
        match self.event_id.strip_prefix(self.causation_id.as_ref()) {
            Some(suffix) => suffix.starts_with('.'),
            None => true,
        }
    }
}
