//! The Redis that a command of an operator works on: the named one, or the private one of a data folder.

use std::path::{Path, PathBuf};

use clap::Args;
use ordershop_redis::address::{RedisTls, RedisUrl};

use crate::config::{DATA_DIR_DEFAULT, RedisTlsConfig};

/// The options that say which Redis.
#[derive(Args)]
pub struct RedisPlace {
    /// Use this Redis or Valkey, redis://user:password@host:port/db, rediss://…, redis+unix:///path, redis+sentinel://host:26379/name or redis+cluster://host:port,host:port [default: the private one in --data-dir]
    #[arg(long, env = "REDIS_URL", hide_env_values = true, global = true)]
    redis_url: Option<RedisUrl>,
    /// The certificates for a rediss:// address
    #[command(flatten)]
    redis_tls: RedisTlsConfig,
    /// Use the private Redis whose files are in this folder [default: ./data/ordershop]
    #[arg(long, env = "DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
}

impl RedisPlace {
    /// The named Redis, or the address at which the private one runs.
    pub fn named_or_private(&self) -> (RedisUrl, RedisTls) {
        if let Some(url) = &self.redis_url {
            return (url.clone(), self.redis_tls.files());
        }
        let socket = self.folder().join("redis.sock");
        let socket = std::path::absolute(&socket).unwrap_or(socket);
        (RedisUrl::unix(&socket), RedisTls::default())
    }

    /// The folder of the private Redis, unless another one is named.
    pub fn private(&self) -> Option<PathBuf> {
        self.redis_url.is_none().then(|| self.folder().to_owned())
    }

    fn folder(&self) -> &Path {
        self.data_dir
            .as_deref()
            .unwrap_or(Path::new(DATA_DIR_DEFAULT))
    }
}
