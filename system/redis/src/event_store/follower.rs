//! Follows a topic outside any group: blocking reads on connections of their own, which are kept between calls.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};

use super::retrying::{READ_GRACE_MS, bounded};
use crate::cluster::MOVING_MAX;
use crate::connection::{MultiplexedConnection, RedisLink};
use crate::refusal;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::position::Position;

/// The idle connections of followers, each with the part of the keys that it serves. A connection in use belongs to its reader, and is closed if
/// the reader is cancelled.
#[derive(Debug)]
pub(super) struct Followers {
    link: RedisLink,
    idle: Mutex<Vec<(Option<usize>, MultiplexedConnection)>>,
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

    /// `XREAD` of one stream; nil if no event came within `wait_max`.
    pub async fn read(
        &self,
        key: &str,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> RedisResult<Value> {
        let part = self.link.part_of(key);
        let idle = {
            let mut idle = self.idle();
            let at = idle.iter().rposition(|(of, _)| *of == part);
            at.map(|at| idle.swap_remove(at).1)
        };
        if let Some(connection) = idle {
            // The idle connection may have died meanwhile, or the key have moved. A new connection then shows whether Redis is away.
            match self.read_on(connection, key, after, limit, wait_max).await {
                Err(error) if error.is_unrecoverable_error() || refusal::moves(&error) => {
                    self.idle().retain(|(of, _)| *of != part);
                }
                result => return result,
            }
        }
        let give_up = Instant::now() + MOVING_MAX;
        let mut backoff = Backoff::default();
        loop {
            let connection = self.link.dedicated_for(key).await?;
            match self.read_on(connection, key, after, limit, wait_max).await {
                Err(error) if refusal::moves(&error) && Instant::now() < give_up => {
                    backoff.wait().await;
                }
                result => return result,
            }
        }
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
        // 0 would block without a limit.
        cmd.arg("BLOCK").arg(wait_max.as_millis().max(1) as u64);
        cmd.arg("STREAMS").arg(key).arg(after.to_string());
        let give_up = wait_max + Duration::from_millis(READ_GRACE_MS);
        let reply = bounded(give_up, cmd.query_async(&mut connection)).await?;
        let mut idle = self.idle();
        if idle.len() < self.idle_max {
            idle.push((self.link.part_of(key), connection));
        }
        Ok(reply)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Option<usize>, MultiplexedConnection)>> {
        // A panic elsewhere can't leave this list in a bad state.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
