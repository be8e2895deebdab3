//! One keep-alive connection with its buffers: sends a request and reads its answer in the caller's task. It has no task and no
//! channel of its own: those would be most of an exchange's cost.

use std::pin::pin;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::HttpError;
use super::exchange_times::ExchangeTimes;
use super::request::Request;
use super::response::{Complete, Decoder};
use super::target::{Stream, Target};
use super::time_limit::TimeLimit;

/// The size of the read buffer; most answers fit. It grows for a longer answer as soon as its length is known.
const READ_BYTES: usize = 4 << 10;
/// A buffer that has grown larger than this for a long answer, or a long body, is shrunk again.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// A connection without an exchange in progress.
pub(super) struct Connection {
    wire: Wire,
    limit: TimeLimit,
}

struct Wire {
    stream: Stream,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

/// A completed exchange.
pub(super) struct Exchanged {
    pub complete: Complete,
    pub body: bytes::Bytes,
    /// Empty unless the request asked for them.
    pub headers: Vec<(String, String)>,
    /// Set for a sampled request.
    pub times: Option<Box<ExchangeTimes>>,
}

/// An exchange that failed.
pub(super) struct ExchangeFailure {
    pub error: HttpError,
    /// No byte of an answer was read.
    pub unanswered: bool,
    /// No byte of the request was written.
    pub unsent: bool,
}

impl Connection {
    /// Opens a connection. Fails if it is not open by `end`.
    pub async fn open(target: &Target, end: Instant) -> Result<Self, HttpError> {
        let opened = tokio::time::timeout_at(end.into(), target.connect());
        let opened = opened.await.map_err(|_| HttpError::Timeout)?;
        let wire = Wire {
            stream: opened.map_err(HttpError::opening)?,
            outbox: Vec::with_capacity(512),
            inbox: Vec::with_capacity(READ_BYTES),
        };
        let limit = TimeLimit::new(end);
        Ok(Self { wire, limit })
    }

    /// Sends a request and reads the whole answer. Fails if it is not complete by `end`.
    pub async fn exchange(
        &mut self,
        request: &Request<'_>,
        target: &Target,
        bytes_max: usize,
        end: Instant,
    ) -> Result<Exchanged, ExchangeFailure> {
        // Pinned in place: moving the future would cost more than the exchange itself.
        let exchange = pin!(self.wire.exchange(request, target, bytes_max));
        self.limit
            .keep(end, exchange)
            .await
            .unwrap_or(Err(ExchangeFailure {
                error: HttpError::Timeout,
                unanswered: false,
                unsent: false,
            }))
    }
}

impl Wire {
    async fn exchange(
        &mut self,
        request: &Request<'_>,
        target: &Target,
        bytes_max: usize,
    ) -> Result<Exchanged, ExchangeFailure> {
        let failure = |error, unsent, unanswered| ExchangeFailure {
            error,
            unanswered,
            unsent,
        };
        let lost = |e: std::io::Error| HttpError::ConnectionLost(e.to_string());
        // Clocks are read for sampled requests only.
        let sampled = request.trace.is_some_and(|trace| trace.sampled);
        let now = || sampled.then(Instant::now);
        let connected = now();
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_BYTES_MAX);
        request
            .encode(target.host_header(), target.base_path(), &mut self.outbox)
            .map_err(|e| failure(e, false, false))?;
        let mut sent = 0;
        while sent < self.outbox.len() {
            match self.stream.write(&self.outbox[sent..]).await {
                Ok(0) => {
                    return Err(failure(
                        lost(std::io::ErrorKind::WriteZero.into()),
                        sent == 0,
                        true,
                    ));
                }
                Ok(n) => sent += n,
                Err(e) => return Err(failure(lost(e), sent == 0, true)),
            }
        }
        if let Stream::Tls(_) = self.stream {
            let flushed = self.stream.flush().await;
            flushed.map_err(|e| failure(lost(e), false, true))?;
        }
        let written = now();
        let mut first_byte = None;
        self.inbox.clear();
        self.inbox.shrink_to(KEPT_BYTES_MAX);
        let mut decoder = Decoder::new(request.method == "HEAD", bytes_max, sampled);
        decoder.headers = request.keeps_headers.then(Vec::new);
        let mut unanswered = true;
        let complete = loop {
            let read = self.stream.read_buf(&mut self.inbox).await;
            match read.map_err(|e| failure(lost(e), false, unanswered))? {
                0 => {
                    let closed = decoder.closed(&self.inbox);
                    break closed.map_err(|e| failure(e, false, unanswered))?;
                }
                _ if unanswered => {
                    unanswered = false;
                    first_byte = now();
                }
                _ => {}
            }
            let advanced = decoder.advance(&mut self.inbox);
            if let Some(complete) = advanced.map_err(|e| failure(e, false, false))? {
                break complete;
            }
        };
        let body = match decoder.chunks {
            Some(chunks) => chunks.into(),
            None => bytes::Bytes::copy_from_slice(&self.inbox[complete.body.clone()]),
        };
        let times = connected.zip(written).zip(first_byte);
        let times = times.map(|((connected, written), first_byte)| {
            Box::new(ExchangeTimes {
                connected,
                written,
                first_byte,
                server_timing: decoder.server_timing.take(),
            })
        });
        Ok(Exchanged {
            complete,
            body,
            headers: decoder.headers.take().unwrap_or_default(),
            times,
        })
    }
}
