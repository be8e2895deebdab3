//! `ordershop backup`: writes a whole shop as it is at one moment into a file, while it runs and sells. The order is what makes it whole: how far
//! the consumer groups are and what is claimed is read before the moment, the events up to it afterwards.

pub(super) mod file;

use std::path::PathBuf;

use clap::Args;

use self::file::{BackupWriter, Header, Record};
use super::archive::ArchiveError;
use super::archive::lines::refuse_existing;
use super::archive::progress::Progress;
use super::redis_place::RedisPlace;
use crate::terminal::say;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;
use ordershop_original::PUBLISHED_CLAIM;
use ordershop_redis::backup::{BackupLink, StreamEnd};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::partitions;
use ordershop_services::KEY_CLAIM;

/// Events that are read with one call: it takes Redis about a millisecond.
const PAGE_EVENTS: usize = 500;

/// The options of `ordershop backup`.
#[derive(Args)]
pub struct BackupConfig {
    /// Write the backup into this file, which must not be there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    redis: RedisPlace,
}

/// A backup under way.
struct Backup {
    link: BackupLink,
    file: BackupWriter,
    progress: Progress,
}

/// Does what was asked for.
///
/// # Errors
/// What failed.
pub async fn run(config: BackupConfig) -> Result<(), ArchiveError> {
    refuse_existing(&config.to)?;
    let (url, tls) = config.redis.named_or_private();
    let redis = RedisLink::open(&url, &tls)?;
    if redis.is_cluster() {
        // Its nodes have no moment in common.
        let text = "a shop on a Redis Cluster can't be backed up: there is no one moment of all its nodes; copy each node's append-only files";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let partitions = partitions::kept(&mut redis.shared()).await?;
    let link = BackupLink::new(&redis, partitions);
    if link.is_half_restored().await? {
        let text = "a backup is being restored to this Redis, or its restoration was interrupted: there is no whole shop";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let header = Header::new(partitions, link.groups().await?);
    let mut backup = Backup {
        file: BackupWriter::begin(&config.to, &header)?,
        link,
        progress: Progress::begin(),
    };
    backup.letters(&header).await?;
    let claims = backup.claims(partitions).await?;
    let moment = backup.link.moment().await?;
    if moment.ends.values().all(|end| end.last == Position::START) {
        let text = "there is no shop on this Redis: it has no events";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let at = jiff::Timestamp::now();
    if let Some(mark) = moment.archive {
        backup.file.add(&Record::Archive(mark))?;
    }
    let messages = moment.messages.len();
    for message in moment.messages {
        backup.file.add(&Record::Message(message))?;
    }
    let all = moment.ends.values().map(|end| end.entries).sum();
    let mut events = 0;
    for (partition, end) in moment.ends {
        backup.events(partition, end, &mut events, all).await?;
    }
    backup.file.finish()?;
    say(&format!(
        "backed up {events} events, {claims} claims, {messages} messages as of {at:.3} to {}",
        config.to.display()
    ));
    Ok(())
}

impl Backup {
    async fn letters(&mut self, header: &Header) -> Result<(), ArchiveError> {
        for (partition, groups) in &header.groups {
            for group in groups.keys() {
                for letter in self.link.letters(*partition, group).await? {
                    self.file.add(&Record::DeadLetter(letter))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the claims that follow from no event; returns their number.
    async fn claims(&mut self, partitions: Partitions) -> Result<u64, ArchiveError> {
        let mut count = 0;
        for partition in partitions.all() {
            for prefix in [KEY_CLAIM, PUBLISHED_CLAIM] {
                let mut cursor = 0;
                loop {
                    let (next, claims) = self.link.claims(partition, prefix, cursor).await?;
                    for claim in claims {
                        self.file.add(&Record::Claim(claim))?;
                        count += 1;
                    }
                    self.progress.tell(|| format!("{count} claims written"));
                    cursor = next;
                    if cursor == 0 {
                        break;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Writes a partition's events up to its end; `written` of `all` are told.
    async fn events(
        &mut self,
        partition: Partition,
        end: StreamEnd,
        written: &mut u64,
        all: u64,
    ) -> Result<(), ArchiveError> {
        let (mut after, mut entries) = (Position::START, 0);
        while let Some(page) = self
            .link
            .page(partition, after, end.last, PAGE_EVENTS)
            .await?
        {
            after = page.last;
            entries += page.entries;
            for event in page.events {
                self.file.add(&Record::Event(event.into()))?;
                *written += 1;
            }
            self.progress
                .tell(|| format!("{partition}: {written} of {all} events written"));
        }
        if entries == end.entries {
            return Ok(());
        }
        Err(ArchiveError::Other(format!(
            "topic {partition} had {} events, and has {entries} of them now: they were archived, or Redis lost them, while they were read. Run it again",
            end.entries
        )))
    }
}
