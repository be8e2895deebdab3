//! One WebSocket of the live feed: sends hello, history if it was asked for, then live events until either side closes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};

use crate::shared::Shared;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use super::wish::Wish;
use crate::hub::frame::{self, Frame};
use crate::hub::outbox::Outbox;

/// How long a new client waits until its topics are followed.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sending a close frame may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Events per read of the history.
const HISTORY_PAGE: usize = 1000;

/// Why a socket ends: the client has disconnected, or we close with a code and a reason.
enum End {
    Gone,
    Close(u16, &'static str),
}

/// Serves one client until its socket ends.
pub(super) async fn run(shared: &Arc<Shared>, socket: WebSocket, wish: Wish) {
    let outbox = shared.hub.listen(wish.sampled);
    let (sink, stream) = socket.split();
    let mut client = Client {
        shared,
        topics: wish.topics().collect(),
        all: wish.topics.iter().all(|wanted| *wanted),
        sent: Positions::NONE,
        sink,
    };
    let end = tokio::select! {
        end = client.send(&outbox, &wish.after) => end,
        end = listen(stream, shared.config.feed.ping_ms) => end,
        () = outbox.too_slow.cancelled() => End::Close(close_code::AGAIN, "too slow: too much is waiting to be sent; reconnect with after="),
        () = shared.shutdown.cancelled() => End::Close(close_code::AWAY, "the gateway is shutting down"),
    };
    shared.hub.leave(&outbox);
    if let End::Close(code, reason) = end {
        let close = Message::Close(Some(CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        }));
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, client.sink.send(close)).await;
    }
}

/// Reads the client's pongs and its close; ends when nothing arrives for three ping intervals.
async fn listen(mut stream: SplitStream<WebSocket>, ping_ms: u64) -> End {
    loop {
        let silence = Duration::from_millis(ping_ms * 3);
        match tokio::time::timeout(silence, stream.next()).await {
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return End::Gone,
            Ok(Some(Ok(_))) => {}
            Err(_) => return End::Close(close_code::POLICY, "no pong for three pings"),
        }
    }
}

struct Client<'a> {
    shared: &'a Arc<Shared>,
    topics: Vec<Topic>,
    /// Whether the client subscribed to every topic.
    all: bool,
    /// The last position sent, by topic.
    sent: Positions,
    sink: SplitSink<WebSocket, Message>,
}

impl Client<'_> {
    async fn send(&mut self, outbox: &Outbox, after: &Positions) -> End {
        let Err(end) = self.send_all(outbox, after).await;
        end
    }

    async fn send_all(
        &mut self,
        outbox: &Outbox,
        after: &Positions,
    ) -> Result<std::convert::Infallible, End> {
        let hub = &self.shared.hub;
        let away = End::Close(
            close_code::AGAIN,
            "the event store is not available; try again",
        );
        if after.is_empty() {
            let joined = tokio::time::timeout(START_TIMEOUT, hub.join(outbox, &self.topics)).await;
            self.sent = joined.map_err(|_| away)?;
            self.text(frame::hello(&self.sent, outbox.sampled)).await?;
        } else {
            let live = tokio::time::timeout(START_TIMEOUT, hub.live(&self.topics)).await;
            let live = live.map_err(|_| away)?;
            for topic in &self.topics {
                if let Some(start) = after.get(*topic).or(live.get(*topic)) {
                    self.sent.raise(*topic, start);
                }
            }
            self.text(frame::hello(&self.sent, outbox.sampled)).await?;
            // Read most of the history first, so that few live events have to wait while the rest is read.
            self.history(None).await?;
            let joined = hub.join(outbox, &self.topics).await;
            self.history(Some(&joined)).await?;
        }
        self.flush().await?;
        self.live(outbox).await
    }

    /// Sends events from the store: up to `until`, else until a page isn't full.
    async fn history(&mut self, until: Option<&Positions>) -> Result<(), End> {
        for topic in self.topics.clone() {
            let until = until.map(|until| until.get(topic).unwrap_or_default());
            loop {
                let sent = self.sent.get(topic).unwrap_or_default();
                if until.is_some_and(|until| sent >= until) {
                    break;
                }
                let mut page = self
                    .shared
                    .events
                    .read(topic, sent, HISTORY_PAGE)
                    .await
                    .map_err(|_| {
                        End::Close(
                            close_code::AGAIN,
                            "the event store is not available; try again",
                        )
                    })?;
                let full = page.len() == HISTORY_PAGE;
                if let Some(until) = until {
                    page.retain(|event| event.position <= until);
                }
                let bytes_max = self.shared.config.feed.frame_bytes_max;
                for events in frame::events(topic, &page, bytes_max) {
                    self.sent.raise(topic, events.last());
                    self.text(events.text).await?;
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn live(&mut self, outbox: &Outbox) -> Result<std::convert::Infallible, End> {
        let ping = Duration::from_millis(self.shared.config.feed.ping_ms);
        let mut pings = tokio::time::interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frames = tokio::select! {
                frames = outbox.take() => frames,
                _ = pings.tick() => {
                    self.message(Message::Ping(bytes::Bytes::new())).await?;
                    self.flush().await?;
                    continue;
                }
            };
            for frame in frames {
                if let Some(text) = self.text_of(&frame) {
                    self.text(text).await?;
                }
            }
            self.flush().await?;
        }
    }

    /// The part of a frame that this client subscribed to and has not been sent yet.
    fn text_of(&mut self, frame: &Frame) -> Option<Utf8Bytes> {
        match frame {
            Frame::Events(events) => {
                if !self.topics.contains(&events.topic) {
                    return None;
                }
                let sent = self.sent.get(events.topic).unwrap_or_default();
                self.sent.raise(events.topic, events.last());
                events.after(sent)
            }
            Frame::Projected(text) => Some(text.clone()),
            Frame::Applied(news) if self.all => Some(frame::applied(news)),
            Frame::Applied(news) => {
                let mut mine = Positions::NONE;
                for topic in &self.topics {
                    mine.merge(&news.only(*topic));
                }
                (!mine.is_empty() || news.is_empty()).then(|| frame::applied(&mine))
            }
        }
    }

    async fn text(&mut self, text: Utf8Bytes) -> Result<(), End> {
        self.message(Message::Text(text)).await
    }

    /// Buffers a message, so that several go out in one write.
    async fn message(&mut self, message: Message) -> Result<(), End> {
        self.sink.feed(message).await.map_err(|_| End::Gone)
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.sink.flush().await.map_err(|_| End::Gone)
    }
}
