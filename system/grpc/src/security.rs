//! Security of a gRPC server: its TLS certificate, and the shared token that clients send. Both are optional where only this machine
//! can reach the server. Must not know what is served.

use std::fmt;
use std::path::{Path, PathBuf};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;
use tonic::transport::{Identity, ServerTlsConfig};

use super::address::ListenAddress;
use ordershop_contract::secret::Secret;

/// A server's certificate and token.
#[derive(Clone, Default)]
pub struct Security {
    /// Certificate chain and key, PEM.
    pub tls: Option<ServerTlsConfig>,
    /// The token that every request must carry.
    pub token: Option<Secret>,
    /// Whether other machines may reach the server without certificate and token.
    pub insecure: bool,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("tls", &self.tls.is_some())
            .field("token", &self.token.is_some())
            .field("insecure", &self.insecure)
            .finish()
    }
}

/// Why a server's security settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// The server would be open to the network.
    #[error(
        "{0} can be reached from other machines: give --tls-cert, --tls-key and --token, listen on 127.0.0.1 or unix:///path, or allow it with --insecure"
    )]
    Open(ListenAddress),
    /// A certificate without its key, or a key without its certificate.
    #[error("--tls-cert and --tls-key belong together: give both or none")]
    HalfTls,
    /// A file can't be read.
    #[error("{flag} {file}: {reason}", file = file.display())]
    File {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the certificate authority (`--tls-ca`, PEM) that signed the called servers' certificates, if one is named.
///
/// # Errors
/// The file can't be read, or has no certificate.
pub fn read_authority(file: Option<&Path>) -> Result<Option<String>, SecurityError> {
    file.map(|file| read_pem("--tls-ca", file, "CERTIFICATE"))
        .transpose()
}

/// Reads a PEM file.
///
/// # Errors
/// The file can't be read, or has no section whose name contains `section`.
fn read_pem(flag: &'static str, file: &Path, section: &str) -> Result<String, SecurityError> {
    let error = |reason: String| SecurityError::File {
        flag,
        file: file.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|e| error(e.to_string()))?;
    let found = text
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.contains(section));
    if found {
        Ok(text)
    } else {
        Err(error(format!("is not a PEM file with a {section}")))
    }
}

impl Security {
    /// Reads the certificate and key files.
    ///
    /// # Errors
    /// One of the two is missing, unreadable or not PEM.
    pub fn read(
        cert: Option<&Path>,
        key: Option<&Path>,
        token: Option<Secret>,
        insecure: bool,
    ) -> Result<Self, SecurityError> {
        let tls = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(ServerTlsConfig::new().identity(Identity::from_pem(
                read_pem("--tls-cert", cert, "CERTIFICATE")?,
                read_pem("--tls-key", key, "PRIVATE KEY")?,
            ))),
            _ => return Err(SecurityError::HalfTls),
        };
        Ok(Self {
            tls,
            token,
            insecure,
        })
    }

    /// Refuses an address that other machines can reach without both certificate and token.
    ///
    /// # Errors
    /// The address is refused; never if `insecure`.
    pub fn allows(&self, address: &ListenAddress) -> Result<(), SecurityError> {
        let secured = self.tls.is_some() && self.token.is_some();
        if secured || self.insecure || address.is_local() {
            Ok(())
        } else {
            Err(SecurityError::Open(address.clone()))
        }
    }
}

/// Passes on requests with the right token; answers others with UNAUTHENTICATED.
pub(super) async fn check_token(
    State(token): State<Secret>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request
        .headers()
        .get("authorization")
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| same(shown, token.reveal().as_bytes())) {
        return next.run(request).await;
    }
    let status = Status::unauthenticated(
        "the token is missing or wrong; send the server's (--token, GRPC_TOKEN) as authorization: Bearer …",
    );
    status.into_http::<axum::body::Body>()
}

/// Compares in constant time, so that timing doesn't reveal the token; it does reveal the token's length.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0_u8, |differing, (a, b)| {
        std::hint::black_box(differing | (a ^ b))
    });
    shown.len() == token.len() && differing == 0
}
