//! A connection to one of the two central components: where it is, and how it is spoken to. Connects when first used and again after
//! a break; never fails because the peer isn't up yet.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A peer that accepts no connection for so long is away.
const CONNECT_MS_MAX: u64 = 2_000;
/// A silent peer is asked this often whether it lives, and given up when it doesn't answer as fast.
const KEEP_ALIVE_MS: u64 = 5_000;

/// Where a peer is.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// `http://host:port`, `https://host:port`, or `unix:///path`.
    pub url: String,
    /// Shown to the peer, which lets nobody in without it.
    pub token: Option<String>,
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

/// Puts the shared token on each request.
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

/// Prepares the connection. Must be called in a tokio runtime.
///
/// # Errors
/// The address or the token can't be used.
pub fn connect(config: &PeerConfig) -> Result<PeerChannel, PeerError> {
    let error = |reason: String| PeerError {
        url: config.url.clone(),
        reason,
    };
    let endpoint = Endpoint::from_shared(config.url.clone())
        .map_err(|reason| error(reason.to_string()))?
        .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_millis(KEEP_ALIVE_MS))
        .keep_alive_timeout(Duration::from_millis(KEEP_ALIVE_MS));
    let token = config
        .token
        .as_ref()
        .map(|token| format!("Bearer {token}").parse())
        .transpose()
        .map_err(|_| error("the token may have visible ASCII characters only".to_owned()))?;
    Ok(InterceptedService::new(
        endpoint.connect_lazy(),
        Token(token),
    ))
}
