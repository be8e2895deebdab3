//! A client's TCP stream with limits on slow clients: a head that doesn't come whole is answered 408, and a client that neither sends nor takes
//! anything is disconnected. One timer a connection looks at all of them now and then, so that a request costs no timer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::connections::Connection;
use super::turnstile::{Turnstile, Verdict};

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// From the end of an answer to the next head.
    pub(super) idle: Duration,
    /// Until it takes more of an answer that waits.
    pub(super) stall: Duration,
}

impl Patience {
    /// The interval of the looks: a limit is kept to within it.
    fn interval(self) -> Duration {
        self.head.min(self.idle).min(self.stall)
    }
}

/// The stream.
pub(super) struct WatchedStream {
    stream: TcpStream,
    connection: Arc<Connection>,
    patience: Patience,
    turnstile: Arc<Turnstile>,
    /// Its turn to read a request, which it waits for.
    turn: Option<oneshot::Receiver<Verdict>>,
    /// Since when an answer waits for its client.
    stalled: Option<Instant>,
    look: Option<Pin<Box<Sleep>>>,
}

impl WatchedStream {
    pub(super) fn new(
        stream: TcpStream,
        connection: Arc<Connection>,
        patience: Patience,
        turnstile: Arc<Turnstile>,
    ) -> Self {
        Self {
            stream,
            connection,
            patience,
            turnstile,
            turn: None,
            stalled: None,
            look: None,
        }
    }

    /// Fails when the client has taken too long.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let interval = self.patience.interval();
        let look = self
            .look
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
        while look.as_mut().poll(cx).is_ready() {
            look.as_mut().reset(Instant::now() + interval);
            let over =
                |limit: Duration, since: Option<Duration>| since.is_some_and(|at| at >= limit);
            if over(self.patience.head, self.connection.head_for()) {
                let answer = too_slow(self.patience.head);
                let _ = Pin::new(&mut self.stream).poll_write(cx, answer.as_bytes());
                return Err(io::ErrorKind::TimedOut.into());
            }
            let stalled = self.stalled.map(|since| since.elapsed());
            let idle = self.connection.idle().filter(|_| stalled.is_none());
            if over(self.patience.idle, idle) || over(self.patience.stall, stalled) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Waits until a request that has come may be read.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn.is_none() {
            self.turn = self.turnstile.enter();
            self.connection.active();
        }
        if let Some(turn) = &mut self.turn {
            let verdict = ready!(Pin::new(turn).poll(cx));
            self.turn = None;
            if verdict == Ok(Verdict::Refused) {
                self.connection.refuse();
            }
        }
        Poll::Ready(())
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            self.connection.active();
            return written;
        }
        self.stalled.get_or_insert_with(Instant::now);
        self.look(cx)?;
        Poll::Pending
    }
}

fn too_slow(limit: Duration) -> String {
    let limit_ms = limit.as_millis();
    let body = format!("{{\"error\":\"the request's head did not arrive within {limit_ms} ms\"}}");
    let length = body.len();
    format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.begins() {
            if self.stream.poll_read_ready(cx)?.is_pending() {
                self.look(cx)?;
                return Poll::Pending;
            }
            ready!(self.poll_turn(cx));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            self.look(cx)?;
            return Poll::Pending;
        }
        ready!(read)?;
        if buffer.filled().len() > before {
            self.connection.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
