//! A connection that many share, and that is opened again by itself: when it breaks, and when an answer is overdue. A connection that fell
//! silent breaks by no error of its own. Must not know what is sent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};

/// A shared connection; clones are the same one.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>);

struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    current: Mutex<Current>,
}

impl fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own text would hold a password.
        f.write_str("SharedConnection")
    }
}

/// The connection in use, and how many there were before it.
#[derive(Clone)]
struct Current {
    connection: ConnectionManager,
    number: u64,
}

impl SharedConnection {
    /// A connection that is opened at its first use.
    pub(crate) fn new(client: Client, config: ConnectionManagerConfig) -> RedisResult<Self> {
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self(Arc::new(Shared {
            client,
            config,
            current: Mutex::new(Current {
                connection,
                number: 0,
            }),
        })))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // A panic elsewhere leaves a connection.
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens another connection at the next use. What is under way ends on the present one.
    pub(crate) fn renew(&self) {
        let number = self.current().number;
        self.replace(number);
    }

    fn replace(&self, number: u64) {
        let (client, config) = (self.0.client.clone(), self.0.config.clone());
        let mut current = self.current();
        // Of many who wait in vain, the first replaces it.
        if current.number == number
            && let Ok(connection) = ConnectionManager::new_lazy_with_config(client, config)
        {
            *current = Current {
                connection,
                number: number + 1,
            };
        }
    }

    async fn with<T>(
        &self,
        send: impl AsyncFnOnce(&mut ConnectionManager) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let Current {
            mut connection,
            number,
        } = self.current().clone();
        let answer = send(&mut connection).await;
        if answer.as_ref().is_err_and(redis::RedisError::is_timeout) {
            self.replace(number);
        }
        answer
    }

    /// Sends a command.
    pub(crate) async fn send_packed_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        self.with(async |connection| connection.send_packed_command(cmd).await)
            .await
    }

    /// Sends a pipeline.
    pub(crate) async fn send_packed_commands(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.with(async |connection| {
            connection
                .send_packed_commands(pipeline, offset, count)
                .await
        })
        .await
    }
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.send_packed_command(cmd).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.send_packed_commands(pipeline, offset, count).boxed()
    }

    fn get_db(&self) -> i64 {
        self.current().connection.get_db()
    }
}
