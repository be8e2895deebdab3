//! An HTTP/1.1 client for one driver: keep-alive connections in a pool without a lock, because a driver is one thread. Knows requests and
//! answers; must not know scenarios, and records nothing.

mod connection;
mod entity_tag;
mod error;
mod exchange_times;
mod request;
mod response;
mod target;
mod time_limit;
mod tls;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use connection::{Connection, Exchanged};
pub use entity_tag::version_of_tag;
pub use error::HttpError;
pub use exchange_times::ExchangeTimes;
pub use request::{Request, TraceContext};
pub use target::{Stream, Target};
pub use tls::TlsOptions;

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The version that the header `ETag` names, if it is a number.
    pub version: Option<u64>,
    /// The headers, in their order; empty unless the request asked for them.
    pub kept_headers: Vec<(String, String)>,
    /// When the last byte had been read.
    pub completed: Instant,
    /// Set for a sampled request.
    pub times: Option<Box<ExchangeTimes>>,
}

/// The limits of a client.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// Time limit of one exchange, opening a connection included.
    pub timeout: Duration,
    /// A longer answer is an error.
    pub response_bytes_max: usize,
    /// Connections open at once; further requests wait for their turn, first come, first served.
    pub connections_max: usize,
}

/// A client with its connections.
pub struct HttpClient {
    target: Target,
    limits: ClientLimits,
    idle: RefCell<Vec<Connection>>,
    turns: Semaphore,
    generator_errors: Cell<u64>,
}

/// The right to send one request now.
pub struct Turn<'a> {
    client: &'a HttpClient,
    /// When the turn came.
    pub since: Instant,
    _permit: Option<SemaphorePermit<'a>>,
}

impl HttpClient {
    /// A client without connections yet.
    pub fn new(target: Target, limits: ClientLimits) -> Self {
        Self {
            target,
            limits,
            idle: RefCell::new(Vec::new()),
            turns: Semaphore::new(limits.connections_max),
            generator_errors: Cell::new(0),
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

    /// Waits until a connection is free, or one more may be opened.
    pub async fn turn(&self) -> Turn<'_> {
        let permit = match self.turns.try_acquire() {
            Ok(permit) => Some(permit),
            // The semaphore is never closed.
            Err(_) => self.turns.acquire().await.ok(),
        };
        Turn {
            client: self,
            since: Instant::now(),
            _permit: permit,
        }
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Result<Reply, HttpError> {
        self.turn().await.send(&Request::get(path)).await
    }

    async fn exchange(&self, request: &Request<'_>, end: Instant) -> Result<Reply, HttpError> {
        loop {
            // The connection used last: it is the least likely to have been closed by the target.
            let kept = self.idle.borrow_mut().pop();
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(&self.target, end).await?,
            };
            let bytes_max = self.limits.response_bytes_max;
            let exchanged = connection
                .exchange(request, &self.target, bytes_max, end)
                .await;
            match exchanged {
                Ok(Exchanged {
                    complete,
                    body,
                    headers,
                    times,
                }) => {
                    let completed = Instant::now();
                    if complete.keep_alive {
                        self.idle.borrow_mut().push(connection);
                    }
                    return Ok(Reply {
                        status: complete.status,
                        body,
                        version: complete.version,
                        kept_headers: headers,
                        completed,
                        times,
                    });
                }
                // The target had closed the idle connection: try again, unless the request may have been carried out.
                Err(failure)
                    if reused && (failure.unsent || (failure.unanswered && request.is_safe())) => {}
                Err(failure) => return Err(failure.error),
            }
        }
    }
}

impl Turn<'_> {
    /// Sends a request and reads the whole answer, within the timeout since this turn came.
    pub async fn send(self, request: &Request<'_>) -> Result<Reply, HttpError> {
        let end = self.since + self.client.limits.timeout;
        let outcome = self.client.exchange(request, end).await;
        if let Err(HttpError::Generator(_)) = &outcome {
            let errors = &self.client.generator_errors;
            errors.set(errors.get() + 1);
        }
        outcome
    }
}
