//! Puts a whole shop back, beside its streams' events. From [`PutBack::begin`] to [`PutBack::end`] Redis has a mark, with which no shop starts on
//! it, so that nothing in between need be of one moment. Knows the order, not where each is kept.

use std::collections::BTreeMap;

use redis::{Pipeline, RedisResult};

use crate::backup::{ArchiveMark, Groups, KeptClaim, KeptLetter, KeptMessage};
use crate::connection::RedisLink;
use crate::event_store::putting_back;
use crate::message_queue::backing_up as queues;
use crate::restoration_mark;
use crate::shared_connection::SharedConnection;
use ordershop_contract::partition::Partitions;

/// Commands that are sent together.
const BATCH: usize = 1_000;

/// A whole shop that is put back.
pub struct PutBack {
    connection: SharedConnection,
    waiting: Pipeline,
}

impl PutBack {
    /// To a Redis.
    #[must_use]
    pub fn new(link: &RedisLink) -> Self {
        Self {
            connection: link.shared(),
            waiting: Pipeline::new(),
        }
    }

    /// The backup of which a restoration was begun and is not finished.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn unfinished(&mut self) -> RedisResult<Option<String>> {
        restoration_mark::unfinished(&mut self.connection).await
    }

    /// Begins to put a backup back. What an earlier attempt has put there goes, with the letters of its groups.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn begin(
        &mut self,
        backup: &str,
        partitions: Partitions,
        groups: &Groups,
    ) -> RedisResult<()> {
        restoration_mark::mark(&mut self.waiting, backup);
        for partition in partitions.all() {
            let names = groups.get(&partition).into_iter().flat_map(BTreeMap::keys);
            putting_back::clear(&mut self.waiting, partition, names);
        }
        self.flush().await?;
        queues::clear(&mut self.connection).await
    }

    /// Takes a claim.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn claim(&mut self, claim: &KeptClaim) -> RedisResult<()> {
        putting_back::claim(&mut self.waiting, claim);
        self.flush_if_full().await
    }

    /// Puts back a group's dead letter.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn letter(&mut self, letter: &KeptLetter) -> RedisResult<()> {
        putting_back::letter(&mut self.waiting, letter);
        self.flush_if_full().await
    }

    /// Puts back a message.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn message(&mut self, message: &KeptMessage) -> RedisResult<()> {
        queues::put_back(&mut self.waiting, message);
        self.flush_if_full().await
    }

    /// Gives the shop its place in its archives.
    pub fn archive_mark(&mut self, mark: &ArchiveMark) {
        putting_back::archive_mark(&mut self.waiting, mark);
    }

    /// Ends it: the shop is whole. Its streams must be.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn end(mut self) -> RedisResult<()> {
        self.flush().await?;
        restoration_mark::unmark(&mut self.waiting);
        self.flush().await
    }

    async fn flush_if_full(&mut self) -> RedisResult<()> {
        match self.waiting.len() >= BATCH {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    async fn flush(&mut self) -> RedisResult<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        waiting.exec_async(&mut self.connection).await
    }
}
