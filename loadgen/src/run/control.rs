//! What a run asks the target beside its load: what it is, what its metrics say, whether its backlog is gone.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http_client::{ClientLimits, HttpClient, Target};
use crate::metrics_scrape::Scrape;
use crate::report::Environment;

/// For requests to `/health` and `/metrics`, one at a time.
const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(5),
    response_bytes_max: 64 << 20,
    connections_max: 1,
};
/// Between looks at the backlog while it drains.
const BACKLOG_PAUSE: Duration = Duration::from_millis(100);

/// A connection of its own to the target.
pub struct Control {
    http: HttpClient,
    /// Whether its metrics have been seen: then an answer without them is a fault, not its nature.
    has_metrics: bool,
}

impl Control {
    /// For this target, which need not answer yet.
    pub async fn new(target: Target) -> Self {
        let mut control = Self {
            http: HttpClient::new(target, LIMITS),
            has_metrics: false,
        };
        control.has_metrics = control.scrape().await.is_some();
        control
    }

    /// Where it asks.
    pub fn target(&self) -> &Target {
        self.http.target()
    }

    /// Its metrics, if it tells any.
    pub async fn scrape(&self) -> Option<Scrape> {
        let reply = self
            .http
            .get("/metrics")
            .await
            .ok()
            .filter(|r| r.status == 200)?;
        Some(Scrape::parse(&String::from_utf8_lossy(&reply.body)))
    }

    /// Looks at the target's metrics until it has no backlog, within the limit.
    pub async fn drained(&self, timeout: Duration) -> (Option<Scrape>, Duration) {
        self.drained_while(timeout, |_, _| ()).await
    }

    /// The same; what is seen meanwhile is told, with the time since the first look.
    pub async fn drained_while(
        &self,
        timeout: Duration,
        mut tell: impl FnMut(Duration, &Scrape),
    ) -> (Option<Scrape>, Duration) {
        let start = Instant::now();
        loop {
            let scrape = self.scrape().await;
            if let Some(scrape) = &scrape {
                tell(start.elapsed(), scrape);
            }
            let left = scrape.as_ref().map_or(0, Scrape::backlog_total);
            // A target that is just being started again answers nothing: it is asked again too.
            let known = scrape.is_some() || !self.has_metrics;
            if (left == 0 && known) || start.elapsed() >= timeout {
                return (scrape, start.elapsed());
            }
            tokio::time::sleep(BACKLOG_PAUSE).await;
        }
    }

    /// Asks the target what it is; one that has no `/health` is unknown but welcome.
    pub async fn environment(&self, target_started: bool) -> Environment {
        let reply = self
            .http
            .get("/health")
            .await
            .ok()
            .filter(|r| r.status == 200);
        let health: Value = reply
            .and_then(|r| serde_json::from_slice(&r.body).ok())
            .unwrap_or_default();
        let text = |pointer: &str| {
            health
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Environment {
            target: self.http.target().url.clone(),
            target_started,
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            loadgen_version: env!("CARGO_PKG_VERSION").into(),
            system_version: text("/version"),
            redis_version: text("/redis/version"),
            redis_server: text("/redis/server"),
            durability: text("/redis/durability"),
        }
    }
}
