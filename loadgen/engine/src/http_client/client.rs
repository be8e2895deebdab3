//! A client with its pool of connections: takes turns, sends one request at a time on each connection, and repeats what the target can't
//! have begun. Must not know customers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::{Connection, Exchanged};
use super::connection_figures::ConnectionFigures;
use super::encoding;
use super::error::HttpError;
use super::multiplexed::Multiplexed;
use super::options::{ClientLimits, ClientOptions};
use super::reply::Reply;
use super::request::{Envelope, Request};
use super::streams::Place;
use super::target::Target;

/// The status of a target that has waited too long for a request.
const REQUEST_TIMEOUT: u16 = 408;

/// A client with its connections.
pub struct HttpClient {
    pub(super) target: Target,
    pub(super) limits: ClientLimits,
    pub(super) options: ClientOptions,
    idle: RefCell<Vec<Connection>>,
    /// Set for HTTP/2.
    multiplexed: Option<Multiplexed>,
    turns: Semaphore,
    generator_errors: Cell<u64>,
    figures: Cell<ConnectionFigures>,
    /// Clients of other hosts that redirects lead to, by origin.
    pub(super) elsewhere: RefCell<HashMap<String, Rc<HttpClient>>>,
}

/// The right to send one request now.
pub struct Turn<'a> {
    pub(super) client: &'a HttpClient,
    /// When the turn came.
    pub since: Instant,
    /// Its place on a shared connection, unless one may still be opened.
    pub(super) place: Option<Place>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl HttpClient {
    /// A client without connections yet.
    pub fn new(target: Target, limits: ClientLimits) -> Self {
        Self::with(target, limits, ClientOptions::default())
    }

    /// A client that uses its connections in this way.
    pub fn with(target: Target, limits: ClientLimits, options: ClientOptions) -> Self {
        let streams = options.streams_per_connection;
        let turns = limits.connections_max.saturating_mul(streams.unwrap_or(1));
        Self {
            target,
            limits,
            multiplexed: streams.map(|streams| Multiplexed::new(limits.connections_max, streams)),
            options,
            idle: RefCell::new(Vec::new()),
            turns: Semaphore::new(turns.min(Semaphore::MAX_PERMITS)),
            generator_errors: Cell::new(0),
            figures: Cell::default(),
            elsewhere: RefCell::default(),
        }
    }

    /// The target of its requests.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Errors caused by this machine, not the target: no descriptor, port or memory left.
    pub fn generator_errors(&self) -> u64 {
        self.generator_errors.get()
    }

    /// What it did with its connections, those to other hosts included.
    pub fn figures(&self) -> ConnectionFigures {
        let mut figures = self.figures.get();
        if let Some(multiplexed) = &self.multiplexed {
            figures.opened = multiplexed.opened.get();
            figures.repeated = multiplexed.repeated.get();
            figures.requests += figures.repeated;
            figures.streams_max = multiplexed.most_streams.get() as u64;
        }
        let elsewhere = self.elsewhere.borrow();
        elsewhere.values().for_each(|c| figures.add(c.figures()));
        figures
    }

    fn count(&self, change: impl FnOnce(&mut ConnectionFigures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }

    /// Waits until a connection, or a stream of one, is free, or one more may be opened.
    pub async fn turn(&self) -> Turn<'_> {
        let permit = match self.turns.try_acquire() {
            Ok(permit) => Some(permit),
            // The semaphore is never closed.
            Err(_) => self.turns.acquire().await.ok(),
        };
        let place = match &self.multiplexed {
            Some(multiplexed) => multiplexed.turn().await,
            None => None,
        };
        Turn {
            client: self,
            since: Instant::now(),
            place,
            _permit: permit,
        }
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Result<Reply, HttpError> {
        self.turn().await.send(&Request::get(path)).await
    }

    /// A connection that an earlier request left, if the target still waits on it. The one used last: it is the least likely to have been
    /// closed.
    async fn kept(&self, now: Instant) -> Option<Connection> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.is_usable(now).await {
                return Some(connection);
            }
            self.count(|figures| figures.closed_idle += 1);
        }
    }

    /// Whether a connection that has carried so many requests is closed now.
    fn is_last(&self, requests: u64) -> bool {
        let most = self.options.requests_per_connection;
        !self.options.keep_alive || most.is_some_and(|most| requests >= most)
    }

    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        cookie: Option<&str>,
        since: Instant,
        end: Instant,
        place: Option<Place>,
    ) -> Result<Reply, HttpError> {
        let mut envelope = Envelope {
            target: &self.target,
            cookie,
            accept_encoding: self.options.accept_encoding.as_deref(),
            close: false,
        };
        if let Some(multiplexed) = &self.multiplexed {
            self.count(|figures| figures.requests += 1);
            let exchanged = multiplexed.exchange(request, &envelope, &self.limits, end, place);
            return Box::pin(exchanged).await;
        }
        loop {
            let kept = self.kept(since).await;
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(&self.target, end).await?,
            };
            self.count(|figures| {
                figures.requests += 1;
                figures.opened += u64::from(!reused);
            });
            envelope.close = self.is_last(connection.requests + 1);
            let bytes_max = self.limits.response_bytes_max;
            let exchanged = connection
                .exchange(request, &envelope, bytes_max, end)
                .await;
            match exchanged {
                // The target had waited too long for a request and said so while this one was on its way: it was not read.
                Ok(Exchanged {
                    reply,
                    keep_alive: false,
                    ..
                }) if reused && reply.status == REQUEST_TIMEOUT => {}
                Ok(Exchanged {
                    reply,
                    keep_alive,
                    idle_max,
                }) => {
                    if keep_alive && !envelope.close && !request.asks_to_close() {
                        connection.rest(reply.completed, idle_max);
                        self.idle.borrow_mut().push(connection);
                    }
                    return Ok(reply);
                }
                // The target had closed the idle connection: try again, unless the request may have been carried out.
                Err(failure)
                    if reused && (failure.unsent || (failure.unanswered && request.is_safe())) => {}
                Err(failure) => return Err(failure.error),
            }
            self.count(|figures| figures.repeated += 1);
        }
    }

    /// Undoes the compression of an answer.
    fn decoded(&self, mut reply: Reply) -> Result<Reply, HttpError> {
        let headers = reply.headers.as_ref();
        if let Some(encoding) = headers.and_then(|h| h.content_encoding.as_deref()) {
            let bytes_max = self.limits.response_bytes_max;
            reply.body = encoding::decoded(reply.body, encoding, bytes_max)?;
        }
        Ok(reply)
    }
}

impl Turn<'_> {
    /// Sends a request and reads the whole answer, within the timeout since this turn came.
    pub async fn send(mut self, request: &Request<'_>) -> Result<Reply, HttpError> {
        let (client, end, place) = (self.client, self.end(), self.place.take());
        let outcome = client.exchange(request, None, self.since, end, place).await;
        client.ended(outcome)
    }

    pub(super) fn end(&self) -> Instant {
        self.since + self.client.limits.timeout
    }
}

impl HttpClient {
    /// Counts this machine's own faults, and undoes compression.
    pub(super) fn ended(&self, outcome: Result<Reply, HttpError>) -> Result<Reply, HttpError> {
        if let Err(HttpError::Generator(_)) = &outcome {
            self.generator_errors.set(self.generator_errors.get() + 1);
        }
        self.decoded(outcome?)
    }
}
