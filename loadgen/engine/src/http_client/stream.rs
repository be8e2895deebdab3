//! A connection's bytes, whatever carries them.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connection, encrypted or not.
pub enum Stream {
    /// `http://`.
    Plain(TcpStream),
    /// `unix:`.
    Unix(UnixStream),
    /// `https://`.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What has happened on a connection while nobody read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// Something was said.
    Bytes,
    /// The other side has ended it.
    End,
}

impl Stream {
    /// What has happened: asked of the kernel, without taking anything.
    pub(super) fn news(&self) -> News {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let mut byte = [0_u8; 1];
        let looked = match self {
            Self::Plain(tcp) => rustix::net::recv(tcp, &mut byte, flags),
            Self::Unix(unix) => rustix::net::recv(unix, &mut byte, flags),
            Self::Tls(tls) => rustix::net::recv(tls.get_ref().0, &mut byte, flags),
        };
        match looked {
            Ok((0, _)) => News::End,
            Ok(_) => News::Bytes,
            Err(Errno::AGAIN | Errno::INTR) => News::Nothing,
            Err(_) => News::End,
        }
    }

    /// Reads what has come, as far as the runtime knows; `WouldBlock` if that is nothing. Nobody is woken for it, which makes it cheap.
    pub(super) fn read_at_once(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read_buf(buffer),
            Self::Unix(unix) => unix.try_read_buf(buffer),
            Self::Tls(_) => {
                let mut context = Context::from_waker(Waker::noop());
                match pin!(self.read_buf(buffer)).poll(&mut context) {
                    Poll::Ready(read) => read,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Waits until the runtime knows that there is something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.readable().await,
            Self::Unix(unix) => unix.readable().await,
            Self::Tls(tls) => tls.get_ref().0.readable().await,
        }
    }

    /// The protocol that both sides agreed on in the TLS handshake.
    pub(super) fn agreed_protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) | Self::Unix(_) => None,
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Unix(unix) => Pin::new(unix).poll_read(context, buffer),
            Self::Tls(tls) => match Pin::new(tls).poll_read(context, buffer) {
                // Many servers close without TLS's own farewell. Whether the answer was complete is known from its length.
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Unix(unix) => Pin::new(unix).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
