//! HTTP/2 by hyper: several requests at once on one connection. Must not know what a request is for.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Version};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::{Mutex, Notify};

use super::answer_headers::AnswerHeaders;
use super::error::HttpError;
use super::exchange_times::ExchangeTimes;
use super::options::ClientLimits;
use super::reply::Reply;
use super::request::{Envelope, Request};
use super::streams::{Place, Streams};
use super::target::Target;
use super::tls::Alpn;

/// How many bytes of an answer may be on their way at once, on one stream and on a connection: enough for a fast network.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// A longer list of headers is refused.
const HEADER_BYTES_MAX: u32 = 256 << 10;
/// How often a request is sent again that the target has not begun.
const ATTEMPTS_MAX: usize = 3;

/// The connections to one target.
pub(super) struct Multiplexed {
    connections: RefCell<Vec<Rc<Streams>>>,
    /// Held while a connection is opened: the others wait for it instead of opening more.
    opening: Mutex<()>,
    /// Held by who takes a place or waits for one. The others follow in their order.
    first: Mutex<()>,
    /// Signals that a place was left, or that a connection has ended.
    released: Arc<Notify>,
    connections_max: usize,
    streams_max: usize,
    /// Connections opened.
    pub opened: Cell<u64>,
    /// Requests sent once more.
    pub repeated: Cell<u64>,
    /// The most requests that were on one connection at once.
    pub most_streams: Cell<usize>,
}

impl Multiplexed {
    /// Without connections yet; at most `streams_max` requests at once on each.
    pub fn new(connections_max: usize, streams_max: usize) -> Self {
        Self {
            connections_max,
            connections: RefCell::new(Vec::new()),
            opening: Mutex::new(()),
            first: Mutex::new(()),
            released: Arc::default(),
            streams_max,
            opened: Cell::new(0),
            repeated: Cell::new(0),
            most_streams: Cell::new(0),
        }
    }

    /// A place on a connection that has one, the oldest first.
    fn free(&self) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        // What the target has begun on one that is over, it still answers there.
        connections.retain(|c| !c.is_over());
        let mut all = connections.iter();
        let found = all.find(|c| c.has_room(self.streams_max))?;
        let place = Place::on(found.clone());
        let most = self.most_streams.get().max(found.in_use());
        self.most_streams.set(most);
        Some(place)
    }

    fn may_open(&self) -> bool {
        self.connections.borrow().len() < self.connections_max
    }

    /// Waits for a place; `None` if a connection may be opened for one.
    pub async fn turn(&self) -> Option<Place> {
        let _first = self.first.lock().await;
        loop {
            let free = self.free();
            if free.is_some() || self.may_open() {
                return free;
            }
            self.released.notified().await;
        }
    }

    async fn place(&self, target: &Target) -> Result<Place, HttpError> {
        loop {
            if let Some(place) = self.turn().await {
                return Ok(place);
            }
            let _opening = self.opening.lock().await;
            if let Some(place) = self.free() {
                return Ok(place);
            }
            if !self.may_open() {
                continue;
            }
            let stream = target.connect_for(Alpn::Http2).await;
            let stream = stream.map_err(HttpError::opening)?;
            let spoken = stream.agreed_protocol();
            if target.base().scheme() == "https" && spoken != Some(b"h2") {
                let text = "the target does not speak HTTP/2 (ALPN)".to_owned();
                return Err(HttpError::Malformed(text));
            }
            let opened = Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .max_header_list_size(HEADER_BYTES_MAX)
                .handshake(TokioIo::new(stream))
                .await;
            let opened = opened.map_err(|e| failure(&e))?;
            self.opened.set(self.opened.get() + 1);
            let streams = Streams::start(opened, self.released.clone());
            self.connections.borrow_mut().push(Rc::new(streams));
        }
    }

    /// Sends a request, on the place that it has, and reads the whole answer. Fails if it is not complete by `end`.
    pub async fn exchange(
        &self,
        request: &Request<'_>,
        envelope: &Envelope<'_>,
        limits: &ClientLimits,
        end: Instant,
        mut place: Option<Place>,
    ) -> Result<Reply, HttpError> {
        // Each connection may turn out to be over.
        let attempts_max = ATTEMPTS_MAX + self.connections.borrow().len();
        let attempts = async {
            let mut attempt = 1;
            loop {
                let place = match place.take() {
                    Some(place) => place,
                    None => self.place(envelope.target).await?,
                };
                match on(&place, request, envelope, limits).await {
                    Err(Failure { unbegun: true, .. }) if attempt < attempts_max => {
                        attempt += 1;
                        self.repeated.set(self.repeated.get() + 1);
                    }
                    Err(failure) => return Err(failure.error),
                    Ok(reply) => return Ok(reply),
                }
            }
        };
        let outcome = tokio::time::timeout_at(end.into(), attempts).await;
        outcome.unwrap_or(Err(HttpError::Timeout))
    }
}

struct Failure {
    error: HttpError,
    /// The target has not begun to carry the request out, or it does no harm twice.
    unbegun: bool,
}

async fn on(
    place: &Place,
    request: &Request<'_>,
    envelope: &Envelope<'_>,
    limits: &ClientLimits,
) -> Result<Reply, Failure> {
    let failed = |error| Failure {
        error,
        unbegun: false,
    };
    let message = message(request, envelope).map_err(failed)?;
    let sampled = request.is_sampled();
    let connected = sampled.then(Instant::now);
    let mut sender = place.streams().sender.clone();
    let answer = sender.try_send_request(message).await;
    let answer = answer.map_err(|mut unsent| {
        // As with HTTP/1.1: the target had closed the idle connection.
        let crossed =
            || place.streams().answered.get() && request.is_safe() && is_lost(unsent.error());
        let unbegun = is_unbegun(unsent.error()) || crossed();
        let unbegun = unsent.take_message().is_some() || unbegun;
        Failure {
            error: failure(unsent.error()),
            unbegun,
        }
    })?;
    place.streams().answered.set(true);
    let first_byte = sampled.then(Instant::now);
    let (head, body) = answer.into_parts();
    let read = Limited::new(body, limits.response_bytes_max)
        .collect()
        .await;
    let body = read.map_err(|e| {
        failed(match e.downcast_ref::<LengthLimitError>() {
            Some(_) => HttpError::TooLong,
            None => HttpError::ConnectionLost(causes(&*e)),
        })
    })?;
    let completed = Instant::now();
    let mut headers = AnswerHeaders::to(request);
    for (name, value) in &head.headers {
        headers.add(name.as_str(), value.as_bytes());
    }
    let times = connected.zip(first_byte).map(|(connected, first_byte)| {
        Box::new(ExchangeTimes {
            connected,
            // When it is written is the connection's own affair.
            written: connected,
            first_byte,
            server_timing: headers.server_timing.take(),
        })
    });
    let (status, body) = (head.status.as_u16(), body.to_bytes());
    Ok(Reply::new(status, body, headers, completed, times))
}

fn message(
    request: &Request<'_>,
    envelope: &Envelope<'_>,
) -> Result<http::Request<Full<Bytes>>, HttpError> {
    let wrong = |e: &dyn ToString| HttpError::BadRequest(e.to_string());
    let target = envelope.target;
    let path = request.place(target)?.text();
    let authority = request.header("host").unwrap_or(target.authority());
    let uri = http::Uri::builder()
        .scheme(target.base().scheme())
        .authority(authority)
        .path_and_query(path)
        .build();
    let body = request.body.as_deref().map(Bytes::copy_from_slice);
    let mut message = http::Request::new(Full::new(body.unwrap_or_default()));
    *message.version_mut() = Version::HTTP_2;
    *message.method_mut() = request.method.parse().map_err(|e| wrong(&e))?;
    *message.uri_mut() = uri.map_err(|e| wrong(&e))?;
    let headers = message.headers_mut();
    request.each_header(envelope, |name, value| {
        let name: HeaderName = name.parse().map_err(|e| wrong(&e))?;
        let value = HeaderValue::from_bytes(value).map_err(|e| wrong(&e))?;
        // Only HTTP/1.1 has a connection to speak of.
        if name != HOST && name != "connection" && name != "keep-alive" {
            headers.append(name, value);
        }
        Ok(())
    })?;
    Ok(message)
}

/// A stream that was refused, and a farewell without an error: what the target has begun it answers (RFC 9113, 8.7).
fn is_unbegun(error: &hyper::Error) -> bool {
    cause::<h2::Error>(error).is_some_and(|e| {
        let refused = e.is_reset() && e.reason() == Some(h2::Reason::REFUSED_STREAM);
        let farewell = e.is_go_away() && e.reason() == Some(h2::Reason::NO_ERROR);
        e.is_remote() && (refused || farewell)
    })
}

/// The connection broke.
fn is_lost(error: &hyper::Error) -> bool {
    cause::<std::io::Error>(error).is_some()
}

/// What is behind an error, if it is of this kind.
fn cause<E: Error + 'static>(error: &dyn Error) -> Option<&E> {
    let mut cause = error.source();
    while let Some(e) = cause {
        if let Some(e) = e.downcast_ref() {
            return Some(e);
        }
        cause = e.source();
    }
    None
}

fn failure(error: &hyper::Error) -> HttpError {
    match error.is_parse() {
        true => HttpError::Malformed(causes(error)),
        false => HttpError::ConnectionLost(causes(error)),
    }
}

/// An error with what is behind it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
