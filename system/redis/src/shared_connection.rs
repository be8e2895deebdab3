//! A connection that many share, and that is opened again by itself once it has ended. One to a cluster is a connection to each node. Must not
//! know what is sent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use crate::address::Place;
use crate::cluster::Cluster;
use crate::cluster_router::Router;
use crate::multiplexed_connection::MultiplexedConnection;

/// Waits between attempts to open the connection, ms; after the last of them it counts as failed.
const WAITS_MS: [u64; 3] = [20, 40, 80];

/// A shared connection; clones are the same one.
#[derive(Clone)]
pub struct SharedConnection {
    place: Place,
    /// Unused where the place is a cluster.
    current: Arc<Mutex<Opening>>,
    /// Only where the place is a cluster.
    router: Option<Arc<Router<Self>>>,
    /// The slot of a cluster to whose node all commands go, also those that have no key and mean the server.
    beside: Option<usize>,
}

/// The connection, or the attempt to open it, which begins with the first who waits for it.
type Opening = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

impl fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The place's own text would hold a password.
        f.write_str("SharedConnection")
    }
}

impl SharedConnection {
    /// A connection that is opened at its first use.
    pub(crate) fn new(place: Place) -> Self {
        let router = place.cluster().map(|cluster| {
            let nodes = place.clone();
            let open = move |node| Self::new(nodes.at(node));
            Arc::new(Router::new(Arc::clone(cluster), Box::new(open)))
        });
        Self {
            current: Arc::new(Mutex::new(opening(&place))),
            place,
            router,
            beside: None,
        }
    }

    /// What sends each command to its node, where there is a cluster.
    pub(crate) fn router(&self) -> Option<&Router<Self>> {
        self.router.as_deref()
    }

    /// The same connection, all of whose commands go where a key is.
    pub(crate) fn beside(&self, key: &str) -> Self {
        let mut beside = self.clone();
        beside.beside = Some(Cluster::slot_of(key));
        beside
    }

    /// Sends a command to each server that has keys: to one, or to all masters of a cluster.
    pub(crate) async fn send_to_each(&mut self, cmd: &Cmd) -> RedisResult<Vec<Value>> {
        match self.router() {
            Some(router) => router.send_to_each(cmd).await,
            None => Ok(vec![self.send_packed_command(cmd).await?]),
        }
    }

    fn current(&self) -> MutexGuard<'_, Opening> {
        // A panic elsewhere leaves a connection.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens another connection at the next use. What is under way ends on the present one.
    pub(crate) fn renew(&self) {
        *self.current() = opening(&self.place);
    }

    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let opened = {
            let mut current = self.current();
            match current.peek() {
                Some(Ok(connection)) if !connection.is_closed() => return Ok(connection.clone()),
                // It has ended, or could not be opened.
                Some(_) => *current = opening(&self.place),
                None => {}
            }
            current.clone()
        };
        opened.await
    }

    /// Sends a command.
    pub(crate) async fn send_packed_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        if let Some(router) = self.router() {
            return router.send(cmd, self.beside).await;
        }
        self.connected().await?.send_packed_command(cmd).await
    }

    /// Sends a pipeline.
    pub(crate) async fn send_packed_commands(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        if let Some(router) = self.router() {
            let sending = router.send_pipeline(pipeline, (offset, count), self.beside);
            return sending.await;
        }
        let mut connection = self.connected().await?;
        connection
            .send_packed_commands(pipeline, offset, count)
            .await
    }
}

fn opening(place: &Place) -> Opening {
    let place = place.clone();
    async move {
        for wait_ms in WAITS_MS {
            match place.connection(None).await {
                Ok(connection) => return Ok(connection),
                Err(_) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
            }
        }
        place.connection(None).await
    }
    .boxed()
    .shared()
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
        self.place.settings().redis_settings().db()
    }
}
