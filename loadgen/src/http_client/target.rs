//! The target of requests: parses its URL, resolves its host once, and opens connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::TlsOptions;

/// The target of requests.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port` or `https://host:port`, without a path.
    pub url: String,
    authority: String,
    /// The `host` header line of every request.
    host_header: String,
    base_path: String,
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    /// Parses a URL and resolves its host. The error is for the person who typed the URL.
    pub async fn resolve(url: &str, tls: &TlsOptions) -> Result<Self, String> {
        let uri: http::Uri = url
            .parse()
            .map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => {
                return Err(format!(
                    "`{url}` must start with http:// or https://, as in http://127.0.0.1:5000"
                ));
            }
        };
        let host = uri.host().ok_or_else(|| format!("`{url}` has no host"))?;
        let bare_host = host.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(default_port);
        let tls = match scheme {
            "https" => {
                let name = ServerName::try_from(bare_host.to_owned())
                    .map_err(|e| format!("{host}: {e}"))?;
                Some((TlsConnector::from(tls.config()?), name))
            }
            _ => None,
        };
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((bare_host, port))
            .await
            .map_err(|e| format!("can't resolve the host {host}: {e}"))?
            .collect();
        let authority = format!("{host}:{port}");
        Ok(Self {
            url: format!("{scheme}://{authority}"),
            host_header: format!("host: {authority}\r\n"),
            authority,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            addresses,
            tls,
        })
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The `host` header line, with its line break.
    pub(super) fn host_header(&self) -> &str {
        &self.host_header
    }

    /// The URL's path without a final `/`: the prefix of every request's path.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// A path under the target's URL.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// Opens a connection, without Nagle's delay.
    pub async fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(self.addresses.as_slice()).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), tcp).await?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }
}

/// A connection, encrypted or not.
pub enum Stream {
    /// `http://`.
    Plain(TcpStream),
    /// `https://`.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
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
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
