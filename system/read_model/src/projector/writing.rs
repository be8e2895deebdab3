//! What a projector has applied and not written: when it is due, and the transaction that writes it. Knows the cache's commands, not where
//! events come from.

use redis::{Cmd, Pipeline, Value};
use tokio::time::Instant;

use super::{BATCH_EVENTS_MAX, Projector, ProjectorError};
use crate::keys::{Collection, keys_of};
use crate::projection::Projection;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;
use ordershop_redis::applied::{self, position_key};
use ordershop_redis::when_full::{is_full, when_full};

/// Events that are applied and not written.
pub(super) struct Unwritten {
    /// Their positions, to be acknowledged once they are written.
    pub(super) given: Vec<Position>,
    /// Writes the dead letters of those that are malformed, and deletes those of the others.
    pub(super) letters: Vec<Cmd>,
    /// When they must be written.
    pub(super) due: Instant,
}

impl Projector<'_> {
    pub(super) fn is_due(&self) -> bool {
        self.unwritten.as_ref().is_some_and(|unwritten| {
            unwritten.given.len() >= BATCH_EVENTS_MAX || unwritten.due <= Instant::now()
        })
    }

    /// Writes the unwritten changes with the position; returns what may be acknowledged. If another projector has moved the position, nothing is
    /// written.
    pub(super) async fn write(&mut self) -> Result<Vec<Position>, ProjectorError> {
        let written = match self.send_changes().await {
            // What the events took is taken already: their entities are written even so, that reads are answered.
            Err(error) if !self.is_full && is_full(&error) => {
                self.is_full = true;
                self.send_changes().await
            }
            written => written,
        };
        let (written, there) = written?;
        self.is_full = false;
        Failpoint::ChangesWritten.pass();
        if let Value::Array(replies) = &written
            && let Some(error) = replies
                .iter()
                .find(|reply| matches!(reply, Value::ServerError(_)))
        {
            return Err(redis::RedisError::from((
                redis::ErrorKind::UnexpectedReturnType,
                "a command of the projection's transaction failed",
                format!("{error:?}"),
            ))
            .into());
        }
        if matches!(written, Value::Nil | Value::Int(0)) || there != Some(self.position.to_string())
        {
            return Err(ProjectorError::Moved);
        }
        self.written = self.position;
        self.applied.written_here(self.topic, self.position);
        *self.store.overlay().of(self.topic) = Projection::default();
        let unwritten = self.unwritten.take();
        Ok(unwritten.map_or_else(Vec::new, |unwritten| unwritten.given))
    }

    /// Sends the changes; returns Redis's answer and the position that is there then.
    async fn send_changes(&mut self) -> redis::RedisResult<(Value, Option<String>)> {
        let key = position_key(self.topic);
        let mut pipe = redis::pipe();
        if self.is_full {
            let mut changes = redis::pipe();
            self.add_changes(&mut changes);
            let before = match self.written {
                Position::START => String::new(),
                position => position.to_string(),
            };
            let mut keys = keys_of(self.topic);
            keys.push(self.letters.key().to_owned());
            pipe.add_command(when_full(&keys, &before, &changes));
        } else {
            pipe.cmd("MULTI").ignore();
            self.add_changes(&mut pipe);
            pipe.cmd("EXEC");
        }
        // Also watches the position for the next transaction.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        pipe.query_async(&mut self.connection).await
    }

    /// Adds the commands that write what is applied, and tell it.
    fn add_changes(&self, pipe: &mut Pipeline) {
        let (topic, position) = (self.topic, self.position);
        self.store.overlay().of(topic).write_to(topic, pipe);
        for letter in self
            .unwritten
            .iter()
            .flat_map(|unwritten| &unwritten.letters)
        {
            pipe.add_command(letter.clone()).ignore();
        }
        let key = position_key(topic);
        pipe.cmd("SET").arg(key).arg(position.to_string()).ignore();
        applied::publish(pipe, &self.channels.written, topic, position, None);
    }

    /// Reads the cache entries of aggregates whose events changed only the version. The watch on the position guards them.
    pub(super) async fn set_versions(&mut self) -> Result<(), ProjectorError> {
        for collection in [Collection::Entities(self.topic), Collection::Reservations] {
            let ids = self
                .store
                .overlay()
                .of(self.topic)
                .version_only_in(collection);
            if ids.is_empty() || collection.topic() != self.topic {
                continue;
            }
            let there: Vec<Option<String>> = redis::cmd("HMGET")
                .arg(collection.key())
                .arg(&ids)
                .query_async(&mut self.connection)
                .await?;
            let mut changes = self.store.overlay().of(self.topic);
            for (id, value) in ids.into_iter().zip(there) {
                if let Some(value) = value {
                    changes.set_version(collection, id, value);
                }
            }
        }
        Ok(())
    }
}
