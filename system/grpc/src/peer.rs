//! A connection to the event store's or the message queue's process: address, TLS and token. Connects at first use and again after
//! a break; creating it doesn't fail if the peer isn't up yet.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use ordershop_contract::secret::Secret;

/// A peer that doesn't accept a connection within this counts as unavailable.
const CONNECT_MS_MAX: u64 = 2_000;
/// Interval between keep-alive pings, and how long the peer may take to answer one.
const KEEP_ALIVE_MS: u64 = 5_000;
/// A stream's flow-control window: a batch of large events arrives without waiting for a window update.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// The connection's flow-control window, shared by its streams.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A peer's address and token.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// `http://host:port`, `https://host:port`, or `unix:///path`.
    pub url: String,
    /// The token that the peer requires, if any.
    pub token: Option<Secret>,
}

/// Why a peer's address can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the address {url:?} can't be used: {reason} (http://host:port, https://host:port or unix:///path)"
)]
pub struct PeerError {
    /// The address.
    pub url: String,
    /// What is wrong.
    pub reason: String,
}

/// Requests to a peer. Cheap to clone: clones share the connection.
pub type PeerChannel = InterceptedService<Channel, Token>;

/// Adds the shared token to each request.
#[derive(Clone, Debug)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Prepares a connection without TLS. Must be called in a tokio runtime.
///
/// # Errors
/// The address or the token can't be used.
pub fn connect(config: &PeerConfig) -> Result<PeerChannel, PeerError> {
    connect_trusting(config, None)
}

/// Prepares a connection; `https://` needs the authority (PEM) that signed the peer's certificate.
///
/// # Errors
/// The address, the authority or the token can't be used.
pub fn connect_trusting(
    config: &PeerConfig,
    authority_pem: Option<&str>,
) -> Result<PeerChannel, PeerError> {
    let error = |reason: String| PeerError {
        url: config.url.clone(),
        reason,
    };
    // The endpoint would accept an address without a scheme, and then never reach it.
    if !["http://", "https://", "unix:///"]
        .iter()
        .any(|scheme| config.url.starts_with(scheme))
    {
        return Err(error("its scheme is unknown".to_owned()));
    }
    let mut endpoint = Endpoint::from_shared(config.url.clone())
        .map_err(|reason| error(reason.to_string()))?
        .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(Duration::from_millis(KEEP_ALIVE_MS))
        .keep_alive_timeout(Duration::from_millis(KEEP_ALIVE_MS));
    match (config.url.starts_with("https://"), authority_pem) {
        (true, Some(pem)) => {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|reason| error(format!("the authority of --tls-ca: {reason}")))?;
        }
        (true, None) => {
            return Err(error(
                "https:// needs --tls-ca, the peer's certificate authority".to_owned(),
            ));
        }
        // A Unix socket doesn't leave the machine; plain http:// with an authority is a mistake that would send the token unencrypted.
        (false, Some(_)) if config.url.starts_with("http://") => {
            return Err(error(
                "--tls-ca is given, so the address must be https://".to_owned(),
            ));
        }
        (false, _) => {}
    }
    let token = config
        .token
        .as_ref()
        .map(|token| format!("Bearer {}", token.reveal()).parse())
        .transpose()
        .map_err(|_| error("the token must have visible ASCII characters only".to_owned()))?;
    Ok(InterceptedService::new(
        endpoint.connect_lazy(),
        Token(token),
    ))
}
