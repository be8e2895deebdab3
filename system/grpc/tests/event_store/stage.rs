//! The set-up of the store's tests, with a gRPC connection between a test and the store.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::event_store::{
    Appended, Applied, EventStore, EventStoreError, EventSubscription, GroupStatus, RecordedEvent,
    SubscribeRequest, Transaction,
};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_grpc::event_store::client::GrpcEventStore;
use ordershop_grpc::event_store::server::EventStoreService;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use tokio::sync::watch;
use tonic::service::Routes;

pub use crate::redis_stage::*;
use crate::served::{Address, Served};

pub struct Stage(crate::redis_stage::Stage);

impl Deref for Stage {
    type Target = crate::redis_stage::Stage;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self(crate::redis_stage::Stage::new().await)
    }

    pub fn store(&self) -> Arc<RemoteStore> {
        self.store_with(EventStoreConfig::default())
    }

    pub fn store_with(&self, config: EventStoreConfig) -> Arc<RemoteStore> {
        let address = Address::Socket(self.dir.path().join("event-store.sock"));
        self.store_at(address, config)
    }

    pub fn store_at(&self, address: Address, config: EventStoreConfig) -> Arc<RemoteStore> {
        let store = self.0.store_with(config);
        let served = serve(&address, &store);
        Arc::new(RemoteStore {
            client: GrpcEventStore::start(address.channel(), Partitions::ONE),
            address,
            store,
            served: std::sync::Mutex::new(Some(served)),
        })
    }
}

fn serve(address: &Address, store: &Arc<RedisEventStore>) -> Served {
    let (_, runs_on) = watch::channel(ServerInfo {
        server: "redis".into(),
        version: "7".into(),
        durability: "none".into(),
    });
    Served::start(address, |drain| {
        Routes::new(EventStoreService::new(store.clone(), runs_on, drain).into_server())
    })
}

/// A client, the server that it is connected to, and the store behind the server.
pub struct RemoteStore {
    pub client: Arc<GrpcEventStore>,
    pub address: Address,
    pub store: Arc<RedisEventStore>,
    served: std::sync::Mutex<Option<Served>>,
}

impl RemoteStore {
    pub fn kill_server(&self) {
        self.served.lock().unwrap().take().unwrap().kill();
    }

    pub fn start_server(&self) {
        *self.served.lock().unwrap() = Some(serve(&self.address, &self.store));
    }

    pub async fn stop_server(&self) {
        let served = self.served.lock().unwrap().take().unwrap();
        tokio::time::timeout(PATIENCE, served.stop()).await.unwrap();
    }
}

#[async_trait]
impl EventStore for RemoteStore {
    async fn append(&self, all: Vec<Transaction>) -> Result<Vec<Appended>, EventStoreError> {
        self.client.append(all).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError> {
        self.client.subscribe(request).await
    }

    async fn read(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.client.read(partition, after, limit).await
    }

    async fn claimed(&self, topic: Topic, claim: &str) -> Result<Vec<Partition>, EventStoreError> {
        self.client.claimed(topic, claim).await
    }

    async fn last_position(&self, partition: Partition) -> Result<Position, EventStoreError> {
        self.client.last_position(partition).await
    }

    async fn follow(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.client.follow(partition, after, limit, wait_max).await
    }

    async fn applied(
        &self,
        after: &Positions,
        wait_max: Duration,
    ) -> Result<Applied, EventStoreError> {
        self.client.applied(after, wait_max).await
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError> {
        self.client.groups().await
    }

    async fn close(&self) {
        self.client.close().await;
        self.store.close().await;
    }
}
