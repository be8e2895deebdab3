//! A connection that many share, and that is opened again by itself: when it breaks, and when an answer is overdue. A connection that fell
//! silent breaks by no error of its own. One to a server behind sentinels is opened where they say that the master is; one to a cluster is a connection
//! to each node. Must not know what is sent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use crate::address::Place;
use crate::cluster::Cluster;
use crate::cluster_router::Router;

/// A shared connection; clones are the same one.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>, Beside);

/// The slot of a cluster to whose node all commands go, also those that have no key and mean the server.
type Beside = Option<usize>;

struct Shared {
    place: Place,
    /// Only where the place is a cluster; the connection in use is none then.
    router: Option<Router<SharedConnection>>,
    config: ConnectionManagerConfig,
    current: Mutex<Current>,
}

impl fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The place's own text would hold a password.
        f.write_str("SharedConnection")
    }
}

/// The connection in use, and how many there were before it.
#[derive(Clone)]
struct Current {
    /// `None`: the sentinels are asked at the next use.
    connection: Option<ConnectionManager>,
    number: u64,
}

impl SharedConnection {
    /// A connection that is opened at its first use.
    pub(crate) fn new(place: Place, config: ConnectionManagerConfig) -> RedisResult<Self> {
        let open = |client| ConnectionManager::new_lazy_with_config(client, config.clone());
        let connection = place.fixed().map(open).transpose()?;
        let router = place.cluster().map(|cluster| {
            let config = config.clone();
            let open = move |client| Self::new(Place::fixed_at(client), config.clone());
            Router::new(Arc::clone(cluster), Box::new(open))
        });
        let shared = Shared {
            router,
            place,
            config,
            current: Mutex::new(Current {
                connection,
                number: 0,
            }),
        };
        Ok(Self(Arc::new(shared), None))
    }

    /// What sends each command to its node, where there is a cluster.
    pub(crate) fn router(&self) -> Option<&Router<Self>> {
        self.0.router.as_ref()
    }

    /// The same connection, all of whose commands go where a key is.
    pub(crate) fn beside(&self, key: &str) -> Self {
        let shared = Arc::clone(&self.0);
        Self(shared, Some(Cluster::slot_of(key)))
    }

    /// Sends a command to each server that has keys: to one, or to all masters of a cluster.
    pub(crate) async fn send_to_each(&mut self, cmd: &Cmd) -> RedisResult<Vec<Value>> {
        match self.router() {
            Some(router) => router.send_to_each(cmd).await,
            None => Ok(vec![self.send_packed_command(cmd).await?]),
        }
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
        let mut current = self.current();
        // Of many who wait in vain, the first replaces it.
        if current.number == number
            && let Ok(connection) = self.0.place.fixed().map(|c| self.open(c)).transpose()
        {
            *current = Current {
                connection,
                number: number + 1,
            };
        }
    }

    fn open(&self, client: Client) -> RedisResult<ConnectionManager> {
        ConnectionManager::new_lazy_with_config(client, self.0.config.clone())
    }

    /// The connection in use, and its number. If there is none, the sentinels are asked where the master is.
    async fn connected(&self) -> RedisResult<(ConnectionManager, u64)> {
        let Current { connection, number } = self.current().clone();
        if let Some(connection) = connection {
            return Ok((connection, number));
        }
        let opened = self.open(self.0.place.client(None).await?)?;
        let mut current = self.current();
        // Another one may have been quicker.
        let connection = current.connection.get_or_insert(opened).clone();
        Ok((connection, current.number))
    }

    async fn with<T>(
        &self,
        send: impl AsyncFnOnce(&mut ConnectionManager) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let (mut connection, number) = self.connected().await?;
        let answer = send(&mut connection).await;
        // What is broken opens itself again, but at the same place.
        let is_lost = |error: &RedisError| {
            error.is_timeout() || (error.is_io_error() && self.0.place.fixed().is_none())
        };
        if answer.as_ref().is_err_and(is_lost) {
            self.replace(number);
        }
        answer
    }

    /// Sends a command.
    pub(crate) async fn send_packed_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        if let Some(router) = self.router() {
            return router.send(cmd, self.1).await;
        }
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
        if let Some(router) = self.router() {
            let sending = router.send_pipeline(pipeline, (offset, count), self.1);
            return sending.await;
        }
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
        self.0.place.settings().redis_settings().db()
    }
}
