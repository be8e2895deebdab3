//! Exports the event store's event lags as a metric, in buckets for dashboards or in all that are counted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::metrics::GroupLabels;
use ordershop_contract::event_lag::LagHistogram;

/// How finely lags are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buckets {
    /// In steps of two, and only of groups that have handled an event: few enough series to be kept for years.
    Coarse,
    /// In steps of 15 %, of every group: for a reader that takes percentiles from two looks.
    Fine,
}

impl Buckets {
    /// The value of the parameter `buckets`.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("coarse") => Some(Self::Coarse),
            Some("fine") => Some(Self::Fine),
            Some(_) => None,
        }
    }
}

/// Every group's event lag, as last read from the event store.
#[derive(Debug, Default)]
pub(super) struct GroupLags(Mutex<Vec<(GroupLabels, LagHistogram)>>);

impl GroupLags {
    pub(super) fn replace(&self, lags: Vec<(GroupLabels, LagHistogram)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lags;
    }

    /// A registry of this metric alone.
    pub(super) fn registry(self: &Arc<Self>, buckets: Buckets) -> Registry {
        let mut registry = Registry::with_prefix("ordershop");
        let lags = Arc::clone(self);
        registry.register_collector(Box::new(LagCollector { lags, buckets }));
        registry
    }
}

#[derive(Debug)]
struct LagCollector {
    lags: Arc<GroupLags>,
    buckets: Buckets,
}

impl Collector for LagCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "event_lag_seconds",
            "From an event's publication to the end of its handling by a consumer group",
            None,
            MetricType::Histogram,
        )?;
        for (labels, lag) in &*self.lags.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let count = lag.counts().iter().sum();
            let buckets = match self.buckets {
                Buckets::Coarse if count == 0 => continue,
                Buckets::Coarse => lag.coarse_buckets(),
                Buckets::Fine => lag.buckets(),
            };
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52 µs")]
            let sum_s = lag.sum_us() as f64 / 1e6;
            family
                .encode_family(labels)?
                .encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)?;
        }
        Ok(())
    }
}
