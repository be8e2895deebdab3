//! The Redis that `up` runs on: the named one, or one of our own.

use std::path::Path;

use crate::config::{DATA_DIR_DEFAULT, UpConfig};
use ordershop_redis::server::RedisServerError;
use ordershop_redis::supervision::SupervisedRedis;

/// Starts our own Redis unless one is named; returns it and the address to use.
pub(super) async fn redis_of(
    config: &UpConfig,
) -> Result<(Option<SupervisedRedis>, String), RedisServerError> {
    if let Some(url) = &config.redis_url {
        return Ok((None, url.clone()));
    }
    let dir = config.data_dir.as_deref();
    let dir = dir.unwrap_or(Path::new(DATA_DIR_DEFAULT));
    let server = SupervisedRedis::start(dir, config.durability.unwrap_or_default()).await?;
    let url = server.url().to_owned();
    Ok((Some(server), url))
}
