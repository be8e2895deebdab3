//! Who may speak to a gRPC server: a certificate for those who connect, a shared token from them. Off where only this machine reaches
//! the server. Knows nothing of what is served.

use std::fmt;
use std::path::{Path, PathBuf};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;
use tonic::transport::{Identity, ServerTlsConfig};

use super::address::ListenAddress;

/// A server's certificate and token.
#[derive(Clone, Default)]
pub struct Security {
    /// Certificate chain and key, PEM.
    pub tls: Option<ServerTlsConfig>,
    /// What every request must show.
    pub token: Option<String>,
    /// Listen beyond this machine without them.
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

/// Why a server may not or can't be secured so.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// It would be open to the network.
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
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the authority that signed the certificates of the servers that are called (`--tls-ca`, PEM), if one is named.
///
/// # Errors
/// It can't be read, or holds no certificate.
pub fn read_authority(file: Option<&Path>) -> Result<Option<String>, SecurityError> {
    file.map(|file| read_pem("--tls-ca", file, "CERTIFICATE"))
        .transpose()
}

/// Reads a PEM file.
///
/// # Errors
/// It can't be read, or has no section whose name contains `section`.
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
        Err(error(format!("is no PEM file with a {section}")))
    }
}

impl Security {
    /// Reads the files.
    ///
    /// # Errors
    /// One of the two is missing, unreadable or no PEM.
    pub fn read(
        cert: Option<&Path>,
        key: Option<&Path>,
        token: Option<String>,
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

    /// Refuses an address that other machines reach without both certificate and token.
    ///
    /// # Errors
    /// As said, unless `insecure`.
    pub fn allows(&self, address: &ListenAddress) -> Result<(), SecurityError> {
        let secured = self.tls.is_some() && self.token.is_some();
        if secured || self.insecure || address.is_local() {
            Ok(())
        } else {
            Err(SecurityError::Open(address.clone()))
        }
    }
}

/// Lets a request pass that shows the token; answers others UNAUTHENTICATED.
pub(super) async fn check_token(
    State(token): State<String>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request
        .headers()
        .get("authorization")
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| same(shown, token.as_bytes())) {
        return next.run(request).await;
    }
    let status = Status::unauthenticated(
        "show the server's token (--token, GRPC_TOKEN) as authorization: Bearer …",
    );
    status.into_http::<axum::body::Body>()
}

/// Takes as long for a wrong token as for the right one, so that its time tells nothing. Its length may be learnt.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0_u8, |differing, (a, b)| {
        std::hint::black_box(differing | (a ^ b))
    });
    shown.len() == token.len() && differing == 0
}
