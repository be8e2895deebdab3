//! Exports the work of the event store's Redis as metrics.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use ordershop_contract::event_store::ServerUsage;

/// The usage last read from the event store; `None` before the first read.
#[derive(Debug, Default)]
pub(super) struct LastUsage(Mutex<Option<ServerUsage>>);

impl LastUsage {
    pub(super) fn replace(&self, usage: ServerUsage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(usage);
    }
}

fn metric(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(encoder)
}

impl Collector for LastUsage {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = &*usage else {
            return Ok(());
        };
        let counters = [
            (
                "redis_commands",
                "Commands that Redis has carried out",
                usage.commands,
            ),
            (
                "redis_input_bytes",
                "Bytes that Redis has read from its clients",
                usage.input_bytes,
            ),
            (
                "redis_output_bytes",
                "Bytes that Redis has written to its clients",
                usage.output_bytes,
            ),
        ];
        for (name, help, n) in counters {
            metric(&mut encoder, name, help, &ConstCounter::new(n))?;
        }
        let help = "Calls of each command of Redis, those within scripts too";
        let mut calls =
            encoder.encode_descriptor("redis_calls", help, None, MetricType::Counter)?;
        for (command, n) in &usage.calls {
            let call = [("command", command.as_str())];
            ConstCounter::new(*n).encode(calls.encode_family(&call)?)?;
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 µs")]
        let cpu_s = ConstCounter::new(usage.cpu_us as f64 / 1e6);
        let help = "CPU time of Redis, user and system";
        metric(&mut encoder, "redis_cpu_seconds", help, &cpu_s)?;
        let memory = i64::try_from(usage.memory_bytes).unwrap_or(i64::MAX);
        let help = "Memory that the data in Redis take";
        metric(
            &mut encoder,
            "redis_memory_bytes",
            help,
            &ConstGauge::new(memory),
        )
    }
}
