//! The target's live feed: one WebSocket with every event and with how far the read model has applied them, so that a journey
//! can await a state without polling. Resumes where it was when the connection breaks. Knows only a scenario's awaited topics.

pub mod event_data;
pub mod partition;
pub mod position;
mod reader;
pub mod sightings;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http_client::Target;
use loadgen_scenario::KeySource;
use partition::Partition;
use position::FeedPosition;
pub(crate) use reader::{FeedFrame, FeedReader};
use sightings::{EventMatch, SeenEvent, Sightings};

/// Time limit for opening the feed and for its first message.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between attempts to open a broken feed again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct FeedEvent<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(default)]
    partition: u32,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    aggregate_id: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    position: FeedPosition,
}

/// The feed can't be opened, or its first message is not one of a feed.
#[derive(Debug, thiserror::Error)]
#[error("the live feed at {url} can't be opened: {problem}")]
pub struct FeedError {
    url: String,
    problem: String,
}

/// A state was not seen in time.
#[derive(Debug)]
pub struct AwaitTimeout;

/// A feed; a task on the same thread keeps it open.
pub struct Feed {
    sightings: Rc<RefCell<Sightings>>,
    reconnects: Rc<Cell<u64>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feed {
    /// Opens the feed for the awaited topics and waits for its first message. Must be called within a `LocalSet`.
    pub async fn open<'a>(
        target: &Target,
        awaited: impl IntoIterator<Item = (&'a str, &'a KeySource)>,
    ) -> Result<Self, FeedError> {
        let sightings = Rc::new(RefCell::new(Sightings::new(awaited)));
        let reconnects = Rc::new(Cell::new(0));
        let reader = connect(target, &sightings, false).await?;
        let task = tokio::task::spawn_local(keep_open(
            target.clone(),
            sightings.clone(),
            reconnects.clone(),
            reader,
        ));
        Ok(Self {
            sightings,
            reconnects,
            task,
        })
    }

    /// How often the feed broke and was opened again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.get()
    }

    /// The number of keys whose events were dropped before their journeys had ended, because the limit was reached.
    pub fn forgotten(&self) -> u64 {
        self.sightings.borrow().forgotten
    }

    /// Waits until an event of this key meets the condition and is visible in the read model.
    pub async fn wait(
        &self,
        topic: &str,
        source: &KeySource,
        key: &str,
        condition: EventMatch,
        timeout: Duration,
    ) -> Result<Rc<SeenEvent>, AwaitTimeout> {
        let waiter = self
            .sightings
            .borrow_mut()
            .wait(topic, source, key, condition);
        match tokio::time::timeout(timeout, waiter).await {
            Ok(Ok(event)) => Ok(event),
            _ => Err(AwaitTimeout),
        }
    }

    /// Forgets the events of this key.
    pub fn release(&self, topic: &str, source: &KeySource, key: &str) {
        self.sightings.borrow_mut().release(topic, source, key);
    }
}

async fn connect(
    target: &Target,
    sightings: &Rc<RefCell<Sightings>>,
    again: bool,
) -> Result<FeedReader, FeedError> {
    let path = feed_path(&sightings.borrow(), again);
    let failed = |problem: String| FeedError {
        url: format!("ws://{}{}", target.authority(), target.path(&path)),
        problem,
    };
    let opening = async {
        let mut reader = FeedReader::open(target, &path).await?;
        // The first message says where the feed starts: after it no event is missed.
        let (text, _) = reader.next().await?;
        take(sightings, &text, Instant::now())?;
        Ok(reader)
    };
    match tokio::time::timeout(OPEN_TIMEOUT, opening).await {
        Ok(opened) => opened.map_err(failed),
        Err(_) => Err(failed(format!(
            "no message within {} s",
            OPEN_TIMEOUT.as_secs()
        ))),
    }
}

/// Where the feed is opened; `again`: after what was seen of each partition.
fn feed_path(sightings: &Sightings, again: bool) -> String {
    let topics: Vec<&str> = sightings.topics().collect();
    let mut path = format!("/events?topics={}", topics.join(","));
    if again {
        let seen = sightings.seen();
        let after = seen.map(|(partition, position)| format!("{}={position}", partition.name()));
        path += &format!("&after={}", after.collect::<Vec<_>>().join(","));
    }
    path
}

async fn keep_open(
    target: Target,
    sightings: Rc<RefCell<Sightings>>,
    reconnects: Rc<Cell<u64>>,
    mut reader: FeedReader,
) {
    loop {
        let problem = read(&mut reader, &sightings).await;
        tracing::warn!(
            problem,
            "the live feed's connection broke; opening it again"
        );
        reader = loop {
            match connect(&target, &sightings, true).await {
                Ok(reader) => break reader,
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        };
        reconnects.set(reconnects.get() + 1);
    }
}

/// Until the connection breaks; returns why.
async fn read(reader: &mut FeedReader, sightings: &Rc<RefCell<Sightings>>) -> String {
    loop {
        let (text, read_at) = match reader.next().await {
            Ok(message) => message,
            Err(problem) => return problem,
        };
        if let Err(problem) = take(sightings, &text, read_at) {
            tracing::warn!(problem, "a message on the live feed could not be parsed");
        }
    }
}

fn take(sightings: &Rc<RefCell<Sightings>>, text: &str, read_at: Instant) -> Result<(), String> {
    let frame: FeedFrame<'_, FeedEvent<'_>> = FeedFrame::parse(text)?;
    let mut sightings = sightings.borrow_mut();
    for (partition, position) in &frame.positions {
        match &*frame.kind {
            "hello" => sightings.starts_at(partition, *position),
            "applied" => sightings.applied(partition, *position, read_at),
            _ => {}
        }
    }
    for event in frame.events {
        sightings.event(
            Partition {
                topic: &event.topic,
                number: event.partition,
            },
            &event.aggregate_id,
            &event.action,
            event.data,
            event.position,
            read_at,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(messages: &[&str]) -> Rc<RefCell<Sightings>> {
        let awaited = [("order", &KeySource::AggregateId)];
        let sightings = Rc::new(RefCell::new(Sightings::new(awaited)));
        for message in messages {
            take(&sightings, message, Instant::now()).unwrap();
        }
        sightings
    }

    #[test]
    fn a_feed_is_opened_for_topics_and_again_after_what_was_seen_of_each_partition() {
        let event = |partition: &str, position: &str| {
            format!(
                r#"{{"type":"events","events":[{{"topic":"order"{partition},"action":"entity_created","aggregate_id":"o","data":{{}},"position":"{position}"}}]}}"#
            )
        };
        let hello = r#"{"type":"hello","positions":{"order":"17-0","order.1":"16-2"}}"#;
        let (first, second) = (event("", "18-0"), event(r#","partition":1"#, "16-3"));
        let rows: [(&[&str], &str); 4] = [
            (&[], "order=0-0"),
            (
                &[r#"{"type":"hello","positions":{"order":"17-0"}}"#],
                "order=17-0",
            ),
            (&[hello], "order=17-0,order.1=16-2"),
            (&[hello, &first, &second], "order=18-0,order.1=16-3"),
        ];
        for (messages, after) in rows {
            let seen = seen(messages);
            let (first, again) = (
                feed_path(&seen.borrow(), false),
                feed_path(&seen.borrow(), true),
            );
            assert_eq!(first, "/events?topics=order");
            assert_eq!(again, format!("/events?topics=order&after={after}"));
        }
    }
}
