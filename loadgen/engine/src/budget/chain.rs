//! Finds the events that led to an event, by their causation ids. Pure: works on the events of one journey, as the target reported them.

use crate::feed::partition::Partition;
use crate::feed::position::FeedPosition;

/// An event of a sampled journey. Times are microseconds since the Unix epoch, by the target's clocks.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedEvent {
    /// Its topic.
    pub topic: String,
    /// The number of the topic's partition.
    pub partition: u32,
    /// Its position in the partition.
    pub position: FeedPosition,
    /// Its id.
    pub event_id: String,
    /// The id of the event, or message, that caused it.
    pub causation_id: String,
    /// When the handler had received its cause.
    pub received_at_us: i64,
    /// When it was handed to the event store.
    pub submitted_at_us: i64,
    /// When the event store wrote it.
    pub published_at_us: i64,
}

/// The events that led to the one at `last` of a partition: first cause first, the event itself last. Stops at a cause that is not among the events
/// (the request's message, or an event that was missed) or that would make a cycle. Empty if `last` is not among the events.
#[must_use]
pub fn leading_to<'a>(
    events: &'a [ReportedEvent],
    of: Partition<'_>,
    last: FeedPosition,
) -> Vec<&'a ReportedEvent> {
    let mut chain: Vec<&ReportedEvent> = Vec::new();
    let is_last = |event: &&ReportedEvent| {
        (event.topic.as_str(), event.partition) == (of.topic, of.number) && event.position == last
    };
    let mut next = events.iter().find(is_last);
    while let Some(event) = next {
        chain.push(event);
        next = events.iter().find(|cause| {
            cause.event_id == event.causation_id
                && !chain.iter().any(|known| known.event_id == cause.event_id)
        });
    }
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, position: &str, event_id: &str, causation_id: &str) -> ReportedEvent {
        let partition = Partition::parse(name);
        ReportedEvent {
            topic: partition.topic.into(),
            partition: partition.number,
            position: position.parse().unwrap(),
            event_id: event_id.into(),
            causation_id: causation_id.into(),
            received_at_us: 0,
            submitted_at_us: 0,
            published_at_us: 0,
        }
    }

    #[test]
    fn a_chain_is_walked_back_to_what_is_no_event_and_never_round() {
        let events = [
            told("order", "1-0", "o", "message"),
            told("order", "2-0", "o.in_stock", "o"),
            told("shipping", "3-0", "o.in_stock.s", "o.in_stock"),
            told("order", "5-0", "lost.x", "lost"),
            told("order", "6-0", "a", "b"),
            told("order", "7-0", "b", "a"),
            told("order", "8-0", "self", "self"),
            told("order.2", "1-0", "o2", "message"),
            told("shipping.2", "3-0", "o2.s", "o2"),
        ];
        let rows: [(&str, &str, &[&str]); 11] = [
            ("order", "1-0", &["o"]),
            ("order", "2-0", &["o", "o.in_stock"]),
            ("shipping", "3-0", &["o", "o.in_stock", "o.in_stock.s"]),
            ("order", "5-0", &["lost.x"]),
            ("order", "6-0", &["b", "a"]),
            ("order", "8-0", &["self"]),
            ("order", "3-0", &[]),
            ("order", "9-9", &[]),
            ("order.2", "1-0", &["o2"]),
            ("shipping.2", "3-0", &["o2", "o2.s"]),
            ("order.1", "1-0", &[]),
        ];
        for (partition, last, expected) in rows {
            let chain = leading_to(&events, Partition::parse(partition), last.parse().unwrap());
            let ids: Vec<&str> = chain.iter().map(|e| e.event_id.as_str()).collect();
            assert_eq!(ids, expected, "{partition} {last}");
        }
    }
}
