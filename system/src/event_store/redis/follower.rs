//! Following a topic without a group: blocking reads on connections of their own, kept between calls. Knows reading alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult, Value};

use crate::position::Position;
use crate::redis_connection::RedisLink;

/// A server that answers so much later than a read may block is given up, ms.
const READ_GRACE_MS: u64 = 5_000;

/// The idle connections of followers. One that is in use belongs to its reader, and is closed when the reader is cancelled.
#[derive(Debug)]
pub(super) struct Followers {
    link: RedisLink,
    idle: Mutex<Vec<MultiplexedConnection>>,
    idle_max: usize,
}

impl Followers {
    pub fn new(link: RedisLink, idle_max: usize) -> Self {
        Self {
            link,
            idle: Mutex::new(Vec::new()),
            idle_max,
        }
    }

    /// `XREAD` of one stream; nil where nothing came within `wait_max`.
    pub async fn read(
        &self,
        key: &str,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> RedisResult<Value> {
        let idle = self.idle().pop();
        if let Some(connection) = idle {
            // It may have died while nobody used it; then a new one must show whether Redis is away.
            match self.read_on(connection, key, after, limit, wait_max).await {
                Err(error) if error.is_unrecoverable_error() => self.idle().clear(),
                result => return result,
            }
        }
        let connection = self.link.dedicated().await?;
        self.read_on(connection, key, after, limit, wait_max).await
    }

    async fn read_on(
        &self,
        mut connection: MultiplexedConnection,
        key: &str,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> RedisResult<Value> {
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(limit);
        // 0 would mean for ever.
        cmd.arg("BLOCK").arg(wait_max.as_millis().max(1) as u64);
        cmd.arg("STREAMS").arg(key).arg(after.to_string());
        let give_up = wait_max + Duration::from_millis(READ_GRACE_MS);
        let reply = match tokio::time::timeout(give_up, cmd.query_async(&mut connection)).await {
            Ok(reply) => reply?,
            Err(_) => return Err((ErrorKind::Io, "no answer in time").into()),
        };
        let mut idle = self.idle();
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
        Ok(reply)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<MultiplexedConnection>> {
        // A list of connections is sound whoever panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
