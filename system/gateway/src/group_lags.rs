//! Exports the event store's event lags as a metric.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::GroupLabels;
use ordershop_contract::event_lag::LagHistogram;

/// Every group's event lag, as last read from the event store.
#[derive(Debug, Default)]
pub(super) struct GroupLags(Mutex<Vec<(GroupLabels, LagHistogram)>>);

impl GroupLags {
    pub(super) fn replace(&self, lags: Vec<(GroupLabels, LagHistogram)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lags;
    }
}

impl Collector for GroupLags {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "event_lag_seconds",
            "From an event's publication to the end of its handling by a consumer group",
            None,
            MetricType::Histogram,
        )?;
        for (labels, lag) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let count = lag.counts().iter().sum();
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52 µs")]
            let sum_s = lag.sum_us() as f64 / 1e6;
            family
                .encode_family(labels)?
                .encode_histogram::<NoLabelSet>(sum_s, count, &lag.buckets(), None)?;
        }
        Ok(())
    }
}
