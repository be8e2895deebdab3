//! Configuration: read once from flags and environment, printed at start.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use ordershop_gateway::{AllowedHost, AllowedOrigin, Strangers};
use ordershop_grpc::address::ListenAddress;
use ordershop_grpc::security::Security;
use ordershop_grpc::server::ServerError;
use ordershop_redis::durability::Durability;

/// The options of `ordershop up`.
#[derive(Clone, Debug, Args)]
pub struct UpConfig {
    /// Serve REST, the live feed and the page on this address; port 0 takes a free port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,

    /// Use this Redis or Valkey, redis://host:port/db or redis+unix:///path; without it, a private one is started
    #[arg(long, env = "REDIS_URL")]
    pub redis_url: Option<String>,

    /// Keep the private Redis's files in this folder [default: ./data/ordershop]
    #[arg(long, env = "DATA_DIR", conflicts_with = "redis_url")]
    pub data_dir: Option<PathBuf>,

    /// Set how writes are kept: none (nothing on disk), everysec (AOF, synced each second), always (AOF, synced before the answer)
    /// [default: everysec; with --redis-url, the server's own setting]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// Use this many threads; one is as fast as two where Redis and the load share two cores
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// Refuse request bodies longer than this, in bytes
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = 8 * 1024 * 1024)]
    pub body_bytes_max: usize,

    /// Answer requests whose Host is this name, beside addresses, localhost and names without a dot; * is any. May be repeated, or a list
    /// with commas
    #[arg(long, env = "ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allowed_host: Vec<AllowedHost>,

    /// Let pages of this origin, scheme://host:port, write, listen and read, beside the gateway's own. May be repeated, or a list with commas
    #[arg(
        long,
        env = "ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allowed_origin: Vec<AllowedOrigin>,

    /// Waste this much CPU time in the read model per applied event, in µs: a planted regression, to test whether a comparison finds it
    #[arg(long, env = "BURN_US_PER_EVENT", default_value_t = 0, hide = true)]
    pub burn_us_per_event: u32,
}

impl UpConfig {
    /// What the gateway is told.
    #[must_use]
    pub fn gateway(&self) -> GatewayOptions {
        GatewayOptions {
            body_bytes_max: self.body_bytes_max,
            strangers: Strangers {
                allowed_hosts: self.allowed_host.clone(),
                allowed_origins: self.allowed_origin.clone(),
            },
        }
    }
}

/// The options that are the gateway's own.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Longest request body, bytes.
    pub body_bytes_max: usize,
    /// Who may use the gateway beside its own names and pages.
    pub strangers: Strangers,
}

/// The default folder of the private Redis's files.
pub const DATA_DIR_DEFAULT: &str = "data/ordershop";

/// The ports on which processes listen on this machine unless `--listen` says otherwise.
pub const API_GATEWAY_PORT: u16 = 5000;
/// The event store's.
pub const EVENT_STORE_PORT: u16 = 5001;
/// The message queue's.
pub const MESSAGE_QUEUE_PORT: u16 = 5002;

/// The options of a command that runs one service as its own process.
#[derive(Clone, Args)]
pub struct ProcessConfig {
    /// Listen on this address, host:port or unix:///path [default: api-gateway 127.0.0.1:5000, event-store 127.0.0.1:5001, message-queue 127.0.0.1:5002; others don't listen]
    #[arg(long, env = "LISTEN")]
    pub listen: Option<ListenAddress>,

    /// Connect to the event store at this address
    #[arg(long, env = "EVENT_STORE_URL", default_value = "http://127.0.0.1:5001")]
    pub event_store_url: String,

    /// Connect to the message queue at this address
    #[arg(
        long,
        env = "MESSAGE_QUEUE_URL",
        default_value = "http://127.0.0.1:5002"
    )]
    pub message_queue_url: String,

    /// Use this Redis or Valkey (event-store, message-queue, read-model)
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,

    /// Set Redis's durability to none, everysec or always (event-store) [default: the server's own setting]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// Require this token from clients, and send it to the event store and the message queue
    #[arg(long, env = "GRPC_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Serve TLS with this certificate chain, a PEM file
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// Serve TLS with this private key, a PEM file
    #[arg(long, env = "TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Trust certificates that this authority signed, a PEM file
    #[arg(long, env = "TLS_CA")]
    pub tls_ca: Option<PathBuf>,

    /// Allow other machines to connect without certificate and token
    #[arg(long, env = "INSECURE")]
    pub insecure: bool,

    /// Use this many threads
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// Refuse request bodies longer than this, in bytes (api-gateway)
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = 8 * 1024 * 1024)]
    pub body_bytes_max: usize,

    /// Answer requests whose Host is this name, beside addresses, localhost and names without a dot; * is any. May be repeated, or a list
    /// with commas (api-gateway)
    #[arg(long, env = "ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allowed_host: Vec<AllowedHost>,

    /// Let pages of this origin, scheme://host:port, write, listen and read, beside the gateway's own. May be repeated, or a list with commas (api-gateway)
    #[arg(
        long,
        env = "ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allowed_origin: Vec<AllowedOrigin>,

    /// Stop when stdin is closed: the supervisor holds the other end, so that no process outlives it
    #[arg(long, hide = true)]
    pub supervised: bool,

    /// Waste this much CPU time per applied event, in µs (read-model): a planted regression, to test whether a comparison finds it
    #[arg(long, env = "BURN_US_PER_EVENT", default_value_t = 0, hide = true)]
    pub burn_us_per_event: u32,
}

impl ProcessConfig {
    /// What the gateway is told.
    #[must_use]
    pub fn gateway(&self) -> GatewayOptions {
        GatewayOptions {
            body_bytes_max: self.body_bytes_max,
            strangers: Strangers {
                allowed_hosts: self.allowed_host.clone(),
                allowed_origins: self.allowed_origin.clone(),
            },
        }
    }

    /// The address to listen on; by default, this port of this machine only.
    #[must_use]
    pub fn listen_or(&self, port: u16) -> ListenAddress {
        let local = ListenAddress::Tcp((Ipv4Addr::LOCALHOST, port).into());
        self.listen.clone().unwrap_or(local)
    }

    /// Reads the certificate and key files.
    ///
    /// # Errors
    /// A file can't be used, or one of certificate and key is missing.
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
            .field("allowed_host", &self.allowed_host)
            .field("allowed_origin", &self.allowed_origin)
            .finish_non_exhaustive()
    }
}
