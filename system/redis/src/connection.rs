//! Opens connections to Redis. Must not know what is sent over them.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client};

/// Timeout of a reply on a shared connection: a server that hangs must cause an error, not a hang.
pub const RESPONSE_TIMEOUT_MS: u64 = 10_000;
/// Timeout of opening a connection.
pub const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// Most commands in flight on one connection (redis-rs's default of 50 stalls pipelined callers).
pub const PIPELINE_SLOTS: usize = 10_000;

/// The address of a Redis server; opens connections to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisLink {
    client: Client,
}

impl RedisLink {
    /// A link to `redis://host:port/db` or `redis+unix:///path?db=0`. Doesn't connect yet.
    ///
    /// # Errors
    /// The address is malformed.
    pub fn new(url: &str) -> redis::RedisResult<Self> {
        Ok(Self {
            client: Client::open(url)?,
        })
    }

    /// A dedicated connection without a response timeout, for blocking reads (bounded by the command's own BLOCK) and for `WATCH`. It does
    /// not reconnect when it breaks; its owner opens a new one.
    ///
    /// # Errors
    /// The server can't be reached within [`CONNECT_TIMEOUT_MS`].
    pub async fn dedicated(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_SLOTS);
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// A shared connection that reconnects by itself. The first use may fail if the server isn't up.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn shared(&self) -> redis::RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .set_response_timeout(Some(Duration::from_millis(RESPONSE_TIMEOUT_MS)))
            .set_pipeline_buffer_size(PIPELINE_SLOTS)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(500))
            .set_number_of_retries(3);
        ConnectionManager::new_lazy_with_config(self.client.clone(), config)
    }
}
