//! HTTP/1.1 for one driver: keep-alive connections in a pool without a lock, because a driver is one thread. Knows requests and
//! answers; must not know scenarios, and records nothing.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Connections kept open while nothing is sent on them.
const IDLE_MAX: usize = 4_096;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://host:port`, without a path.
    pub url: String,
    authority: String,
    base_path: String,
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// Takes a URL apart and looks its host up. The error is for the person who typed it.
    pub async fn resolve(url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!(
                "`{url}`: only http:// is supported, as in http://127.0.0.1:5000"
            ));
        }
        let host = uri.host().ok_or_else(|| format!("`{url}` has no host"))?;
        let port = uri.port_u16().unwrap_or(80);
        let addresses: Vec<SocketAddr> =
            tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
                .await
                .map_err(|e| format!("{host}: {e}"))?
                .collect();
        let authority = format!("{host}:{port}");
        Ok(Self {
            url: format!("http://{authority}"),
            authority,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            addresses,
        })
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A path under the target's URL.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// One TCP connection without Nagle's delay.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.addresses.as_slice()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Why there is no answer. The text is the error's kind in reports.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection could be opened.
    #[error("connect: {}", .0.kind())]
    Connect(#[from] std::io::Error),
    /// No complete answer in time.
    #[error("timeout")]
    Timeout,
    /// The connection ended before the answer was complete: the request may have been carried out or not.
    #[error("connection lost")]
    ConnectionLost(String),
    /// The answer is longer than the limit.
    #[error("answer too long")]
    TooLong,
    /// The request itself is not HTTP (its path or a header, as rendered).
    #[error("bad request")]
    BadRequest(String),
}

impl HttpError {
    /// More than the kind.
    pub fn detail(&self) -> String {
        match self {
            Self::Connect(e) => e.to_string(),
            Self::ConnectionLost(e) | Self::BadRequest(e) => e.clone(),
            other => other.to_string(),
        }
    }
}

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// When the last byte had been read.
    pub completed: Instant,
}

/// A client with its connections.
pub struct HttpClient {
    target: Target,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
    timeout: Duration,
    response_bytes_max: usize,
}

impl HttpClient {
    /// A client without connections yet.
    pub fn new(target: Target, timeout: Duration, response_bytes_max: usize) -> Self {
        Self {
            target,
            idle: RefCell::new(Vec::new()),
            timeout,
            response_bytes_max,
        }
    }

    /// Where its requests go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request and reads the whole answer, within the timeout.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Reply, HttpError> {
        let path = if self.target.base_path.is_empty() {
            path.to_owned()
        } else {
            self.target.path(path)
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.target.authority());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let own_type = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if body.is_some() && !own_type {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = Full::new(body.map_or_else(Bytes::new, Bytes::from));
        let request = request
            .body(body)
            .map_err(|e| HttpError::BadRequest(e.to_string()))?;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(HttpError::Timeout),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Reply, HttpError> {
        self.send("GET", path, &[], None).await
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Reply, HttpError> {
        loop {
            let (mut connection, reused) = match self.idle_connection().await {
                Some(connection) => (connection, true),
                None => (self.open().await?, false),
            };
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let body = Limited::new(response.into_body(), self.response_bytes_max)
                        .collect()
                        .await
                        .map_err(|e| match e.is::<http_body_util::LengthLimitError>() {
                            true => HttpError::TooLong,
                            false => HttpError::ConnectionLost(e.to_string()),
                        })?;
                    let completed = Instant::now();
                    if self.idle.borrow().len() < IDLE_MAX && !connection.is_closed() {
                        self.idle.borrow_mut().push(connection);
                    }
                    return Ok(Reply {
                        status,
                        body: body.to_bytes(),
                        completed,
                    });
                }
                Err(mut error) => match error.take_message() {
                    // Nothing of it was written: a kept connection that the target had closed meanwhile. Never twice otherwise.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(HttpError::ConnectionLost(error.into_error().to_string())),
                },
            }
        }
    }

    /// The connection used last: it is the least likely to have been closed by the target.
    async fn idle_connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let stream = self.target.connect().await?;
        let lost = |e: hyper::Error| HttpError::ConnectionLost(e.to_string());
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // Its errors reach the request under way; without one they matter to nobody.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }
}
