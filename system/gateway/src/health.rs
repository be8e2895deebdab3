//! `/health`: whether the system is live and ready, its options, and which Redis it runs on.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::error::{self, HttpError};
use super::request::GatewayRequest;
use ordershop_contract::readiness::ReadinessState;

/// A check that takes longer counts as not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers 200 when ready, else 503 with the reasons.
pub(super) async fn health(request: GatewayRequest) -> Result<Response, HttpError> {
    let state = request.state;
    let check = state.config.readiness.check();
    let found = tokio::time::timeout(CHECK_TIMEOUT, check)
        .await
        .unwrap_or_else(|_| {
            ReadinessState::not_ready(
                "the event store and the read model gave no answer within 2 s",
            )
        });
    let mut reasons = found.reasons;
    if state.shutdown.is_cancelled() {
        reasons.push("the gateway is shutting down".to_owned());
    }
    let ready = found.ready && reasons.is_empty();
    let redis = state.config.runs_on.borrow().clone();
    let body = json!({
        "live": true,
        "ready": ready,
        "version": state.config.build.version,
        "profile": state.config.build.profile,
        "options": state.config.options,
        "redis": {
            "version": redis.version,
            "server": redis.server,
            "durability": redis.durability,
        },
        "read_model": { "caught_up": found.ready },
        "reasons": reasons,
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok(error::json(status, body.to_string()))
}
