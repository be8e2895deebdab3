//! A shop of a test's own: the system as it is deployed in this run of the tests, on its own Redis, and a customer of it.

use tempfile::TempDir;

pub use crate::customer::{Customer, EVENTUALLY_MS};
use crate::deployment::Deployment;

/// A shop of a test's own.
pub struct Shop {
    /// Dropped before the folder that it writes to.
    deployment: Option<Deployment>,
    dir: TempDir,
    pub customer: Customer,
}

impl Shop {
    /// Opens it and waits until it is ready.
    pub async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let deployment = Deployment::in_folder(dir.path()).await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            dir,
        }
    }

    /// Opens one on a Redis that runs already.
    pub async fn open_on(redis_url: &str) -> Self {
        let deployment = Deployment::on(redis_url).await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            dir: TempDir::new().unwrap(),
        }
    }

    /// Where its Redis listens.
    pub fn redis_url(&self) -> String {
        self.deployment.as_ref().unwrap().redis_url()
    }

    /// Stops it cleanly and opens it again on the same data.
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
