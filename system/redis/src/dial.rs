//! Opens streams to a server: over TCP, with TLS or without, or over a Unix socket. Must not know the commands but those that say who connects.

use std::io;
use std::sync::Arc;

use redis::{ConnectionAddr, ErrorKind, RedisConnectionInfo, RedisResult};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsConnector;

use crate::multiplexed_connection::{Messages, MultiplexedConnection, Stream};

/// A stream of any kind.
pub(crate) type AnyStream = Box<dyn Stream>;

/// How servers prove who they are, and how this side does.
pub(crate) struct Certificates {
    /// PEM of the authorities that count; without it, those that this machine trusts.
    pub(crate) roots: Option<Vec<u8>>,
    /// PEM of the client's chain, and of its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// The settings of TLS that follow from certificates.
///
/// # Errors
/// A certificate or the key can't be read, or they don't belong together.
pub(crate) fn tls(certificates: &Certificates) -> Result<TlsConnector, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| error.to_string();
    let chain = |pem: &[u8]| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    match &certificates.roots {
        Some(pem) => {
            for root in chain(pem).map_err(unreadable)? {
                roots.add(root).map_err(|error| error.to_string())?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match &certificates.client {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable)?;
            let config = config.with_client_auth_cert(chain(cert).map_err(unreadable)?, key);
            config.map_err(|error| error.to_string())?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Opens a stream to a server.
///
/// # Errors
/// The server can't be reached, or TLS fails.
pub(crate) async fn stream(
    address: &ConnectionAddr,
    tls: Option<&TlsConnector>,
) -> RedisResult<AnyStream> {
    let tcp = async |host: &str, port: u16| {
        let stream = TcpStream::connect((host, port)).await?;
        // What is to go out together is put together before it is written.
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    Ok(match (address, tls) {
        (ConnectionAddr::Tcp(host, port), None) => Box::new(tcp(host, *port).await?),
        (ConnectionAddr::TcpTls { host, port, .. }, Some(tls)) => {
            let name = ServerName::try_from(host.clone()).map_err(|_| {
                (
                    ErrorKind::InvalidClientConfig,
                    "no certificate has this name",
                )
            })?;
            Box::new(tls.connect(name, tcp(host, *port).await?).await?)
        }
        (ConnectionAddr::Unix(path), None) => Box::new(UnixStream::connect(path).await?),
        _ => {
            let kind = ErrorKind::InvalidClientConfig;
            return Err((kind, "such an address can't be connected to").into());
        }
    })
}

/// Opens a connection as the user of `settings`, in its database; messages of its subscriptions go to `messages`. It takes at most `connect_max`,
/// and an answer at most `answer_max`.
///
/// # Errors
/// As [`stream`]; the server refuses the user or the database; or it takes longer.
pub(crate) async fn connection(
    stream: impl Future<Output = RedisResult<AnyStream>>,
    settings: &RedisConnectionInfo,
    connect_max: Duration,
    answer_max: Duration,
    messages: Option<Messages>,
) -> RedisResult<MultiplexedConnection> {
    let opening = async {
        let stream = stream.await?;
        let database = settings.db();
        let mut connection = MultiplexedConnection::over(stream, database, answer_max, messages);
        if let Some(password) = settings.password() {
            let mut auth = redis::cmd("AUTH");
            auth.arg(settings.username()).arg(password);
            let refused = |error: redis::RedisError| match error.code() {
                Some(_) => {
                    let words = "Redis refuses the password or the user";
                    (ErrorKind::AuthenticationFailed, words, error.to_string()).into()
                }
                None => error,
            };
            auth.exec_async(&mut connection).await.map_err(refused)?;
        }
        if settings.db() != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(settings.db());
            select.exec_async(&mut connection).await?;
        }
        Ok(connection)
    };
    within(connect_max, opening).await
}

/// Waits for a connection at most so long.
pub(crate) async fn within<T>(
    connect_max: Duration,
    opening: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let opened = timeout(connect_max, opening).await;
    opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}
