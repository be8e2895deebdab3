//! Opens connections to Redis. Must not know what is sent over them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::ConnectionAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::address::{AddressError, Place, RedisTls, RedisUrl};
use crate::cluster::Cluster;
use crate::listener::Listener;
pub use crate::multiplexed_connection::MultiplexedConnection;
use crate::shared_connection::SharedConnection;

pub use crate::address::{CONNECT_TIMEOUT_MS, RESPONSE_TIMEOUT_MS};

/// The address of a Redis server; opens connections to it. Cheap to clone: clones share what they know of shared connections.
#[derive(Clone)]
pub struct RedisLink {
    place: Place,
    url: RedisUrl,
    shared: Arc<Mutex<Vec<SharedConnection>>>,
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The place's own text would hold what the address hides.
        f.debug_tuple("RedisLink").field(&self.url).finish()
    }
}

impl RedisLink {
    /// A link to `redis://host:port/db` or `redis+unix:///path?db=0`. Doesn't connect yet.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        Self::open(&RedisUrl::from(url), &RedisTls::default())
    }

    /// A link to any address, with certificates for `rediss://`. Doesn't connect yet.
    ///
    /// # Errors
    /// The address or a certificate can't be used.
    pub fn open(url: &RedisUrl, tls: &RedisTls) -> Result<Self, AddressError> {
        Ok(Self {
            place: Place::of(url, tls)?,
            url: url.clone(),
            shared: Arc::default(),
        })
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// The number of the server's database.
    pub(crate) fn database(&self) -> i64 {
        self.place.settings().redis_settings().db()
    }

    /// The user as whom connections are opened.
    pub(crate) fn user(&self) -> &str {
        let settings = self.place.settings().redis_settings();
        settings.username().unwrap_or("default")
    }

    /// Whether the address is one with TLS, and the server there answers without.
    pub(crate) async fn is_tls_to_plain(&self) -> bool {
        let ConnectionAddr::TcpTls { host, port, .. } = self.place.settings().addr() else {
            return false;
        };
        let asking = async {
            let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.write_all(b"PING\r\n").await?;
            stream.read_u8().await
        };
        let limit = Duration::from_millis(CONNECT_TIMEOUT_MS);
        let answer = tokio::time::timeout(limit, asking).await;
        // +PONG, or -NOAUTH.
        matches!(answer, Ok(Ok(b'+' | b'-')))
    }

    /// A dedicated connection, for blocking reads, which block for less than [`RESPONSE_TIMEOUT_MS`], and for `WATCH`. It does not reconnect
    /// when it breaks or an answer is overdue; its owner opens a new one.
    ///
    /// # Errors
    /// The server can't be reached within [`CONNECT_TIMEOUT_MS`].
    pub async fn dedicated(&self) -> redis::RedisResult<MultiplexedConnection> {
        self.place.connection(None).await
    }

    /// The same to the server that has a key: to the node of its slot, where there is a cluster. Commands go there that use keys of this slot
    /// and no others. What the node refuses because the slot has moved, or is moving, is an error as of a broken connection: its owner opens
    /// another one, at the right node.
    ///
    /// # Errors
    /// As for [`RedisLink::dedicated`]; or the cluster has no node for the slot now.
    pub async fn dedicated_for(&self, key: &str) -> redis::RedisResult<MultiplexedConnection> {
        self.place.connection(Some(key)).await
    }

    /// The same to each server that has keys: to one, or to all masters of a cluster.
    ///
    /// # Errors
    /// As for [`RedisLink::dedicated`].
    pub async fn dedicated_to_each(&self) -> redis::RedisResult<Vec<MultiplexedConnection>> {
        let places = self.place.each().await?;
        try_join_all(places.iter().map(|place| place.connection(None))).await
    }

    /// What keys must share for a connection that is opened for one of them to serve the other: the slot, in a cluster.
    pub(crate) fn part_of(&self, key: &str) -> Option<usize> {
        self.place.cluster().map(|_| Cluster::slot_of(key))
    }

    /// Whether it leads to a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.place.cluster().is_some()
    }

    /// Subscribes to sharded channels.
    ///
    /// # Errors
    /// A server can't be reached within [`CONNECT_TIMEOUT_MS`], or refuses.
    pub(crate) async fn listen(&self, channels: &[String]) -> redis::RedisResult<Listener> {
        Listener::open(&self.place, channels).await
    }

    /// A shared connection that reconnects by itself. The first use may fail if the server isn't up.
    #[must_use]
    pub fn shared(&self) -> SharedConnection {
        let connection = SharedConnection::new(self.place.clone());
        self.all_shared().push(connection.clone());
        connection
    }

    fn all_shared(&self) -> MutexGuard<'_, Vec<SharedConnection>> {
        // A panic elsewhere can't leave this list in a bad state.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the shared connections whose server has become a replica: after a failover the old master keeps them open and refuses every
    /// write, while the address leads to the new one. Dedicated connections are dropped by their owners, at the first error. Returns whether
    /// there were any.
    pub(crate) async fn leave_replicas(&self) -> bool {
        let mut left = false;
        let connections = self.all_shared().clone();
        for mut connection in connections {
            if let Some(router) = connection.router() {
                // A replica of a cluster says itself who has the keys.
                router.leave_others().await;
                continue;
            }
            let asked = redis::cmd("INFO")
                .arg("replication")
                .query_async::<String>(&mut connection)
                .await;
            if asked.is_ok_and(|info| info.contains("role:slave")) {
                left = true;
                connection.renew();
            }
        }
        left
    }
}
