//! One keep-alive connection with its buffers: a request out, its answer in, in the caller's own task. No task of its own and no
//! channel stand between, which is most of what an exchange would otherwise cost.

use std::pin::pin;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::request::Request;
use super::response::{Complete, Decoder};
use super::target::{Stream, Target};
use super::time_limit::TimeLimit;
use super::{ExchangeTimes, HttpError};

/// Read at once; most answers fit. For a longer one there is room as soon as its length is known.
const READ_BYTES: usize = 4 << 10;
/// A buffer that a long answer has made larger than this is given back.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// A connection on which nothing is under way.
pub(super) struct Connection {
    wire: Wire,
    limit: TimeLimit,
}

struct Wire {
    stream: Stream,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

/// An exchange that came to its end.
pub(super) struct Exchanged {
    pub complete: Complete,
    pub body: bytes::Bytes,
    /// Of a sampled request.
    pub times: Option<Box<ExchangeTimes>>,
}

/// An exchange that failed.
pub(super) struct Failure {
    pub error: HttpError,
    /// Not a byte of an answer came.
    pub unanswered: bool,
    /// Not a byte of the request was taken.
    pub unsent: bool,
}

impl Connection {
    /// Open before `end`, or not at all.
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

    /// Sends what `request` encodes to and reads the answer before `end`; its body with it.
    pub async fn exchange(
        &mut self,
        request: &Request<'_>,
        target: &Target,
        bytes_max: usize,
        end: Instant,
    ) -> Result<Exchanged, Failure> {
        // Pinned where it is made: moving it would cost more than all it does.
        let exchange = pin!(self.wire.exchange(request, target, bytes_max));
        self.limit.keep(end, exchange).await.unwrap_or(Err(Failure {
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
    ) -> Result<Exchanged, Failure> {
        let failure = |error, unsent, unanswered| Failure {
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
            times,
        })
    }
}
