//! The configuration of a gateway: its limits, and what surrounds it.

use std::fmt;
use std::sync::Arc;

use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::readiness::Readiness;
use ordershop_contract::topic::Topic;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::strangers::Strangers;

/// Checks one entity's JSON as its service would, so that an asynchronous command that can't succeed is refused at once.
/// The error says what is wrong and what to do.
pub type CheckEntity = fn(Topic, &RawValue) -> Result<(), String>;

/// How the program was built.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The program's version.
    pub version: &'static str,
    /// Cargo's profile: `release`, `debug`, …
    pub profile: &'static str,
}

/// The gateway's limits, and what the program passes to it.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Longest request body, bytes.
    pub body_bytes_max: usize,
    /// Longest time for a request body to arrive, ms.
    pub body_timeout_ms: u64,
    /// Most entities in one array.
    pub entities_per_array_max: usize,
    /// Timeout of a command or query, ms; an array gets [`GatewayConfig::call_timeout_ms_per_entity`] more for each entity.
    pub call_timeout_ms: u64,
    /// What each further entity of an array adds to its command's timeout, ms.
    pub call_timeout_ms_per_entity: u64,
    /// Who may use the gateway beside its own names and pages.
    pub strangers: Strangers,
    /// Most HTTP connections at once; for a further one, the one that has been idle longest is closed.
    pub connections_max: usize,
    /// Longest time from the first byte of a request's head to its last, ms.
    pub head_timeout_ms: u64,
    /// How long a connection may wait for its next request, ms.
    pub idle_timeout_ms: u64,
    /// Longest time in which a client takes nothing of an answer that waits for it, ms.
    pub stall_timeout_ms: u64,
    /// How long a connection that was used a moment before a shutdown may wait for one more request, ms.
    pub last_request_ms: u64,
    /// How long requests in flight may take to end after a shutdown was requested, ms.
    pub drain_ms: u64,
    /// The live feed's limits.
    pub feed: FeedConfig,
    /// Checks entities on the asynchronous endpoints.
    pub check_entity: CheckEntity,
    /// What `/health` shows of the Redis server.
    pub runs_on: watch::Receiver<ServerInfo>,
    /// Checks whether the system is ready.
    pub readiness: Arc<dyn Readiness>,
    /// What `/health` shows of the program.
    pub build: Build,
    /// What `/health` shows of the options that the system was started with: their names and values.
    pub options: Value,
}

/// Most HTTP connections at once, where enough files may be open.
const CONNECTIONS_MAX: usize = 10_000;
/// Most WebSockets at once, where enough files may be open.
const SOCKETS_MAX: usize = 256;
/// Open files that are left to the process itself: a whole system in one process has about a hundred connections to Redis, and opens them
/// anew while broken ones are still there.
const FILES_OWN: usize = 192;

impl GatewayConfig {
    /// Lowers the limits on connections so that a process which may have `files_max` open files keeps `FILES_OWN` of them: three quarters
    /// of the rest are for HTTP connections, a quarter is for WebSockets.
    #[must_use]
    pub fn within_files(mut self, files_max: u64) -> Self {
        let files = usize::try_from(files_max)
            .unwrap_or(usize::MAX)
            .saturating_sub(FILES_OWN);
        self.connections_max = self.connections_max.min(files / 4 * 3).max(1);
        self.feed.sockets_max = self.feed.sockets_max.min(files / 4).max(1);
        self
    }

    /// The default limits.
    #[must_use]
    pub fn new(
        runs_on: watch::Receiver<ServerInfo>,
        readiness: Arc<dyn Readiness>,
        build: Build,
        check_entity: CheckEntity,
    ) -> Self {
        Self {
            body_bytes_max: 8 << 20,
            body_timeout_ms: 30_000,
            entities_per_array_max: 10_000,
            call_timeout_ms: 5_000,
            call_timeout_ms_per_entity: 2,
            strangers: Strangers::default(),
            connections_max: CONNECTIONS_MAX,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            stall_timeout_ms: 30_000,
            last_request_ms: 500,
            drain_ms: 10_000,
            feed: FeedConfig::default(),
            check_entity,
            runs_on,
            readiness,
            build,
            options: Value::Null,
        }
    }
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("body_bytes_max", &self.body_bytes_max)
            .field("body_timeout_ms", &self.body_timeout_ms)
            .field("entities_per_array_max", &self.entities_per_array_max)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .field("strangers", &self.strangers)
            .field("connections_max", &self.connections_max)
            .field("head_timeout_ms", &self.head_timeout_ms)
            .field("idle_timeout_ms", &self.idle_timeout_ms)
            .field("stall_timeout_ms", &self.stall_timeout_ms)
            .field("last_request_ms", &self.last_request_ms)
            .field("drain_ms", &self.drain_ms)
            .field("feed", &self.feed)
            .field("runs_on", &self.runs_on)
            .finish_non_exhaustive()
    }
}

/// The live feed's limits.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Most WebSockets at once; further ones are refused with 503.
    pub sockets_max: usize,
    /// Most bytes that may wait for a client before it is disconnected (sockets share the frames).
    pub lag_bytes_max: usize,
    /// Longest frame, bytes; a single longer event makes a longer frame.
    pub frame_bytes_max: usize,
    /// Most events per read of the event store, 1–10,000.
    pub batch_max: usize,
    /// Interval between pings, ms; a client that sends nothing for three intervals is disconnected.
    pub ping_ms: u64,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            sockets_max: SOCKETS_MAX,
            lag_bytes_max: 16 << 20,
            frame_bytes_max: 256 << 10,
            batch_max: 512,
            ping_ms: 15_000,
        }
    }
}
