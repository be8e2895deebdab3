//! A whole shop as it is at one moment, read while it runs. The streams' ends are read, then the queues, then the ends again: if no event was
//! written in between, all of it is of one moment, and no transaction spans partitions for that. Knows when each is read, not where it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::{ErrorKind, RedisResult};

pub use crate::event_store::backing_up::{ArchiveMark, KeptClaim, KeptLetter, Page, StreamEnd};
pub use crate::message_queue::backing_up::KeptMessage;

use crate::connection::RedisLink;
use crate::event_store::backing_up;
use crate::message_queue::backing_up as queues;
use crate::restoration_mark;
use crate::shared_connection::SharedConnection;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;

/// How often a moment without a write is looked for. A pipeline of some 3 kB is mostly carried out without a pause.
const LOOKS_MAX: usize = 200;
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Up to where each group of each partition has handled everything.
pub type Groups = BTreeMap<Partition, BTreeMap<String, Position>>;

/// What the shop has at one moment.
pub struct Moment {
    /// The streams' ends.
    pub ends: BTreeMap<Partition, StreamEnd>,
    /// What the queues have.
    pub messages: Vec<KeptMessage>,
    /// The shop's place in its archives.
    pub archive: Option<ArchiveMark>,
}

/// The connection of a backup.
#[derive(Clone)]
pub struct BackupLink {
    connection: SharedConnection,
    partitions: Partitions,
}

impl BackupLink {
    /// Of a Redis with a shop of so many partitions.
    #[must_use]
    pub fn new(link: &RedisLink, partitions: Partitions) -> Self {
        Self {
            connection: link.shared(),
            partitions,
        }
    }

    /// Whether a backup is being put back there, so that there is no whole shop.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn is_half_restored(&self) -> RedisResult<bool> {
        let unfinished = restoration_mark::unfinished(&mut self.connection.clone()).await?;
        Ok(unfinished.is_some())
    }

    /// Up to where each group of each partition has handled everything. Read before the moment: what was handled before has its effects before.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn groups(&self) -> RedisResult<Groups> {
        let mut groups = Groups::new();
        for partition in self.partitions.all() {
            let of_partition = backing_up::groups(&mut self.connection.clone(), partition).await?;
            groups.insert(partition, of_partition);
        }
        Ok(groups)
    }

    /// The dead letters of a group. Read after the groups: an event that one has put aside is either still to be handled, or a letter.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn letters(&self, partition: Partition, group: &str) -> RedisResult<Vec<KeptLetter>> {
        backing_up::letters(&mut self.connection.clone(), partition, group).await
    }

    /// Some of a partition's claims whose names begin so, and the cursor of the next ones, 0 at the end. Read before the moment: what was made
    /// under a claim is there then.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn claims(
        &self,
        partition: Partition,
        prefix: &str,
        cursor: u64,
    ) -> RedisResult<(u64, Vec<KeptClaim>)> {
        backing_up::claims(&mut self.connection.clone(), partition, prefix, cursor).await
    }

    /// What the shop has at one moment.
    ///
    /// # Errors
    /// Redis is away, or something was written during each look.
    pub async fn moment(&self) -> RedisResult<Moment> {
        for looks in 1..=LOOKS_MAX {
            if let Some((ends, messages)) = self.look().await? {
                tracing::debug!(looks, "a moment without a write");
                let archive = backing_up::archive_mark(&mut self.connection.clone()).await?;
                return Ok(Moment {
                    ends,
                    messages,
                    archive,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
        Err((
            ErrorKind::Io,
            "events were written each time that the queues were read; try again when less is sold",
        )
            .into())
    }

    async fn look(
        &self,
    ) -> RedisResult<Option<(BTreeMap<Partition, StreamEnd>, Vec<KeptMessage>)>> {
        let connection = &mut self.connection.clone();
        let (names, script) = queues::queues(connection).await?;
        let mut pipe = redis::pipe();
        backing_up::ask_ends(&mut pipe, self.partitions);
        for name in &names {
            queues::ask(&mut pipe, &script, name);
        }
        backing_up::ask_ends(&mut pipe, self.partitions);
        let replies = connection.req_packed_commands(&pipe, 0, pipe.len());
        let mut replies = replies.await?.into_iter();
        let ends = backing_up::ends(self.partitions, replies.by_ref())?;
        let mut messages = Vec::new();
        for (name, reply) in names.iter().zip(replies.by_ref()) {
            messages.extend(queues::messages(name, reply.extract_error()?)?);
        }
        let last = |ends: &BTreeMap<Partition, StreamEnd>| {
            ends.values().map(|end| end.last).collect::<Vec<_>>()
        };
        let later = backing_up::ends(self.partitions, replies)?;
        Ok((last(&ends) == last(&later)).then_some((ends, messages)))
    }

    /// The entries of a partition after a position, up to an end, `count` at most; `None` if there are none.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn page(
        &self,
        partition: Partition,
        after: Position,
        end: Position,
        count: usize,
    ) -> RedisResult<Option<Page>> {
        backing_up::page(&mut self.connection.clone(), partition, after, end, count).await
    }
}
