//! Whose request this is: each accepted connection has a number and tells when it ends, so that what a client left behind can be given
//! to others. Knows sockets, not what is sent over them.

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
    /// Cancelled when the connection has ended, however it did.
    pub ended: CancellationToken,
}

impl Connection {
    /// The connection that a request came over; `None` where the server does not track them.
    pub fn of<T>(request: &tonic::Request<T>) -> Option<Self> {
        let extensions = request.extensions();
        let plain = extensions.get::<Self>();
        let encrypted = || Some(extensions.get::<TlsConnectInfo<Self>>()?.get_ref());
        plain.or_else(encrypted).cloned()
    }
}

/// A socket that says when it is gone.
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
