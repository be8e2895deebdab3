//! A recorded event, as read from a page of `/events/{partition}`. Knows the page's JSON; must not know what an event means.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use loadgen_engine::feed::partition::Partition;

/// One recorded event, borrowed from its page.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditEvent<'a> {
    /// The position in the stream: `<ms>-<sequence>`.
    #[serde(borrow)]
    pub position: Cow<'a, str>,
    /// The unique id of the event.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// The action, such as `entity_created`.
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    /// The id of the event's aggregate.
    #[serde(borrow)]
    pub aggregate_id: Cow<'a, str>,
    /// The aggregate's version with this event, from 1.
    pub version: u64,
    /// The event's data, a JSON object.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// Microseconds since the Unix epoch, by the event store's clock.
    pub published_at_us: u64,
    /// The id of the message or event that caused this event.
    #[serde(borrow, default)]
    pub causation_id: Cow<'a, str>,
    /// The id of the trace of the request that began it all: 32 hex digits, or any other text.
    #[serde(borrow, default)]
    pub correlation_id: Cow<'a, str>,
    /// Whether it is in an archive, and no longer in the shop.
    #[serde(skip)]
    pub is_archived: bool,
}

/// A page of events.
#[derive(Debug, Deserialize)]
pub struct EventPage<'a> {
    /// The events, oldest first.
    #[serde(borrow)]
    pub result: Vec<AuditEvent<'a>>,
    /// Where the next page begins; `None` on the last page.
    #[serde(borrow, default)]
    pub cursor: Option<Cow<'a, str>>,
}

/// A position in the stream of a partition, in the stream's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition(pub u64, pub u64);

impl EventPosition {
    /// Parses `<ms>-<sequence>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, sequence) = text.split_once('-')?;
        Some(Self(ms.parse().ok()?, sequence.parse().ok()?))
    }
}

/// The action of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum EventAction {
    Created,
    Updated,
    Deleted,
    MailSent,
    StockReserved,
    StockReleased,
    Archived,
    Other,
}

impl AuditEvent<'_> {
    /// The parsed action.
    pub fn action(&self) -> EventAction {
        match self.action.as_ref() {
            "entity_created" => EventAction::Created,
            "entity_updated" => EventAction::Updated,
            "entity_deleted" => EventAction::Deleted,
            "mail_sent" => EventAction::MailSent,
            "stock_reserved" => EventAction::StockReserved,
            "stock_released" => EventAction::StockReleased,
            "entity_archived" => EventAction::Archived,
            _ => EventAction::Other,
        }
    }

    /// Whether a request caused this event directly.
    pub fn is_request(&self) -> bool {
        !self.causation_id.is_empty() && !self.is_reaction()
    }

    /// The end of the millisecond in which the request that caused this event was received, in microseconds since the Unix epoch. Known where
    /// the event's id is a UUID of version 7 (RFC 9562, 5.7), because that begins with its time; a shop with partitions adds their number.
    pub fn received_by_us(&self) -> Option<u64> {
        let id = Partition::parse(&self.event_id).topic;
        let bytes = id.as_bytes();
        let is_v7 = bytes.len() == 32
            && bytes[12] == b'7'
            && matches!(bytes[16], b'8' | b'9' | b'a' | b'b');
        let ms = is_v7.then(|| id.get(..12)).flatten()?;
        Some((u64::from_str_radix(ms, 16).ok()? + 1) * 1_000)
    }

    /// Whether another event caused this event, not a request. The id of a request's event is its message's id, with an index for arrays
    /// (`<id>-3`). The id of a reaction is its cause's id and what it did (`<id>.cleared`, and `<id>-3.ordered.1` of the cart of the array's
    /// third order). A dot before a number is a partition's (`<id>.3-5`), not what a reaction did.
    pub fn is_reaction(&self) -> bool {
        let Some(suffix) = self.event_id.strip_prefix(self.causation_id.as_ref()) else {
            return true;
        };
        let mut deeds = suffix.split('.').skip(1);
        deeds.any(|deed| !deed.starts_with(|first: char| first.is_ascii_digit()))
    }

    /// The trace that it belongs to, as a `traceparent` names it.
    pub fn trace(&self) -> Option<u128> {
        u128::from_str_radix(&self.correlation_id, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A UUID of version 7 whose time is 3 ms after the epoch.
    const ID: &str = "00000000000370008000000000000000";

    fn event(suffix: &str, cause: &str) -> AuditEvent<'static> {
        let text = format!(
            r#"{{"position":"1-0","event_id":"{ID}{suffix}","causation_id":"{ID}{cause}","action":"entity_created","aggregate_id":"a","version":1,"published_at_us":1,"data":{{}}}}"#
        );
        serde_json::from_str(text.leak()).unwrap()
    }

    #[test]
    fn a_reaction_is_named_after_its_deed_and_a_partition_is_no_deed() {
        for (suffix, cause, is_reaction) in [
            ("", "", false),
            ("-3", "", false),
            (".3", ".3", false),
            (".3-5", ".3", false),
            (".3", "", false),
            (".3-5", "", false),
            (".cleared", "", true),
            ("-3.ordered.1", "", true),
            (".3.cleared", ".3", true),
            (".3-5.ordered.1", ".3", true),
            (".3.stock_reserved.0", ".3", true),
            ("-3", "-4", true),
        ] {
            let event = event(suffix, cause);
            assert_eq!(event.is_reaction(), is_reaction, "{suffix} of {cause}");
        }
    }

    #[test]
    fn a_request_s_time_is_in_its_event_s_id_whichever_partition_it_names() {
        for (suffix, by_us) in [
            ("", Some(4_000)),
            (".3", Some(4_000)),
            (".x", None),
            ("-3", None),
        ] {
            assert_eq!(event(suffix, "").received_by_us(), by_us, "{suffix}");
        }
    }
}
