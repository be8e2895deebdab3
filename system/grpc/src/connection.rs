//! Identifies the connection of a request: each accepted connection has a number and signals its end, so that messages a client left
//! unhandled can be given to others. Must not know what is sent over a socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TlsConnectInfo};

/// A client's connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Unique in this process.
    pub number: u64,
    /// Cancelled when the connection has ended for any reason.
    pub ended: CancellationToken,
}

impl Connection {
    /// The connection of a request; `None` if the server doesn't track connections.
    pub fn of<T>(request: &tonic::Request<T>) -> Option<Self> {
        let extensions = request.extensions();
        let plain = extensions.get::<Self>();
        let encrypted = || Some(extensions.get::<TlsConnectInfo<Self>>()?.get_ref());
        plain.or_else(encrypted).cloned()
    }
}

/// A socket that signals its end.
#[derive(Debug)]
pub struct Tracked<S> {
    socket: S,
    connection: Connection,
}

impl<S> Tracked<S> {
    /// Tracks an accepted socket.
    pub fn new(socket: S) -> Self {
        static ACCEPTED: AtomicU64 = AtomicU64::new(0);
        Self {
            socket,
            connection: Connection {
                number: ACCEPTED.fetch_add(1, Ordering::Relaxed),
                ended: CancellationToken::new(),
            },
        }
    }
}

impl<S> Drop for Tracked<S> {
    fn drop(&mut self) {
        self.connection.ended.cancel();
    }
}

impl<S> Connected for Tracked<S> {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
