//! `ordershop restore`: puts back what a file has, an archive's events or a whole shop, while no shop runs.

mod archived;
mod whole;

use std::path::PathBuf;

use clap::Args;

use super::archive::ArchiveError;
use super::archive::file::ArchiveReader;
use super::backup::file::BackupReader;
use super::redis_place::RedisPlace;
use crate::terminal::say;
use ordershop_contract::partition::Partitions;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::restoring::Restoration;
use ordershop_redis::partitions;
use ordershop_redis::put_back::PutBack;
use ordershop_redis::server::RedisServer;

/// The options of `ordershop restore`.
#[derive(Args)]
pub struct RestoreConfig {
    /// Put back what is in this file, which `ordershop archive` or `ordershop backup` wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    redis: RedisPlace,
}

/// Does what was asked for.
///
/// # Errors
/// What failed.
pub async fn run(config: RestoreConfig) -> Result<(), ArchiveError> {
    // The whole file is checked before anything is written.
    let backup = match BackupReader::open(&config.from)? {
        Some(backup) => {
            let Some(partitions) = backup.header.partitions() else {
                let text = "the backup is of a shop of more partitions than there can be";
                return Err(ArchiveError::Refused(text.to_owned()));
            };
            Some((backup.check()?, partitions))
        }
        None => {
            let mut archive = ArchiveReader::open(&config.from)?;
            while archive.next()?.is_some() {}
            None
        }
    };
    let server = match config.redis.private() {
        Some(folder) => Some(RedisServer::start(&folder, Durability::default()).await?),
        None => None,
    };
    let (named, tls) = config.redis.named_or_private();
    let url = server.as_ref().map_or(named, |server| server.url().into());
    let done = restore_to(&RedisLink::open(&url, &tls)?, &config, backup).await;
    if let Some(server) = server {
        server.stop().await;
    }
    say(&done?);
    Ok(())
}

/// Puts back an archive, or the backup with this checksum and number of partitions; says what was put back.
async fn restore_to(
    redis: &RedisLink,
    config: &RestoreConfig,
    backup: Option<(String, Partitions)>,
) -> Result<String, ArchiveError> {
    if backup.is_some() && redis.is_cluster() {
        let text = "a backup can't be restored into a Redis Cluster: name a single Redis";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let (backup, wanted) = backup.unzip();
    let mut put_back = PutBack::new(redis);
    let unfinished = put_back.unfinished().await?;
    if unfinished.is_some() && unfinished != backup {
        let text = "another backup was being restored to this Redis when that was interrupted: run ordershop restore again with its file, or empty the Redis";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let wanted = wanted.unwrap_or_default();
    let partitions = partitions::choose(&mut redis.shared(), wanted).await?;
    if partitions != wanted {
        return Err(ArchiveError::Refused(format!(
            "the file is of a shop with {wanted} partitions a topic, and that on this Redis has {partitions}"
        )));
    }
    let mut restoration = Restoration::begin(redis, partitions).await?;
    let done = match backup {
        Some(backup) => {
            let again = unfinished.is_some();
            whole::restore(
                redis,
                put_back,
                &mut restoration,
                &config.from,
                &backup,
                again,
            )
            .await
        }
        None => archived::restore(redis, &mut restoration, &config.from).await,
    };
    restoration.end().await;
    done
}
