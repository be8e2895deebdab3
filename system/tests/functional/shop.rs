//! A shop for each test: the system as deployed in this test binary, on Redis servers of its own, and a client of it.

pub use crate::customer::{Customer, EVENTUALLY_MS};
use crate::deployment::Deployment;
use crate::place::Place;

/// A shop for one test.
pub struct Shop {
    /// Dropped before the place, as the system writes to it.
    deployment: Option<Deployment>,
    /// `None` on a Redis that others run.
    place: Option<Place>,
    pub customer: Customer,
}

impl Shop {
    /// Starts it and waits until it is ready.
    pub async fn open() -> Self {
        let place = Place::new().await;
        let deployment = place.deploy().await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            place: Some(place),
        }
    }

    /// Starts it on a running Redis.
    pub async fn open_on(redis_url: &str) -> Self {
        let deployment = Deployment::on(redis_url).await;
        Self {
            customer: Customer::new(deployment.url()),
            deployment: Some(deployment),
            place: None,
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
        let deployment = self.place.as_ref().unwrap().deploy().await;
        self.customer = Customer::new(deployment.url());
        self.deployment = Some(deployment);
    }

    /// Stops it cleanly.
    pub async fn close(mut self) {
        self.deployment.take().unwrap().stop().await;
    }
}
