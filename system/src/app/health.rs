//! `ordershop health`: asks a process whether it is ready: over HTTP on TCP or a Unix socket, or through the gRPC health service
//! with TLS.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use ordershop_grpc::peer::{PeerConfig, connect_trusting};
use ordershop_grpc::security::read_authority;
use ordershop_grpc::server::with_sources;

/// The longest wait for an answer.
const ANSWER_MS_MAX: u64 = 5_000;
/// Most bytes that are read of an answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The answer of `/health`.
#[derive(Clone, Debug)]
pub struct HealthAnswer {
    /// Whether the process is ready.
    pub ready: bool,
    /// The answer's JSON.
    pub body: String,
}

/// Asks `https://host:port`, whose certificate the authority in the file `tls_ca` (PEM) signed, or any address that [`ask`] takes.
///
/// # Errors
/// A message that says why there is no answer.
pub async fn ask_trusting(url: &str, tls_ca: Option<&Path>) -> Result<HealthAnswer, String> {
    if !url.starts_with("https://") {
        return ask(url).await;
    }
    let authority = read_authority(tls_ca).map_err(|error| error.to_string())?;
    let peer = PeerConfig {
        url: url.to_owned(),
        token: None,
    };
    let channel = connect_trusting(&peer, authority.as_deref()).map_err(|e| e.to_string())?;
    let mut client = HealthClient::new(channel);
    let asking = client.check(HealthCheckRequest::default());
    let answer = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), asking)
        .await
        .map_err(|_| format!("{url}: no answer within {ANSWER_MS_MAX} ms"))?
        .map_err(|status| format!("{url}: {}", with_sources(&status)))?;
    let ready = answer.into_inner().status() == ServingStatus::Serving;
    Ok(HealthAnswer {
        ready,
        body: format!("{{\"ready\":{ready}}}"),
    })
}

/// Asks `http://host:port[/…]` or `unix:///path`.
///
/// # Errors
/// A message that says why there is no answer.
pub async fn ask(url: &str) -> Result<HealthAnswer, String> {
    let asking = async {
        if let Some(path) = url.strip_prefix("unix://") {
            let socket = UnixStream::connect(path).await;
            return exchange(socket.map_err(|e| e.to_string())?).await;
        }
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(
                "write it as http://host:port, https://host:port or unix:///path".to_owned(),
            );
        };
        let host = rest.split('/').next().unwrap_or(rest);
        let socket = TcpStream::connect(host).await;
        exchange(socket.map_err(|e| e.to_string())?).await
    };
    tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), asking)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {ANSWER_MS_MAX} ms")))
        .map_err(|reason| format!("{url}: {reason}"))
}

async fn exchange(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> Result<HealthAnswer, String> {
    let request = b"GET /health HTTP/1.1\r\nHost: ordershop\r\nConnection: close\r\n\r\n";
    socket.write_all(request).await.map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut answer = socket.take(ANSWER_BYTES_MAX);
    answer
        .read_to_end(&mut bytes)
        .await
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or("the answer is not HTTP")?;
    let status = head.split(' ').nth(1).ok_or("the answer is not HTTP")?;
    Ok(HealthAnswer {
        ready: status == "200",
        body: body.to_owned(),
    })
}
