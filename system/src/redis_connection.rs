//! Connections to Redis: how each kind is opened. Knows addresses and time limits, not what is sent.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client};

/// The shared connections give up on a reply after this: a server that hangs must become an error, not a hang.
pub const RESPONSE_TIMEOUT_MS: u64 = 10_000;
/// Opening a connection gives up after this.
pub const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// Commands under way on one connection (redis-rs's 50 stalls pipelined callers).
pub const PIPELINE_SLOTS: usize = 10_000;

/// Where Redis is, and how to connect to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisLink {
    client: Client,
}

impl RedisLink {
    /// A link to `redis://host:port/db` or `redis+unix:///path?db=0`. Connects to nothing yet.
    ///
    /// # Errors
    /// The address isn't one.
    pub fn new(url: &str) -> redis::RedisResult<Self> {
        Ok(Self {
            client: Client::open(url)?,
        })
    }

    /// A connection of one's own without a response timeout, for blocking reads and for `WATCH`: what it waits for is bounded by the command's own
    /// BLOCK. It is not opened again when it breaks; its owner opens another.
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

    /// A shared connection that opens itself again. The first use may fail when the server isn't there.
    ///
    /// # Errors
    /// The address isn't usable.
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
