//! Configuration: read once from flags and environment, printed at start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::grpc::address::ListenAddress;
use crate::grpc::security::Security;
use crate::grpc::server::ServerError;
use crate::redis_server::Durability;

/// What `ordershop up` can be told.
#[derive(Clone, Debug, Args)]
pub struct UpConfig {
    /// Where the gateway listens (REST, WebSocket, page); port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,

    /// A Redis or Valkey that runs already, redis://host:port/db or redis+unix:///path; without it one of our own is started
    #[arg(long, env = "REDIS_URL")]
    pub redis_url: Option<String>,

    /// Where our own Redis keeps its files [default: ./data/ordershop]
    #[arg(long, env = "DATA_DIR", conflicts_with = "redis_url")]
    pub data_dir: Option<PathBuf>,

    /// What an acknowledged write survives: none (nothing on disk), everysec (AOF, synced each second), always (AOF, synced before the answer)
    /// [default: everysec; with --redis-url the server's own setting]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// Threads that run the system; one does as well as two where Redis and the load share two cores
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// The largest request body
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = 8 * 1024 * 1024)]
    pub body_bytes_max: usize,

    /// A planted regression: CPU time that the read model wastes for each event it applies, to try out whether a comparison finds it
    #[arg(long, env = "BURN_US_PER_EVENT", default_value_t = 0, hide = true)]
    pub burn_us_per_event: u32,
}

/// Where our own Redis keeps its files unless told otherwise.
pub const DATA_DIR_DEFAULT: &str = "data/ordershop";

/// What one service's process can be told.
#[derive(Clone, Args)]
pub struct ProcessConfig {
    /// Where it listens, host:port or unix:///path [default: api-gateway 127.0.0.1:5000, event-store 127.0.0.1:5001, message-queue 127.0.0.1:5002, others nowhere]
    #[arg(long, env = "LISTEN")]
    pub listen: Option<ListenAddress>,

    /// The event store's process
    #[arg(long, env = "EVENT_STORE_URL", default_value = "http://127.0.0.1:5001")]
    pub event_store_url: String,

    /// The message queue's process
    #[arg(
        long,
        env = "MESSAGE_QUEUE_URL",
        default_value = "http://127.0.0.1:5002"
    )]
    pub message_queue_url: String,

    /// Redis, for event-store, message-queue and read-model
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,

    /// What the event store sets Redis's durability to: none, everysec, always [default: the server's own setting]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// The token that servers ask for and clients show
    #[arg(long, env = "GRPC_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// The server's certificate chain, PEM
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The server's private key, PEM
    #[arg(long, env = "TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Who signed the certificates of the servers that are called, PEM
    #[arg(long, env = "TLS_CA")]
    pub tls_ca: Option<PathBuf>,

    /// Listen beyond this machine without certificate and token
    #[arg(long, env = "INSECURE")]
    pub insecure: bool,

    /// Threads that run it
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// The largest request body (api-gateway)
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = 8 * 1024 * 1024)]
    pub body_bytes_max: usize,

    /// Stop when stdin is closed: the supervisor holds the other end, so that nothing outlives it
    #[arg(long, hide = true)]
    pub supervised: bool,

    /// A planted regression: CPU time that the read-model wastes for each event it applies, to try out whether a comparison finds it
    #[arg(long, env = "BURN_US_PER_EVENT", default_value_t = 0, hide = true)]
    pub burn_us_per_event: u32,
}

impl ProcessConfig {
    /// Reads its certificate, key and token.
    ///
    /// # Errors
    /// A file can't be used.
    pub fn security(&self) -> Result<Security, ServerError> {
        let (cert, key) = (self.tls_cert.as_deref(), self.tls_key.as_deref());
        Ok(Security::read(
            cert,
            key,
            self.token.clone(),
            self.insecure,
        )?)
    }
}

impl fmt::Debug for ProcessConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessConfig")
            .field("listen", &self.listen)
            .field("event_store_url", &self.event_store_url)
            .field("message_queue_url", &self.message_queue_url)
            .field("durability", &self.durability)
            .field("token", &self.token.is_some())
            .field("tls_cert", &self.tls_cert)
            .field("tls_ca", &self.tls_ca)
            .field("insecure", &self.insecure)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
