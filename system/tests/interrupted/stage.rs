//! What each interruption begins with: a Redis that outlives the shop, on which a shop has sold something.

use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use tempfile::TempDir;

use crate::buyers::{Answered, Buyers};
use crate::process::{Armed, Port, ShopProcess};
use crate::walk::end_before;

/// A Redis, and the address of the shop on it.
pub struct Stage {
    redis: RedisServer,
    port: Port,
    _dir: TempDir,
}

impl Stage {
    /// Sets it up by a shop that is then ended by a signal.
    pub async fn set_up(signal: &str) -> Self {
        let (stage, shop, _) = Self::sold().await;
        shop.end(signal).await;
        stage
    }

    /// Sets it up by a shop that goes on; returns also the shop, and what its buyers were answered.
    pub async fn sold() -> (Self, ShopProcess, Answered) {
        let stage = Self::empty().await;
        let mut shop = stage.start(None);
        shop.ready().await;
        let buyers = Buyers::start(&shop.customer(), stage.redis_url());
        (stage, shop, buyers.finish().await)
    }

    /// A Redis on which no shop was yet.
    pub async fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        Self {
            redis,
            port: Port::free(),
            _dir: dir,
        }
    }

    /// Sets it up and starts a shop that is interrupted while buyers buy; returns once it is.
    pub async fn interrupted(armed: Armed) -> Result<(Self, ShopProcess, Buyers), String> {
        let stage = Self::set_up(end_before(armed.point)).await;
        let mut shop = stage.start(Some(armed));
        let buyers = Buyers::start(&shop.customer(), stage.redis_url());
        shop.interrupted().await?;
        Ok((stage, shop, buyers))
    }

    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// Removes everything from it.
    pub async fn is_emptied(&self) {
        let mut connection = self.connection().await;
        let emptied = redis::cmd("FLUSHALL").exec_async(&mut connection).await;
        emptied.unwrap();
    }

    /// All its keys.
    pub async fn keys(&self) -> Vec<String> {
        let mut connection = self.connection().await;
        let keys = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut connection)
            .await;
        keys.unwrap()
    }

    async fn connection(&self) -> impl redis::aio::ConnectionLike {
        let link = RedisLink::new(self.redis_url()).unwrap();
        link.dedicated().await.unwrap()
    }

    /// Starts the shop, always at the same address.
    pub fn start(&self, armed: Option<Armed>) -> ShopProcess {
        ShopProcess::start(self.port.clone(), &["--redis-url", self.redis.url()], armed)
    }

    /// Starts a second shop on the same Redis.
    pub fn start_second(&self) -> ShopProcess {
        ShopProcess::start(Port::free(), &["--redis-url", self.redis.url()], None)
    }
}
