//! One connection with its buffers: sends a request and reads its answer in the caller's task. It has no task and no
//! channel of its own: those would be most of an exchange's cost.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWrite};

use super::answer_headers::AnswerHeaders;
use super::error::HttpError;
use super::exchange_times::ExchangeTimes;
use super::reply::Reply;
use super::request::{Envelope, Request};
use super::response::Decoder;
use super::stream::{News, Stream};
use super::target::Target;
use super::time_limit::TimeLimit;
use super::tls::Alpn;

/// The size of the read buffer; most answers fit. It grows for a longer answer as soon as its length is known.
const READ_BYTES: usize = 4 << 10;
/// A buffer that has grown larger than this for a long answer, or a long body, is shrunk again.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// After a longer pause the kernel is asked whether the target has closed the connection; the runtime may not have looked yet.
const PAUSE: Duration = Duration::from_micros(100);
/// A target that keeps idle connections for a time is not met at the end of it: the request could cross the farewell.
const IDLE_MARGIN: Duration = Duration::from_millis(500);

/// A connection without an exchange in progress.
pub(super) struct Connection {
    /// Boxed, because a connection is moved several times for each request.
    wire: Box<Wire>,
    limit: TimeLimit,
    /// Requests sent on it.
    pub requests: u64,
    /// When the last answer had come.
    since: Instant,
    /// How long the target keeps it while it is idle, if it says so.
    idle_max: Option<Duration>,
}

struct Wire {
    stream: Stream,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

/// A completed exchange.
pub(super) struct Exchanged {
    pub reply: Reply,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// How long the target keeps an idle connection, if it says so.
    pub idle_max: Option<Duration>,
}

/// An exchange that failed.
pub(super) struct ExchangeFailure {
    pub error: HttpError,
    /// No byte of an answer was read.
    pub unanswered: bool,
    /// No byte of the request was written.
    pub unsent: bool,
}

impl ExchangeFailure {
    fn new(error: HttpError, unsent: bool, unanswered: bool) -> Self {
        Self {
            error,
            unanswered,
            unsent,
        }
    }
}

impl Connection {
    /// Opens a connection. Fails if it is not open by `end`.
    pub async fn open(target: &Target, end: Instant) -> Result<Self, HttpError> {
        let opened = tokio::time::timeout_at(end.into(), target.connect_for(Alpn::Http1));
        let opened = opened.await.map_err(|_| HttpError::Timeout)?;
        let wire = Box::new(Wire {
            stream: opened.map_err(HttpError::opening)?,
            outbox: Vec::with_capacity(512),
            inbox: Vec::with_capacity(READ_BYTES),
        });
        Ok(Self {
            wire,
            limit: TimeLimit::new(end),
            requests: 0,
            since: Instant::now(),
            idle_max: None,
        })
    }

    /// Whether the target still waits for a request on it: it has neither closed it nor said anything unasked.
    pub async fn is_usable(&mut self, now: Instant) -> bool {
        if let Some(max) = self.idle_max
            && now.saturating_duration_since(self.since) + IDLE_MARGIN.min(max / 2) > max
        {
            return false;
        }
        if now > self.since + PAUSE {
            match self.wire.stream.news() {
                // TLS may have read the farewell together with the answer.
                News::Nothing => {}
                News::End => return false,
                // An encrypted connection has messages of its own: a farewell, or tickets for later. Reading tells which.
                News::Bytes => drop(self.wire.stream.readable().await),
            }
        }
        self.wire.inbox.clear();
        let read = self.wire.stream.read_at_once(&mut self.wire.inbox);
        read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and reads the whole answer. Fails if it is not complete by `end`.
    pub async fn exchange(
        &mut self,
        request: &Request<'_>,
        envelope: &Envelope<'_>,
        bytes_max: usize,
        end: Instant,
    ) -> Result<Exchanged, ExchangeFailure> {
        self.requests += 1;
        // Pinned in place: moving the future would cost more than the exchange itself.
        let exchange = pin!(self.wire.exchange(request, envelope, bytes_max));
        let outcome = self.limit.keep(end, exchange).await;
        let timeout = || Err(ExchangeFailure::new(HttpError::Timeout, false, false));
        outcome.unwrap_or_else(timeout)
    }

    /// Keeps it for another request, after an answer that was complete then.
    pub fn rest(&mut self, completed: Instant, idle_max: Option<Duration>) {
        self.since = completed;
        self.idle_max = idle_max;
    }
}

/// A request on its way out.
#[derive(Default)]
struct Sending {
    bytes: usize,
    flushed: bool,
    written: Option<Instant>,
    error: Option<io::Error>,
}

impl Wire {
    async fn exchange(
        &mut self,
        request: &Request<'_>,
        envelope: &Envelope<'_>,
        bytes_max: usize,
    ) -> Result<Exchanged, ExchangeFailure> {
        // Clocks are read for sampled requests only.
        let sampled = request.is_sampled();
        let now = || sampled.then(Instant::now);
        let connected = now();
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_BYTES_MAX);
        let encoded = request.encode(envelope, &mut self.outbox);
        encoded.map_err(|e| ExchangeFailure::new(e, false, false))?;
        self.inbox.clear();
        self.inbox.shrink_to(KEPT_BYTES_MAX);
        let mut sending = Sending::default();
        let mut first_byte = None;
        let to_head = request.method == "HEAD";
        let mut decoder = Decoder::new(to_head, bytes_max, AnswerHeaders::to(request));
        let mut unanswered = true;
        let complete = loop {
            // Reads while it writes: a target may refuse a long body before it has come.
            let read = poll_fn(|context| {
                sending.advance(&mut self.stream, &self.outbox, sampled, context);
                let read = pin!(self.stream.read_buf(&mut self.inbox));
                read.poll(context)
            })
            .await;
            let unsent = sending.bytes == 0;
            let failed = |sending: &mut Sending, e: HttpError, unanswered| {
                // Why nothing more could be written comes before that nothing more could be read.
                let e = match sending.error.take().filter(|_| unanswered) {
                    Some(written) => HttpError::ConnectionLost(written.to_string()),
                    None => e,
                };
                ExchangeFailure::new(e, unsent, unanswered)
            };
            match read {
                Err(e) => {
                    let e = HttpError::ConnectionLost(e.to_string());
                    return Err(failed(&mut sending, e, unanswered));
                }
                Ok(0) => {
                    let closed = decoder.closed(&self.inbox);
                    break closed.map_err(|e| failed(&mut sending, e, unanswered))?;
                }
                Ok(_) if unanswered => {
                    unanswered = false;
                    first_byte = now();
                }
                Ok(_) => {}
            }
            let advanced = decoder.advance(&mut self.inbox);
            let advanced = advanced.map_err(|e| ExchangeFailure::new(e, false, false))?;
            if let Some(complete) = advanced {
                break complete;
            }
        };
        // The rest of the request was not wanted, so the target waits for it or closes.
        let is_sent = sending.bytes == self.outbox.len() && sending.error.is_none();
        let body = match decoder.chunks {
            Some(chunks) => chunks.body.into(),
            None => bytes::Bytes::copy_from_slice(&self.inbox[complete.body]),
        };
        let written = sending.written.or(first_byte);
        let times = connected.zip(written).zip(first_byte);
        let times = times.map(|((connected, written), first_byte)| {
            Box::new(ExchangeTimes {
                connected,
                written,
                first_byte,
                server_timing: decoder.headers.server_timing.take(),
            })
        });
        let status = complete.status;
        Ok(Exchanged {
            reply: Reply::new(status, body, decoder.headers, Instant::now(), times),
            keep_alive: complete.keep_alive && is_sent,
            idle_max: complete.idle_max,
        })
    }
}

impl Sending {
    /// Writes as much as the connection takes now.
    fn advance(
        &mut self,
        stream: &mut Stream,
        outbox: &[u8],
        sampled: bool,
        context: &mut std::task::Context<'_>,
    ) {
        while self.bytes < outbox.len() && self.error.is_none() {
            match Pin::new(&mut *stream).poll_write(context, &outbox[self.bytes..]) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => self.bytes += n,
                Poll::Ready(Err(e)) => self.error = Some(e),
            }
        }
        if self.flushed || self.error.is_some() {
            return;
        }
        if let Stream::Tls(tls) = stream {
            match Pin::new(tls).poll_flush(context) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => self.error = Some(e),
            }
        }
        self.flushed = true;
        self.written = sampled.then(Instant::now);
    }
}
