//! A server for gRPC services on TCP or a Unix socket, with health checks, reflection, and `/health` and `/metrics` over HTTP/1.1 on the
//! same port. Must not know what the services do.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::address::ListenAddress;
use super::connection::Tracked;
use super::proto;
use super::security::{Security, SecurityError, check_token};
use metrics_exposition::Format;
use ordershop_contract::readiness::{Readiness, ReadinessState};
use ordershop_contract::secret::Secret;
use prometheus_client::registry::Registry;

/// A stream's flow-control window: a batch of large events is sent without waiting for a window update.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// A connection's flow-control window, shared by its streams.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Interval between keep-alive pings, and how long the client may take to answer one.
const KEEP_ALIVE_MS: u64 = 5_000;
/// Interval between readiness checks for the health service.
const HEALTH_POLL_MS: u64 = 200;
/// A check that takes longer counts as not ready.
const CHECK_MS_MAX: u64 = 2_000;
/// How long requests in flight may take to end at shutdown.
const DRAIN_MS_MAX: u64 = 10_000;
/// The pause after a failed accept (for example: out of file descriptors).
const ACCEPT_PAUSE_MS: u64 = 50;

/// Why the server can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {error}{hint}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The address is refused with these security settings.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// The certificate or the key can't be used.
    #[error("--tls-cert and --tls-key can't be used: {0}")]
    Tls(String),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A server that is bound to its address but doesn't serve yet.
pub struct GrpcServer {
    listener: Listener,
    address: ListenAddress,
    server: Server,
    token: Option<Secret>,
    scheme: &'static str,
}

impl GrpcServer {
    /// Binds the address. A stale socket file, on which no process listens, is replaced.
    ///
    /// # Errors
    /// The address is taken, it is open to the network without certificate and token, or the certificate can't be used.
    pub async fn bind(address: &ListenAddress, security: &Security) -> Result<Self, ServerError> {
        security.allows(address)?;
        let keep_alive = Duration::from_millis(KEEP_ALIVE_MS);
        let mut server = Server::builder()
            .accept_http1(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keepalive_interval(Some(keep_alive))
            .http2_keepalive_timeout(Some(keep_alive));
        if let Some(tls) = &security.tls {
            server = server
                .tls_config(tls.clone())
                .map_err(|error| ServerError::Tls(with_sources(&error)))?;
        }
        let error = |error: io::Error| ServerError::Listen {
            address: address.clone(),
            hint: match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "; another program listens there: stop it, or choose another address with --listen"
                }
                _ => "",
            },
            error,
        };
        let (listener, address) = match address {
            ListenAddress::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp).await.map_err(error)?;
                let bound = listener.local_addr().map_err(error)?;
                (Listener::Tcp(listener), ListenAddress::Tcp(bound))
            }
            ListenAddress::Unix(path) => {
                remove_stale(path).await.map_err(error)?;
                let listener = UnixListener::bind(path).map_err(error)?;
                (Listener::Unix(listener), address.clone())
            }
        };
        let scheme = if security.tls.is_some() {
            "https"
        } else {
            "http"
        };
        Ok(Self {
            listener,
            address,
            server,
            token: security.token.clone(),
            scheme,
        })
    }

    /// The server's address: `http://host:port`, `https://host:port` or `unix:///path`.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.address {
            ListenAddress::Tcp(address) => format!("{}://{address}", self.scheme),
            unix @ ListenAddress::Unix(_) => unix.to_string(),
        }
    }

    /// Serves until `drain` is cancelled, then lets requests in flight end, at most 10 s. `names` are the services' full names, for the
    /// health service; `descriptors` are the contracts that reflection shows besides our own. Health checks, `/health` and `/metrics` need
    /// no token; everything else does, including reflection.
    pub async fn serve(
        self,
        services: Routes,
        names: Vec<&'static str>,
        descriptors: &'static [u8],
        readiness: Arc<dyn Readiness>,
        metrics: Registry,
        drain: CancellationToken,
    ) {
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut router = reflected(services, descriptors).into_axum_router();
        if let Some(token) = self.token {
            router = router.layer(axum::middleware::from_fn_with_state(token, check_token));
        }
        let routes = Routes::from(router).add_service(health).into_axum_router();
        let routes = Routes::from(routes.merge(plain_http(&readiness, metrics, &drain)));
        let reporting = tokio::spawn(report(reporter, names, readiness, drain.clone()));
        // Ending the stream closes the listener: clients that connect during the drain are refused at once instead of waiting.
        let open = (self.listener, drain.clone());
        let incoming = futures_util::stream::unfold(open, |(listener, drain)| async move {
            let socket = drain.run_until_cancelled(accept(&listener)).await?;
            Some((Ok::<_, io::Error>(Tracked::new(socket)), (listener, drain)))
        });
        let mut server = self.server;
        let stop = drain.clone().cancelled_owned();
        let serving = server
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop);
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => Ok(ended),
            () = drain.cancelled() => {
                tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), serving).await
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the gRPC server failed"),
            Err(_) => {
                tracing::warn!("not all requests ended within {DRAIN_MS_MAX} ms; aborting them")
            }
        }
        reporting.abort();
        if let ListenAddress::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn reflected(services: Routes, descriptors: &[u8]) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = builder()
        .build_v1()
        .expect("our own descriptors are well-formed");
    let v1alpha = builder()
        .build_v1alpha()
        .expect("our own descriptors are well-formed");
    services.add_service(v1).add_service(v1alpha)
}

fn plain_http(
    readiness: &Arc<dyn Readiness>,
    metrics: Registry,
    drain: &CancellationToken,
) -> Router {
    let (readiness, drain) = (Arc::clone(readiness), drain.clone());
    let registry = Arc::new(metrics);
    Router::new()
        .route(
            "/health",
            get(async move || {
                let state = check(&*readiness).await;
                let ready = state.ready && !drain.is_cancelled();
                let body = serde_json::json!({
                    "live": true,
                    "ready": ready,
                    "version": env!("CARGO_PKG_VERSION"),
                    "reasons": state.reasons,
                });
                let status = if ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                (
                    status,
                    [(header::CONTENT_TYPE, "application/json")],
                    body.to_string(),
                )
            }),
        )
        .route(
            "/metrics",
            get(async move |headers: HeaderMap| {
                let accept = headers.get(header::ACCEPT);
                let format = Format::accepted(accept.and_then(|value| value.to_str().ok()));
                let (status, text) = match format.encode(&[&registry]) {
                    Ok(text) => (StatusCode::OK, text),
                    Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
                };
                (
                    status,
                    [(header::CONTENT_TYPE, format.content_type())],
                    text,
                )
            }),
        )
}

async fn check(readiness: &dyn Readiness) -> ReadinessState {
    let limit = Duration::from_millis(CHECK_MS_MAX);
    tokio::time::timeout(limit, readiness.check())
        .await
        .unwrap_or_else(|_| {
            ReadinessState::not_ready(format!("the readiness check took over {CHECK_MS_MAX} ms"))
        })
}

/// Reports the readiness to the health service until the drain begins.
async fn report(
    mut reporter: HealthReporter,
    mut names: Vec<&'static str>,
    readiness: Arc<dyn Readiness>,
    drain: CancellationToken,
) {
    names.push("");
    let mut told = None;
    loop {
        let ready = drain
            .run_until_cancelled(check(&*readiness))
            .await
            .is_some_and(|state| state.ready);
        if told != Some(ready) {
            let status = if ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            for name in &names {
                reporter.set_service_status(*name, status).await;
            }
            told = Some(ready);
        }
        if drain.is_cancelled() {
            // Ends the streams of watching clients after this last status; the drain would otherwise wait for them.
            for name in &names {
                reporter.clear_service_status(name).await;
            }
            return;
        }
        let pause = tokio::time::sleep(Duration::from_millis(HEALTH_POLL_MS));
        drain.run_until_cancelled(pause).await;
    }
}

async fn accept(listener: &Listener) -> Either<TcpStream, UnixStream> {
    loop {
        let accepted = match listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(socket, _)| {
                // Nagle's algorithm would hold small answers back until the client acknowledges.
                let _ = socket.set_nodelay(true);
                Either::Left(socket)
            }),
            Listener::Unix(listener) => listener
                .accept()
                .await
                .map(|(socket, _)| Either::Right(socket)),
        };
        match accepted {
            Ok(socket) => return socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

/// An error's text with those of its sources: "transport error" alone says nothing.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Removes a socket file on which no process listens. Any other file, or a socket in use, is an error and stays.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is not a socket is there",
        )),
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => std::fs::remove_file(path),
    }
}
