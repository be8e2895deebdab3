//! The dead letters of a projection, written with its position. An event may be applied again; its letter is written once, and goes when the
//! event can be applied. Knows the letters' keys and fields, not why an event became one.

use std::collections::HashMap;

use redis::aio::ConnectionLike;
use redis::{Cmd, RedisResult};

use super::entry::{Foreign, xadd_dead, xadd_dead_position};
use super::keys::Keys;
use ordershop_contract::event_store::{READ_MODEL, RecordedEvent};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// Letters that are read together.
const PAGE: usize = 1_000;

type Entries = Vec<(String, Vec<(String, String)>)>;

/// The dead letters of a partition's projection.
#[derive(Debug)]
pub struct ProjectionLetters {
    key: String,
    /// The entries of the letters that are there, by their events' positions.
    known: HashMap<Position, String>,
}

impl ProjectionLetters {
    /// Those of a projection that has none beyond its position.
    #[must_use]
    pub fn none(partition: Partition) -> Self {
        Self {
            key: Keys::new(partition).dead_letters(READ_MODEL),
            known: HashMap::new(),
        }
    }

    /// Reads those of events after a position.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn after(
        connection: &mut impl ConnectionLike,
        partition: Partition,
        position: Position,
    ) -> RedisResult<Self> {
        let mut letters = Self::none(partition);
        let mut to = "+".to_owned();
        loop {
            let mut page = redis::cmd("XREVRANGE");
            page.arg(&letters.key).arg(&to).arg("-");
            let page: Entries = page.arg("COUNT").arg(PAGE).query_async(connection).await?;
            let Some((oldest, _)) = page.last() else {
                return Ok(letters);
            };
            to = format!("({oldest}");
            let before = letters.known.len();
            for (entry, fields) in page {
                let at = fields.iter().find(|(name, _)| name == "position");
                if let Some(at) = at.and_then(|(_, at)| at.parse::<Position>().ok())
                    && at > position
                {
                    letters.known.insert(at, entry);
                }
            }
            // Letters are written in the order of events.
            if letters.known.len() == before {
                return Ok(letters);
            }
        }
    }

    /// Their key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Writes the letter of an event that can't be applied; `None` if it is there.
    #[must_use]
    pub fn of(&self, event: &RecordedEvent, reason: &str) -> Option<Cmd> {
        let is_there = self.known.contains_key(&event.position);
        (!is_there).then(|| xadd_dead(&self.key, event, reason))
    }

    /// Writes the letter of a stream entry that is no event; `None` if it is there.
    pub(super) fn of_foreign(&self, foreign: &Foreign) -> Option<Cmd> {
        let Foreign { position, reason } = *foreign;
        let is_there = self.known.contains_key(&position);
        (!is_there).then(|| xadd_dead_position(&self.key, position, reason))
    }

    /// Deletes the letter of an event that could be applied this time; `None` if there is none.
    #[must_use]
    pub fn without(&self, event: &RecordedEvent) -> Option<Cmd> {
        let entry = self.known.get(&event.position)?;
        let mut delete = redis::cmd("XDEL");
        delete.arg(&self.key).arg(entry);
        Some(delete)
    }
}
