//! Configuration: read once from flags and environment, printed at start without its secrets.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use ordershop_contract::partition::{PARTITIONS_MAX, Partitions};
use ordershop_contract::secret::Secret;
use ordershop_gateway::{AllowedHost, AllowedOrigin, Strangers};
use ordershop_grpc::address::ListenAddress;
use ordershop_grpc::security::Security;
use ordershop_grpc::server::ServerError;
use ordershop_read_model::{PlantedCpuCost, ProjectionConfig};
use ordershop_redis::address::{RedisTls, RedisUrl};
use ordershop_redis::durability::Durability;
use ordershop_redis::replicas::ReplicasAsked;
use ordershop_redis::requirements::Asked;
use ordershop_services::sagas::CrmSaga;

/// The options of `ordershop up`.
#[derive(Clone, Debug, Args)]
pub struct UpConfig {
    /// Serve REST, the live feed and the page on this address; port 0 takes a free port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,

    /// Use this Redis or Valkey, redis://user:password@host:port/db, rediss://…, redis+unix:///path, redis+sentinel://host:26379/name or redis+cluster://host:port,host:port; without it, a private one is started
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<RedisUrl>,

    /// The certificates for a rediss:// address
    #[command(flatten)]
    pub redis_tls: RedisTlsConfig,

    /// Keep the private Redis's files in this folder [default: ./data/ordershop]
    #[arg(long, env = "DATA_DIR", conflicts_with = "redis_url")]
    pub data_dir: Option<PathBuf>,

    /// Keep writes so: none (nothing on disk), everysec (AOF, synced each second), always (AOF, synced before the answer). With --redis-url,
    /// refuse a server that keeps less [default: everysec; with --redis-url, whatever the server's is]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// What is asked of Redis's replicas
    #[command(flatten)]
    pub replicas: ReplicaOptions,

    /// How many partitions the topics have
    #[command(flatten)]
    pub partitions: PartitionOptions,

    /// Use this many threads; one is as fast as two where Redis and the load share two cores
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// The gateway's own options
    #[command(flatten)]
    pub gateway: GatewayOptions,

    /// The read model's own options
    #[command(flatten)]
    pub read_model: ReadModelOptions,

    /// The CRM's own options
    #[command(flatten)]
    pub crm: CrmOptions,
}

/// The certificates for Redis.
#[derive(Clone, Debug, Default, Args)]
pub struct RedisTlsConfig {
    /// Trust a Redis whose certificate this authority signed, a PEM file (rediss://) [default: the authorities that this machine trusts]
    #[arg(long, env = "REDIS_CA", global = true)]
    pub redis_ca: Option<PathBuf>,

    /// Show Redis this certificate chain, a PEM file (rediss://)
    #[arg(long, env = "REDIS_CERT", global = true)]
    pub redis_cert: Option<PathBuf>,

    /// Prove Redis the certificate with this private key, a PEM file (rediss://)
    #[arg(long, env = "REDIS_KEY", global = true)]
    pub redis_key: Option<PathBuf>,
}

impl RedisTlsConfig {
    /// The files, as a link to Redis takes them.
    #[must_use]
    pub fn files(&self) -> RedisTls {
        RedisTls {
            ca: self.redis_ca.clone(),
            cert: self.redis_cert.clone(),
            key: self.redis_key.clone(),
        }
    }
}

/// The options of what is asked of Redis's replicas.
#[derive(Clone, Debug, Args)]
pub struct ReplicaOptions {
    /// Answer a write only when this many replicas of Redis have it, too; refuse a Redis that has fewer (event-store, message-queue)
    #[arg(long, env = "REPLICAS_ACK", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub replicas_ack: u32,

    /// Wait this long, in ms, for the replicas; then the outcome is unknown, and a repeat is safe
    #[arg(long, env = "REPLICAS_ACK_TIMEOUT_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub replicas_ack_timeout_ms: u32,
}

impl ReplicaOptions {
    /// What is asked of Redis, with a durability and for a shop of so many partitions.
    pub(crate) fn asked(&self, durability: Option<Durability>, partitions: Partitions) -> Asked {
        Asked {
            durability,
            partitions,
            replicas: ReplicasAsked {
                ack: self.replicas_ack,
                ack_timeout_ms: self.replicas_ack_timeout_ms,
            },
        }
    }
}

/// The option of how many partitions the shop's topics have.
#[derive(Clone, Copy, Debug, Args)]
pub struct PartitionOptions {
    /// Split each topic into this many partitions, each with its own order, writer and consumers: more of them spread one shop over the nodes of a
    /// Redis Cluster. Chosen when the shop is made, and the same for all its processes
    #[arg(long, env = "PARTITIONS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(PARTITIONS_MAX)))]
    pub partitions: u8,
}

impl PartitionOptions {
    /// The number, which the parser has checked.
    pub(crate) fn wanted(self) -> Partitions {
        Partitions::new(self.partitions).unwrap_or_default()
    }
}

/// The options that are the gateway's own.
#[derive(Clone, Debug, Args)]
pub struct GatewayOptions {
    /// Refuse request bodies at the gateway that are longer than this, in bytes
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = 8 * 1024 * 1024)]
    pub body_bytes_max: usize,

    /// Let the gateway answer requests whose Host is this name, beside addresses, localhost and names without a dot; * is any. May be
    /// repeated, or a list with commas
    #[arg(long, env = "ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allowed_host: Vec<AllowedHost>,

    /// Let pages of this origin, scheme://host:port, write, listen and read at the gateway, beside its own. May be repeated, or a list with commas
    #[arg(
        long,
        env = "ALLOWED_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allowed_origin: Vec<AllowedOrigin>,
}

impl GatewayOptions {
    /// Who may use the gateway beside its own names and pages.
    #[must_use]
    pub fn strangers(&self) -> Strangers {
        Strangers {
            allowed_hosts: self.allowed_host.clone(),
            allowed_origins: self.allowed_origin.clone(),
        }
    }
}

/// The options that are the read model's own.
#[derive(Clone, Debug, Args)]
pub struct ReadModelOptions {
    /// Let the read model wait this long, in ms, for further events before it writes them together. Queries see them at once; lists, pages and
    /// reports wait for the write
    #[arg(long, env = "PROJECTION_LINGER_MS", default_value_t = ProjectionConfig::LINGER_MS, value_parser = clap::value_parser!(u16).range(0..=500))]
    pub projection_linger_ms: u16,

    /// Waste this much CPU time in the read model per applied event, in µs: a planted regression, to test whether a comparison finds it
    #[arg(long, env = "BURN_US_PER_EVENT", default_value_t = 0, hide = true)]
    pub burn_us_per_event: u32,
}

/// The options that are the CRM's own.
#[derive(Clone, Debug, Args)]
pub struct CrmOptions {
    /// Let the CRM leave events in their topics for this long, in ms, after it has handled some, so that mails are sent together
    #[arg(long, env = "MAIL_LINGER_MS", default_value_t = CrmSaga::LINGER_MS, value_parser = clap::value_parser!(u16).range(0..=500))]
    pub mail_linger_ms: u16,
}

impl CrmOptions {
    /// How long events are left in their topics.
    pub(crate) fn linger(&self) -> Duration {
        Duration::from_millis(self.mail_linger_ms.into())
    }
}

impl UpConfig {
    /// The options that `/health` shows: those that change how fast the system is.
    #[must_use]
    pub fn shown(&self) -> Value {
        let replicas = &self.replicas;
        shown(
            self.threads,
            false,
            &[],
            (self.partitions, replicas),
            &self.gateway,
            &self.read_model,
            &self.crm,
        )
    }
}

fn shown(
    threads: u16,
    processes: bool,
    scale: &[String],
    (partitions, replicas): (PartitionOptions, &ReplicaOptions),
    gateway: &GatewayOptions,
    read_model: &ReadModelOptions,
    crm: &CrmOptions,
) -> Value {
    json!({
        "partitions": partitions.partitions,
        "threads": threads,
        "processes": processes,
        "scale": scale,
        "replicas-ack": replicas.replicas_ack,
        "body-bytes-max": gateway.body_bytes_max,
        "projection-linger-ms": read_model.projection_linger_ms,
        "mail-linger-ms": crm.mail_linger_ms,
        "burn-us-per-event": read_model.burn_us_per_event,
    })
}

impl ReadModelOptions {
    /// How the read model projects.
    pub(crate) fn projection(&self) -> ProjectionConfig {
        ProjectionConfig {
            linger: Duration::from_millis(self.projection_linger_ms.into()),
            planted_cpu_cost: PlantedCpuCost::us_per_event(self.burn_us_per_event),
        }
    }
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
#[derive(Clone, Debug, Args)]
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
    #[arg(
        long,
        env = "REDIS_URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub redis_url: RedisUrl,

    /// The certificates for a rediss:// address
    #[command(flatten)]
    pub redis_tls: RedisTlsConfig,

    /// Refuse a Redis that keeps writes less well than none, everysec or always says (event-store, message-queue, read-model) [default: whatever the server's is]
    #[arg(long, env = "DURABILITY", value_parser = clap::value_parser!(Durability))]
    pub durability: Option<Durability>,

    /// What is asked of Redis's replicas
    #[command(flatten)]
    pub replicas: ReplicaOptions,

    /// How many partitions the topics have
    #[command(flatten)]
    pub partitions: PartitionOptions,

    /// Require this token from clients, and send it to the event store and the message queue
    #[arg(long, env = "GRPC_TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,

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
    #[arg(long, env = "INSECURE", value_parser = switch)]
    pub insecure: bool,

    /// Use this many threads
    #[arg(long, env = "THREADS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// The gateway's own options
    #[command(flatten)]
    pub gateway: GatewayOptions,

    /// Say at `/health` that these services run in so many processes each: the supervisor's option
    #[arg(long, hide = true)]
    pub scale: Vec<String>,

    /// Stop when stdin is closed: the supervisor holds the other end, so that no process outlives it
    #[arg(long, hide = true)]
    pub supervised: bool,

    /// The read model's own options
    #[command(flatten)]
    pub read_model: ReadModelOptions,

    /// The CRM's own options
    #[command(flatten)]
    pub crm: CrmOptions,
}

impl ProcessConfig {
    /// The address to listen on; by default, this port of this machine only.
    #[must_use]
    pub fn listen_or(&self, port: u16) -> ListenAddress {
        let local = ListenAddress::Tcp((Ipv4Addr::LOCALHOST, port).into());
        self.listen.clone().unwrap_or(local)
    }

    /// The options that `/health` shows. A process has the whole system's from its supervisor; where somebody else started it, its own.
    #[must_use]
    pub fn shown(&self) -> Value {
        let (gateway, read_model) = (&self.gateway, &self.read_model);
        shown(
            self.threads,
            true,
            &self.scale,
            (self.partitions, &self.replicas),
            gateway,
            read_model,
            &self.crm,
        )
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

/// A switch as an environment variable: 1, yes, true, on; 0, no, false, off; empty is off.
fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Ok(true),
        "" | "0" | "n" | "no" | "f" | "false" | "off" => Ok(false),
        _ => Err("write 1, yes, true or on; or 0, no, false, off or nothing".to_owned()),
    }
}
