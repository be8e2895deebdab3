//! The Redis that a process runs on: the named one, or one of our own; checked at the start, or as soon as it answers.

use std::path::Path;

use tokio::sync::watch;

use super::error::AppError;
use super::running::Process;
use crate::config::{DATA_DIR_DEFAULT, UpConfig};
use ordershop_contract::event_store::ServerInfo;
use ordershop_redis::address::{RedisTls, RedisUrl};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::requirements::Asked;
use ordershop_redis::supervision::SupervisedRedis;

/// Where a process finds its Redis, and what is asked of it.
#[derive(Clone, Debug)]
pub(super) struct RedisChoice {
    pub(super) url: RedisUrl,
    pub(super) tls: RedisTls,
    pub(super) asked: Asked,
}

impl RedisChoice {
    /// Starts our own Redis unless one is named, which is taken as it is.
    pub(super) async fn of(config: &UpConfig) -> Result<(Option<SupervisedRedis>, Self), AppError> {
        if let Some(url) = &config.redis_url {
            let named = Self {
                url: url.clone(),
                tls: config.redis_tls.files(),
                asked: config
                    .replicas
                    .asked(config.durability, config.partitions.wanted()),
            };
            return Ok((None, named));
        }
        if config.replicas.replicas_ack > 0 {
            return Err(AppError::NoReplicas);
        }
        let dir = config.data_dir.as_deref();
        let dir = dir.unwrap_or(Path::new(DATA_DIR_DEFAULT));
        let server = SupervisedRedis::start(dir, config.durability.unwrap_or_default()).await?;
        let own = Self {
            url: server.url().into(),
            tls: RedisTls::default(),
            asked: Asked {
                partitions: config.partitions.wanted(),
                ..Asked::default()
            },
        };
        Ok((Some(server), own))
    }
}

impl Process {
    /// Checks Redis if it answers, and watches it from then on; also returns what it says of itself.
    pub(super) async fn redis(
        &mut self,
        at: &RedisChoice,
    ) -> Result<(RedisLink, watch::Receiver<ServerInfo>), AppError> {
        let link = RedisLink::open(&at.url, &at.tls)?;
        let first = match info::check(&link, at.asked).await {
            Ok(info) => Some(info),
            Err(CheckError::Unfit(unfit)) => return Err(unfit.into()),
            // It is checked as soon as it answers.
            Err(CheckError::Away(_)) => None,
        };
        let watched = info::watch(&self.stop, &self.tasks, link.clone(), at.asked, first);
        self.unfit = Some(watched.unfit);
        Ok((link, watched.info))
    }
}
