//! One connection to a target's feed, and its messages. Whoever reads says what an event is to it; must not know what becomes of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use futures_util::StreamExt;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::position::FeedPosition;
use crate::http_client::{Stream, Target};

/// How much is read at once: the library fills so much with zeros before each read, and most messages are a tenth of it.
const READ_BYTES: usize = 8 << 10;

/// A message of the feed, with events of the kind that its reader needs.
#[derive(Deserialize)]
pub struct FeedFrame<'a, E> {
    /// What it is: `hello` is the first one.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Whether the feed is of sampled requests alone.
    #[serde(default)]
    pub sampled: bool,
    /// By partition: where the feed starts, or up to where the read model has applied.
    #[serde(default)]
    pub positions: HashMap<String, FeedPosition>,
    /// In order.
    #[serde(default = "Vec::new")]
    pub events: Vec<E>,
    /// What the read model has taken at once.
    #[serde(borrow, default)]
    pub batches: Vec<Batch<'a>>,
}

/// A batch of the read model.
#[derive(Deserialize)]
pub struct Batch<'a> {
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    /// The topic's partition.
    #[serde(default)]
    pub partition: u32,
    /// Its last event's position.
    pub to: FeedPosition,
    pub received_at_us: i64,
    pub applied_at_us: i64,
}

impl<'a, E: Deserialize<'a>> FeedFrame<'a, E> {
    /// Reads a message; the error says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| format!("not a message of the feed: {e}"))
    }
}

/// An open connection.
pub struct FeedReader(WebSocketStream<Stream>);

impl FeedReader {
    /// Opens a WebSocket on the target. The error says why it can't.
    pub async fn open(target: &Target, path: &str) -> Result<Self, String> {
        let url = format!("ws://{}{}", target.authority(), target.path(path));
        let mut request = url.into_client_request().map_err(|e| e.to_string())?;
        if let Some(value) = target.authorization() {
            let value = value.parse().map_err(|_| "user and password".to_owned())?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let stream = target.connect().await.map_err(|e| e.to_string())?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let opened =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        opened
            .map(|(socket, _)| Self(socket))
            .map_err(|e| e.to_string())
    }

    /// The next message and when it was read; the error says why there is none any more.
    pub async fn next(&mut self) -> Result<(Utf8Bytes, Instant), String> {
        loop {
            match self.0.next().await {
                // Taken before the message is parsed: parsing is the generator's time, not the target's.
                Some(Ok(Message::Text(text))) => return Ok((text, Instant::now())),
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(e.to_string()),
                None => return Err("closed by the target".to_owned()),
            }
        }
    }
}
