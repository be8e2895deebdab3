//! Deployed as one process: every service runs in the test's own process, connected directly to Redis.

use std::path::Path;

use ordershop::app::App;
use ordershop::config::{
    CrmOptions, GatewayOptions, PartitionOptions, ReadModelOptions, RedisTlsConfig, ReplicaOptions,
    UpConfig,
};
use ordershop_read_model::ProjectionConfig;
use ordershop_redis::durability::Durability;
use ordershop_services::sagas::CrmSaga;

use crate::customer::Customer;

/// The rounds of each of four writers; a round is three writes, each read back: ten thousand in all.
pub const ROUNDS: usize = 850;

/// The running system.
pub struct Deployment {
    app: App,
    redis_url: String,
}

/// A configuration for a system in `dir`, on a free port.
pub fn config(dir: &Path) -> UpConfig {
    UpConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        redis_url: None,
        redis_tls: RedisTlsConfig::default(),
        data_dir: Some(dir.to_owned()),
        durability: Some(Durability::Everysec),
        replicas: ReplicaOptions {
            replicas_ack: 0,
            replicas_ack_timeout_ms: 1_000,
        },
        partitions: PartitionOptions {
            partitions: crate::PARTITIONS,
        },
        threads: 1,
        gateway: GatewayOptions {
            body_bytes_max: 8 * 1024 * 1024,
            allowed_host: Vec::new(),
            allowed_origin: Vec::new(),
        },
        read_model: ReadModelOptions {
            projection_linger_ms: ProjectionConfig::LINGER_MS,
            burn_us_per_event: 0,
        },
        crm: CrmOptions {
            mail_linger_ms: CrmSaga::LINGER_MS,
        },
    }
}

/// A configuration for a system on a running Redis.
pub fn config_on(redis_url: &str) -> UpConfig {
    UpConfig {
        redis_url: Some(redis_url.into()),
        data_dir: None,
        durability: None,
        ..config(Path::new(""))
    }
}

impl Deployment {
    /// Starts the system with its own Redis in a folder, and waits until it is ready.
    pub async fn in_folder(dir: &Path) -> Self {
        let app = App::start(&config(dir)).await.unwrap();
        app.ready().await;
        app.runs_on().await;
        let redis_url = app.redis().unwrap().url().to_owned();
        Self { app, redis_url }
    }

    /// Starts the system on a running Redis, and waits until it is ready.
    pub async fn on(redis_url: &str) -> Self {
        let app = App::start(&config_on(redis_url)).await.unwrap();
        app.ready().await;
        app.runs_on().await;
        Self {
            app,
            redis_url: redis_url.to_owned(),
        }
    }

    pub fn url(&self) -> String {
        self.app.url().unwrap().to_owned()
    }

    pub fn redis_url(&self) -> String {
        self.redis_url.clone()
    }

    /// The metrics of all services.
    pub async fn metrics(&self) -> String {
        let answer = Customer::new(self.url()).get("/metrics").await;
        answer.body.as_str().unwrap().to_owned()
    }

    /// Stops it cleanly.
    pub async fn stop(self) {
        self.app.stop().await;
    }
}
