//! Requests to the target besides the load: its environment, its metrics and its backlog.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use loadgen_engine::http_client::{ClientLimits, HttpClient, HttpError, Target};
use loadgen_engine::scrape::Scrape;
use loadgen_report::Environment;

/// The limits of requests to `/health` and `/metrics`, side by side at the start.
pub const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(5),
    response_bytes_max: 64 << 20,
    connections_max: 2,
};
/// Pause between two checks of the backlog while it drains.
const BACKLOG_PAUSE: Duration = Duration::from_millis(100);

/// A client for control requests, with connections of its own.
pub struct Control {
    http: HttpClient,
    /// Whether the target has metrics: then a missing answer means that it is down.
    has_metrics: bool,
    /// Where the metrics are, as far as it is known.
    metrics_path: Cell<&'static str>,
    /// Whether the last request for metrics had no answer in time.
    is_silent: Cell<bool>,
}

impl Control {
    /// A client for this target, which need not answer, and what the target says of itself. `target_started`: it was started here.
    pub async fn new(target: Target, target_started: bool) -> (Self, Environment) {
        let mut control = Self {
            http: HttpClient::new(target, LIMITS),
            has_metrics: false,
            metrics_path: Cell::new(loadgen_shop::metrics_path("")),
            is_silent: Cell::new(false),
        };
        // Side by side: a target that never answers is waited for once.
        let (scrape, environment) =
            tokio::join!(control.scrape(), control.environment(target_started));
        control.has_metrics = scrape.is_some();
        (control, environment)
    }

    /// The target.
    pub fn target(&self) -> &Target {
        self.http.target()
    }

    /// Whether the target had metrics at the start.
    pub fn has_metrics(&self) -> bool {
        self.has_metrics
    }

    /// Reads the target's metrics, if it has any.
    pub async fn scrape(&self) -> Option<Scrape> {
        let path = self.metrics_path.get();
        let mut text = self.read(path).await?;
        let better = loadgen_shop::metrics_path(&text);
        if better != path {
            text = self.read(better).await?;
            self.metrics_path.set(better);
        }
        Some(loadgen_shop::scrape(&text))
    }

    async fn read(&self, path: &str) -> Option<String> {
        let reply = self.http.get(path).await;
        self.is_silent.set(matches!(reply, Err(HttpError::Timeout)));
        let reply = reply.ok().filter(|r| r.status == 200)?;
        Some(String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// Waits until the target's metrics show no backlog, up to the limit. Returns the last metrics and the time waited.
    pub async fn drained(&self, timeout: Duration) -> (Option<Scrape>, Duration) {
        self.drained_while(timeout, |_, _| ()).await
    }

    /// The same, and passes all metrics to `tell`, with the time since the first request.
    pub async fn drained_while(
        &self,
        timeout: Duration,
        mut tell: impl FnMut(Duration, &Scrape),
    ) -> (Option<Scrape>, Duration) {
        if self.is_silent.get() && !self.has_metrics {
            // It has never answered: nothing is to be learnt from one more wait.
            return (None, Duration::ZERO);
        }
        let start = Instant::now();
        loop {
            let scrape = self.scrape().await;
            if let Some(scrape) = &scrape {
                tell(start.elapsed(), scrape);
            }
            let left = scrape.as_ref().map_or(0, Scrape::backlog_total);
            // A target that is being restarted does not answer: ask again.
            let known = scrape.is_some() || !self.has_metrics;
            if (left == 0 && known) || start.elapsed() >= timeout {
                return (scrape, start.elapsed());
            }
            tokio::time::sleep(BACKLOG_PAUSE).await;
        }
    }

    /// Reads the target's versions from `/health`; they stay unknown if it has none.
    async fn environment(&self, target_started: bool) -> Environment {
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
            targets: BTreeMap::new(),
            target_started,
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
            loadgen_version: env!("CARGO_PKG_VERSION").into(),
            loadgen_profile: Some(env!("BUILD_PROFILE").into()),
            system_version: text("/version"),
            system_profile: text("/profile"),
            system_options: match health.get("options") {
                Some(Value::Object(options)) => options.clone(),
                _ => Map::new(),
            },
            redis_version: text("/redis/version"),
            redis_server: text("/redis/server"),
            durability: text("/redis/durability"),
            system_command: None,
        }
    }
}
