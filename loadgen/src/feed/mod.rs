//! The target's live feed: one WebSocket with every event and with how far the read model has applied them, so that a journey
//! can await a state without polling. Resumes where it was when the connection breaks. Knows only a scenario's awaited topics.

pub mod position;
pub mod sightings;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::http_client::{Stream, Target};
use crate::scenario::KeySource;
use position::Position;
use sightings::{Condition, SeenEvent, Sightings};

/// Time limit for opening the feed and for its first message.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between attempts to open a broken feed again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    positions: HashMap<String, String>,
    #[serde(borrow, default)]
    events: Vec<EventFrame<'a>>,
}

#[derive(Deserialize)]
struct EventFrame<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    aggregate_id: Cow<'a, str>,
    data: Value,
    #[serde(borrow)]
    position: Cow<'a, str>,
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

/// The WebSocket of an open feed.
pub(crate) type Socket = WebSocketStream<Stream>;

/// Opens a WebSocket on the target. The error says why it can't.
pub(crate) async fn open_socket(target: &Target, path: &str) -> Result<Socket, String> {
    let url = format!("ws://{}{}", target.authority(), target.path(path));
    let stream = target.connect().await.map_err(|e| e.to_string())?;
    let opened = tokio_tungstenite::client_async(&url, stream).await;
    opened.map(|(socket, _)| socket).map_err(|e| e.to_string())
}

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
        let socket = connect(target, &sightings, false).await?;
        let task = tokio::task::spawn_local(keep_open(
            target.clone(),
            sightings.clone(),
            reconnects.clone(),
            socket,
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
        condition: Condition,
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
) -> Result<Socket, FeedError> {
    let (topics, after): (Vec<String>, Vec<String>) = sightings
        .borrow()
        .seen()
        .map(|(name, position)| (name.to_owned(), format!("{name}={position}")))
        .unzip();
    let after = if again {
        format!("&after={}", after.join(","))
    } else {
        String::new()
    };
    let path = format!("/events?topics={}{after}", topics.join(","));
    let failed = |problem: String| FeedError {
        url: format!("ws://{}{}", target.authority(), target.path(&path)),
        problem,
    };
    let opening = async {
        let mut socket = open_socket(target, &path).await?;
        // The first message says where the feed starts: after it no event is missed.
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    take(sightings, &text, Instant::now())?;
                    return Ok(socket);
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(e.to_string()),
                None => return Err("closed before its first message".to_owned()),
            }
        }
    };
    match tokio::time::timeout(OPEN_TIMEOUT, opening).await {
        Ok(opened) => opened.map_err(failed),
        Err(_) => Err(failed(format!(
            "no message within {} s",
            OPEN_TIMEOUT.as_secs()
        ))),
    }
}

async fn keep_open(
    target: Target,
    sightings: Rc<RefCell<Sightings>>,
    reconnects: Rc<Cell<u64>>,
    mut socket: Socket,
) {
    loop {
        if let Err(error) = read(&mut socket, &sightings).await {
            tracing::warn!(%error, "the live feed's connection broke; opening it again");
        }
        socket = loop {
            match connect(&target, &sightings, true).await {
                Ok(socket) => break socket,
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        };
        reconnects.set(reconnects.get() + 1);
    }
}

async fn read(
    socket: &mut Socket,
    sightings: &Rc<RefCell<Sightings>>,
) -> Result<(), tungstenite::Error> {
    while let Some(message) = socket.next().await {
        // Taken before the message is parsed: parsing is the generator's time, not the target's.
        let read_at = Instant::now();
        if let Message::Text(text) = message?
            && let Err(problem) = take(sightings, &text, read_at)
        {
            tracing::warn!(problem, "a message on the live feed could not be parsed");
        }
    }
    Ok(())
}

fn take(sightings: &Rc<RefCell<Sightings>>, text: &str, read_at: Instant) -> Result<(), String> {
    let frame: Frame<'_> =
        serde_json::from_str(text).map_err(|e| format!("not a message of the feed: {e}"))?;
    let mut sightings = sightings.borrow_mut();
    for (topic, position) in &frame.positions {
        let position: Position = position.parse()?;
        match &*frame.kind {
            "hello" => sightings.starts_at(topic, position),
            "applied" => sightings.applied(topic, position, read_at),
            _ => {}
        }
    }
    for event in frame.events {
        sightings.event(
            &event.topic,
            &event.aggregate_id,
            &event.action,
            event.data,
            event.position.parse()?,
            read_at,
        );
    }
    Ok(())
}
