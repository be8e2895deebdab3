//! Puts a whole shop back from a backup, into an empty Redis. Redis is marked meanwhile: no shop starts on a half of one, and the same file
//! begins anew.

use std::path::Path;

use crate::app::archive::ArchiveError;
use crate::app::archive::progress::Progress;
use crate::app::archive::selection::claim_of;
use crate::app::backup::file::{BackupReader, Record};
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_read_model::keys_of;
use ordershop_redis::backup::Groups;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::archiving::ArchiveLink;
use ordershop_redis::event_store::restoring::{NewStream, Restoration};
use ordershop_redis::put_back::PutBack;

/// Puts a backup back; `again` if that was begun before. Says what was put back.
pub async fn restore(
    redis: &RedisLink,
    mut put_back: PutBack,
    restoration: &mut Restoration,
    from: &Path,
    backup: &str,
    again: bool,
) -> Result<String, ArchiveError> {
    let is_empty =
        again || restoration.is_empty().await? && ArchiveLink::new(redis).shop().await?.is_none();
    if !is_empty {
        let text = "there is a shop on this Redis: a backup is restored into an empty one only";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let Some(mut file) = BackupReader::open(from)? else {
        return Err(ArchiveError::Other("the file was replaced".to_owned()));
    };
    let groups = std::mem::take(&mut file.header.groups);
    put_back
        .begin(backup, restoration.partitions(), &groups)
        .await?;
    Failpoint::BackupRestoring.pass();
    let mut streams = Streams {
        restoration,
        groups,
        current: None,
    };
    let (mut events, mut progress) = (0_u64, Progress::begin());
    while let Some(record) = file.next()? {
        match record {
            Record::Claim(claim) => put_back.claim(&claim).await?,
            Record::DeadLetter(letter) => put_back.letter(&letter).await?,
            Record::Archive(mark) => put_back.archive_mark(&mark),
            Record::Message(message) => put_back.message(&message).await?,
            Record::Event(event) => {
                streams.put(&event.into()).await?;
                events += 1;
                progress.tell(|| format!("{events} events put back"));
            }
            Record::Sha256(_) => {}
        }
    }
    streams.end().await?;
    Failpoint::BackupRestored.pass();
    put_back.end().await?;
    Ok(format!("restored a whole shop, {events} events"))
}

/// The partitions' streams, written one after the other.
struct Streams<'a> {
    restoration: &'a mut Restoration,
    groups: Groups,
    current: Option<(Partition, NewStream)>,
}

impl Streams<'_> {
    async fn put(&mut self, event: &RecordedEvent) -> Result<(), ArchiveError> {
        let partition = event.partition;
        if self.current.as_ref().is_none_or(|(of, _)| *of != partition) {
            self.end().await?;
            let groups = self.groups.remove(&partition).unwrap_or_default();
            let stream = self.restoration.rewrite(partition, &groups).await?;
            self.current = Some((partition, stream));
        }
        if let Some((_, stream)) = &mut self.current {
            let claim = claim_of(event);
            self.restoration.put_whole(stream, event, claim).await?;
        }
        Ok(())
    }

    /// Puts the current partition's stream in its place.
    async fn end(&mut self) -> Result<(), ArchiveError> {
        let Some((partition, mut stream)) = self.current.take() else {
            return Ok(());
        };
        self.restoration.rest(&mut stream, |_| true).await?;
        let (no_versions, no_claims) = (std::collections::HashMap::new(), []);
        self.restoration
            .replace(stream, &no_versions, &no_claims, &keys_of(partition))
            .await?;
        Failpoint::ArchiveRestoring.pass();
        Ok(())
    }
}
