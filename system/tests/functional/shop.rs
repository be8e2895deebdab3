//! A shop for each test: the system as deployed in this test binary, on its own Redis, and a client of it.

use tempfile::TempDir;

pub use crate::customer::{Customer, EVENTUALLY_MS};
use crate::deployment::Deployment;

/// A shop for one test.
pub struct Shop {
    /// Dropped before the folder, as the system writes to it.
    deployment: Option<Deployment>,
    dir: TempDir,
    pub customer: Customer,
}

impl Shop {
    /// Starts it and waits until it is ready.
    pub async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let deployment = Deployment::in_folder(dir.path()).await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            dir,
        }
    }

    /// Starts it on a running Redis.
    pub async fn open_on(redis_url: &str) -> Self {
        let deployment = Deployment::on(redis_url).await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            dir: TempDir::new().unwrap(),
        }
    }

    /// The address of its Redis.
    pub fn redis_url(&self) -> String {
        self.deployment.as_ref().unwrap().redis_url()
    }

    /// The metrics of all services.
    pub async fn metrics(&self) -> String {
        self.deployment.as_ref().unwrap().metrics().await
    }

    /// Stops it and starts it again on the same data.
    pub async fn reopen(&mut self) {
        self.deployment.take().unwrap().stop().await;
        let deployment = Deployment::in_folder(self.dir.path()).await;
        self.customer = Customer::new(deployment.url());
        self.deployment = Some(deployment);
    }

    /// Stops it cleanly.
    pub async fn close(mut self) {
        self.deployment.take().unwrap().stop().await;
    }
}
