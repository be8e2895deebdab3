//! One WebSocket of the live feed: sends hello, history if it was asked for, then live events until either side closes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::state::GatewayState;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions};

use super::attention::Attention;
use super::feed_request::FeedRequest;
use crate::hub::frame::{self, FeedFrame};
use crate::hub::frame_queue::FrameQueue;

/// How long a new client waits until its topics are followed.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sending a close frame may take, and waiting for the client's own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A client is gone when it answers none of so many pings, and too slow when it takes nothing for as long.
const PINGS_MAX: u64 = 3;
/// Events per read of the history.
const HISTORY_PAGE: usize = 1000;

/// Why a socket ends: the client has disconnected, the client closes, or we close with a code and a reason.
enum SocketEnd {
    Gone,
    Closed,
    Close(u16, &'static str),
}

fn away() -> SocketEnd {
    SocketEnd::Close(
        close_code::AGAIN,
        "the event store is not available; try again",
    )
}

/// Serves one client until its socket ends.
pub(super) async fn run(state: &Arc<GatewayState>, socket: WebSocket, wanted: FeedRequest) {
    let frame_queue = state.hub.register(wanted.sampled);
    let (sink, mut stream) = socket.split();
    let ping = Duration::from_millis(state.config.feed.ping_ms);
    let silence_max = Duration::from_millis(state.config.feed.ping_ms * PINGS_MAX);
    let attention = Attention::new(silence_max);
    let mut client = FeedClient {
        state,
        partitions: wanted
            .topics()
            .flat_map(|topic| state.events.partitions().of_topic(topic))
            .collect(),
        all: wanted.topics.iter().all(|wanted| *wanted),
        sent: Positions::NONE,
        attention: &attention,
        silence_max,
        pings: tokio::time::interval_at(Instant::now() + ping, ping),
        sink,
    };
    client
        .pings
        .set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = tokio::select! {
        end = client.send(&frame_queue, &wanted.after) => end,
        end = listen(&mut stream, &attention) => end,
        () = attention.lost() => SocketEnd::Close(close_code::POLICY, "no pong for three pings"),
        () = frame_queue.too_slow.cancelled() => TOO_SLOW,
        () = frame_queue.went_back.cancelled() => SocketEnd::Close(close_code::AGAIN, "the event store went back to an earlier state; reconnect"),
        () = state.shutdown.cancelled() => SocketEnd::Close(close_code::AWAY, "the gateway is shutting down"),
    };
    state.hub.leave(&frame_queue);
    let farewell = farewell(client.sink, stream, end);
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
}

/// Ends the socket with a close frame from both sides.
async fn farewell(
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
    end: SocketEnd,
) {
    match end {
        SocketEnd::Gone => {}
        // The client's close frame is answered by the library; it only has to go out.
        SocketEnd::Closed => {
            let _ = sink.close().await;
        }
        SocketEnd::Close(code, reason) => {
            let close = Message::Close(Some(CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            }));
            // A connection that ends with unread bytes is reset, and then the client may lose our close frame.
            if sink.send(close).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        }
    }
}

/// Reads the client's pongs and its close.
async fn listen(stream: &mut SplitStream<WebSocket>, attention: &Attention) -> SocketEnd {
    loop {
        match stream.next().await {
            Some(Ok(Message::Close(_))) => return SocketEnd::Closed,
            Some(Ok(_)) => attention.heard(),
            Some(Err(_)) | None => return SocketEnd::Gone,
        }
    }
}

struct FeedClient<'a> {
    state: &'a Arc<GatewayState>,
    partitions: Vec<Partition>,
    /// Whether the client subscribed to every topic.
    all: bool,
    /// The last position sent, by partition.
    sent: Positions,
    attention: &'a Attention,
    silence_max: Duration,
    pings: Interval,
    sink: SplitSink<WebSocket, Message>,
}

impl FeedClient<'_> {
    async fn send(&mut self, frame_queue: &FrameQueue, after: &Positions) -> SocketEnd {
        let Err(end) = self.send_all(frame_queue, after).await;
        end
    }

    async fn send_all(
        &mut self,
        frame_queue: &FrameQueue,
        after: &Positions,
    ) -> Result<std::convert::Infallible, SocketEnd> {
        let hub = &self.state.hub;
        if after.is_empty() {
            let joined =
                tokio::time::timeout(START_TIMEOUT, hub.join(frame_queue, &self.partitions)).await;
            self.sent = joined.map_err(|_| away())?;
            self.text(frame::hello(&self.sent, frame_queue.sampled))
                .await?;
        } else {
            let live = tokio::time::timeout(START_TIMEOUT, hub.live(&self.partitions)).await;
            let live = live.map_err(|_| away())?;
            for partition in &self.partitions {
                let live = live.get(*partition).unwrap_or_default();
                let start = after.get(*partition).unwrap_or(live);
                self.sent
                    .raise(*partition, self.still_there(*partition, start, live).await?);
            }
            self.text(frame::hello(&self.sent, frame_queue.sampled))
                .await?;
            // Read most of the history first, so that few live events have to wait while the rest is read.
            self.history(None).await?;
            let joined = hub.join(frame_queue, &self.partitions).await;
            self.history(Some(&joined)).await?;
        }
        self.flush().await?;
        self.live(frame_queue).await
    }

    /// The position, unless it is beyond the partition's end: the store went back since the client heard of it, and the end is its start.
    async fn still_there(
        &self,
        partition: Partition,
        position: Position,
        live: Position,
    ) -> Result<Position, SocketEnd> {
        if position <= live {
            return Ok(position);
        }
        let end = self.state.events.last_position(partition).await;
        end.map(|end| position.min(end)).map_err(|_| away())
    }

    /// Sends events from the store: up to `until`, else until a page isn't full.
    async fn history(&mut self, until: Option<&Positions>) -> Result<(), SocketEnd> {
        for partition in self.partitions.clone() {
            let until = until.map(|until| until.get(partition).unwrap_or_default());
            loop {
                let sent = self.sent.get(partition).unwrap_or_default();
                if until.is_some_and(|until| sent >= until) {
                    break;
                }
                let mut page = self
                    .state
                    .events
                    .read(partition, sent, HISTORY_PAGE)
                    .await
                    .map_err(|_| away())?;
                let full = page.len() == HISTORY_PAGE;
                if let Some(until) = until {
                    page.retain(|event| event.position <= until);
                }
                let bytes_max = self.state.config.feed.frame_bytes_max;
                for events in frame::events(partition, &page, bytes_max) {
                    self.sent.raise(partition, events.last());
                    self.text(events.text).await?;
                    self.ping_if_due().await?;
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn live(
        &mut self,
        frame_queue: &FrameQueue,
    ) -> Result<std::convert::Infallible, SocketEnd> {
        loop {
            let frames = tokio::select! {
                frames = frame_queue.take() => frames,
                _ = self.pings.tick() => {
                    self.ping().await?;
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
    fn text_of(&mut self, frame: &FeedFrame) -> Option<Utf8Bytes> {
        match frame {
            FeedFrame::Events(events) => {
                let partition = events.partition;
                if !self.partitions.contains(&partition) {
                    return None;
                }
                let sent = self.sent.get(partition).unwrap_or_default();
                self.sent.raise(partition, events.last());
                events.after(sent)
            }
            FeedFrame::Projected(text) => Some(text.clone()),
            FeedFrame::Applied(news) if self.all => Some(frame::applied(news)),
            FeedFrame::Applied(news) => {
                let mine = news.only(|partition| self.partitions.contains(&partition));
                (!mine.is_empty() || news.is_empty()).then(|| frame::applied(&mine))
            }
        }
    }

    /// A ping between the frames of a long history.
    async fn ping_if_due(&mut self) -> Result<(), SocketEnd> {
        match self.pings.tick().now_or_never() {
            Some(_) => self.ping().await,
            None => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), SocketEnd> {
        self.message(Message::Ping(bytes::Bytes::new())).await?;
        self.flush().await?;
        self.attention.asked();
        Ok(())
    }

    async fn text(&mut self, text: Utf8Bytes) -> Result<(), SocketEnd> {
        let bytes = text.len();
        self.message(Message::Text(text)).await?;
        self.attention.sent(bytes);
        Ok(())
    }

    /// Buffers a message, so that several go out in one write.
    async fn message(&mut self, message: Message) -> Result<(), SocketEnd> {
        taken(self.silence_max, self.sink.feed(message)).await
    }

    async fn flush(&mut self) -> Result<(), SocketEnd> {
        taken(self.silence_max, self.sink.flush()).await
    }
}

const TOO_SLOW: SocketEnd = SocketEnd::Close(
    close_code::AGAIN,
    "too slow: too much is waiting to be sent; reconnect with after=",
);

/// Waits until the client has taken enough for more to go out.
async fn taken(
    limit: Duration,
    sending: impl Future<Output = Result<(), axum::Error>>,
) -> Result<(), SocketEnd> {
    match tokio::time::timeout(limit, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(SocketEnd::Gone),
        Err(_) => Err(TOO_SLOW),
    }
}
