//! Counts requests by route. Looks up every counter once and keeps it, because every request passes here.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{GatewayMetrics, RequestLabels, RouteLabels};

use super::routes::{PATTERNS, ROUTES};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"];

/// The counters of every route.
pub(super) struct RequestMetrics {
    metrics: GatewayMetrics,
    routes: Vec<RouteMetrics>,
}

#[derive(Default)]
struct RouteMetrics {
    duration: OnceLock<Histogram>,
    /// Status 200, by method; other statuses are rare enough to be looked up each time.
    ok: [OnceLock<Counter>; METHODS.len()],
}

impl RequestMetrics {
    pub(super) fn new(metrics: &GatewayMetrics) -> Self {
        Self {
            metrics: metrics.clone(),
            routes: std::iter::repeat_with(RouteMetrics::default)
                .take(ROUTES)
                .collect(),
        }
    }

    /// Counts one answered request.
    pub(super) fn record(&self, route: usize, method: &Method, status: StatusCode, took: Duration) {
        let row = &self.routes[route];
        let route = PATTERNS[route];
        row.duration
            .get_or_init(|| {
                self.metrics
                    .http_request_duration
                    .get_or_create_owned(&RouteLabels { route })
            })
            .observe(took.as_secs_f64());
        let method = METHODS
            .iter()
            .position(|name| *name == method.as_str())
            .unwrap_or(METHODS.len() - 1);
        let counter = || {
            self.metrics
                .http_requests
                .get_or_create_owned(&RequestLabels {
                    method: METHODS[method],
                    route,
                    status: status.as_u16(),
                })
        };
        if status == StatusCode::OK {
            row.ok[method].get_or_init(counter).inc();
        } else {
            counter().inc();
        }
    }
}
