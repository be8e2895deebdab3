//! The functions that exist: those that were ever consumed. A set in Redis that only grows, with a limit, and a cache of it in this
//! process. Knows names, not which workers serve them now.

use std::sync::Mutex;

use redis::{Pipeline, RedisResult};
use rustc_hash::FxHashSet;

use super::outbox::unavailable;
use crate::shared_connection::SharedConnection;
use ordershop_contract::message_queue::{QueueError, QueueName};

/// The set of functions: `service.function`.
pub(super) const KEY: &str = "mq:functions";
/// The maximum number of functions in the set. Later ones can be consumed, but are not known to exist.
const FUNCTIONS_MAX: u64 = 10_000;
/// The maximum length of a function's name, bytes: two names and a dot.
const NAME_BYTES_MAX: usize = 129;

/// The functions that are known to be in the set. None is ever removed from it.
#[derive(Debug, Default)]
pub(super) struct Functions(Mutex<FxHashSet<String>>);

impl Functions {
    fn has(&self, name: &str) -> bool {
        self.lock().contains(name)
    }

    fn add(&self, name: String) {
        self.lock().insert(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FxHashSet<String>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Adds a function to the set. Every new worker does, whatever is cached: the server may have lost the set.
    pub(super) async fn enter(
        &self,
        mut connection: SharedConnection,
        queue: QueueName,
    ) -> RedisResult<()> {
        let name = queue.to_string();
        let mut look = Pipeline::with_capacity(2);
        look.scard(KEY).sismember(KEY, &name);
        let (count, is_in): (u64, bool) = look.query_async(&mut connection).await?;
        if !is_in {
            if count >= FUNCTIONS_MAX {
                tracing::warn!(%queue, "the maximum of {FUNCTIONS_MAX} functions is reached: this one is not remembered");
                return Ok(());
            }
            redis::cmd("SADD")
                .arg(KEY)
                .arg(&name)
                .exec_async(&mut connection)
                .await?;
        }
        self.add(name);
        Ok(())
    }

    /// Whether a function, named `service.function`, was ever consumed.
    pub(super) async fn knows(
        &self,
        mut connection: SharedConnection,
        function: &str,
    ) -> Result<bool, QueueError> {
        if function.len() > NAME_BYTES_MAX {
            return Ok(false);
        }
        if self.has(function) {
            return Ok(true);
        }
        let known: bool = redis::cmd("SISMEMBER")
            .arg(KEY)
            .arg(function)
            .query_async(&mut connection)
            .await
            .map_err(unavailable)?;
        if known {
            self.add(function.to_owned());
        }
        Ok(known)
    }

    /// Adds a function to the set before it has a worker.
    pub(super) async fn introduce(
        &self,
        connection: SharedConnection,
        queue: QueueName,
    ) -> Result<(), QueueError> {
        if self.has(&queue.to_string()) {
            return Ok(());
        }
        self.enter(connection, queue).await.map_err(unavailable)
    }
}
