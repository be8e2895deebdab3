//! `/health`: live, ready, and on what the system runs.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::Shared;
use super::error;
use super::readiness::ReadinessState;

/// A check that takes longer counts as not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// On what the system runs, as the app found it.
#[derive(Clone, Debug)]
pub struct GatewayInfo {
    /// This program's version.
    pub version: String,
    /// The server's version, such as `7.0.15`.
    pub redis_version: String,
    /// `redis` or `valkey`.
    pub redis_server: String,
    /// `none`, `everysec` or `always`.
    pub durability: String,
}

/// 200 when ready, else 503 with the reasons.
pub(super) async fn health(shared: &Shared) -> Response {
    let check = shared.config.readiness.check();
    let state = tokio::time::timeout(CHECK_TIMEOUT, check)
        .await
        .unwrap_or_else(|_| ReadinessState::not_ready("the check gave no answer within 2 s"));
    let ready = state.ready && !shared.shutdown.is_cancelled();
    let info = &shared.config.info;
    let body = json!({
        "live": true,
        "ready": ready,
        "version": info.version,
        "redis": {
            "version": info.redis_version,
            "server": info.redis_server,
            "durability": info.durability,
        },
        "read_model": { "caught_up": state.read_model_caught_up },
        "reasons": state.reasons,
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    error::json(status, body.to_string())
}
