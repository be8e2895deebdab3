//! A running process: whether it is ready, and the order in which its parts stop. Must not know which roles it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::AppError;
use crate::telemetry::Metrics;
use ordershop_contract::event_store::{EventStore, ServerInfo};
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::readiness::Readiness;
use ordershop_redis::requirements::Unfit;
use ordershop_redis::supervision::SupervisedRedis;

/// Interval between readiness checks while the process starts.
const READINESS_POLL: Duration = Duration::from_millis(10);
/// How long each part may take to finish its work at shutdown.
const DRAIN_MS_MAX: u64 = 10_000;

/// A running process of the system.
pub struct App {
    pub(super) process: Process,
    pub(super) events: Option<Arc<dyn EventStore>>,
    pub(super) queue: Option<Arc<dyn MessageQueue>>,
    /// What the server under the event store says of itself, where the gateway runs.
    pub(super) runs_on: Option<watch::Receiver<ServerInfo>>,
    pub(super) readiness: Arc<dyn Readiness>,
    pub(super) server: Option<Server>,
    pub(super) redis: Option<SupervisedRedis>,
}

/// What a process listens with.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) serving: JoinHandle<()>,
}

/// What the roles of one process share.
#[derive(Default)]
pub(super) struct Process {
    pub(super) metrics: Metrics,
    /// Cancelled when the server is to take nothing new and finish what is under way.
    pub(super) drain: CancellationToken,
    /// Cancelled when the tasks are to finish what they have in hand.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Tells of a Redis that was away at the start and, when it came, could not carry the shop.
    pub(super) unfit: Option<oneshot::Receiver<Unfit>>,
}

impl App {
    /// Where it listens, if it does.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.url.as_str())
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        while !self.readiness.check().await.ready {
            tokio::time::sleep(READINESS_POLL).await;
        }
    }

    /// Waits until the server under the event store has said what it is, for ever if it is refused; `None` in a process without a gateway.
    pub async fn runs_on(&self) -> Option<ServerInfo> {
        let mut runs_on = self.runs_on.clone()?;
        if let Ok(info) = runs_on.wait_for(|info| !info.version.is_empty()).await {
            return Some(info.clone());
        }
        std::future::pending().await
    }

    /// Waits for a Redis that comes late and can't carry the shop; for ever, if it can. May be called once.
    pub fn refused(&mut self) -> impl Future<Output = AppError> + use<> {
        self.process.refused()
    }

    /// The Redis process that was started for this system, if any.
    #[must_use]
    pub fn redis(&self) -> Option<&SupervisedRedis> {
        self.redis.as_ref()
    }

    /// Stops: accepts no more requests, answers those in flight, finishes the batches in progress, closes the connections, flushes.
    pub async fn stop(self) {
        self.process.drain.cancel();
        if let Some(server) = self.server {
            bounded("the server", server.serving).await;
        }
        self.process.stop.cancel();
        self.process.tasks.close();
        bounded("the services", self.process.tasks.wait()).await;
        if let Some(events) = self.events {
            bounded("the event store", events.close()).await;
        }
        if let Some(queue) = self.queue {
            bounded("the message queue", queue.close()).await;
        }
        if let Some(redis) = self.redis {
            redis.stop().await;
        }
    }
}

impl Process {
    /// Waits until Redis is found unfit; for ever, if it is fit.
    pub(super) fn refused(&mut self) -> impl Future<Output = AppError> + use<> {
        let unfit = self.unfit.take();
        async move {
            if let Some(unfit) = unfit
                && let Ok(unfit) = unfit.await
            {
                return unfit.into();
            }
            std::future::pending().await
        }
    }
}

async fn bounded<T>(what: &str, ending: impl Future<Output = T>) {
    let limit = Duration::from_millis(DRAIN_MS_MAX);
    if tokio::time::timeout(limit, ending).await.is_err() {
        tracing::warn!("{what} did not stop within {DRAIN_MS_MAX} ms; not waiting any longer");
    }
}
