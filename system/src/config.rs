//! Configuration: read once from flags and environment, printed at start.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

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
}

/// Where our own Redis keeps its files unless told otherwise.
pub const DATA_DIR_DEFAULT: &str = "data/ordershop";
