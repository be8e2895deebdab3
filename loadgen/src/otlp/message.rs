//! Converts the figures to OpenTelemetry's messages.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram as HistogramData, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::metrics_listen::{ExportedFigures, Histogram, WorkloadTotals};
use crate::run_event::RunPlan;

/// A request with all figures since the run's start.
pub fn request(
    figures: &ExportedFigures,
    started: SystemTime,
    now: SystemTime,
) -> ExportMetricsServiceRequest {
    let times = PointTimes {
        start: unix_nanos(started),
        now: unix_nanos(now),
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource(&figures.plan)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: metrics(figures, times),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// What all of a run's messages are about.
pub fn resource(plan: &RunPlan) -> Resource {
    Resource {
        attributes: attributes(&[
            ("service.name", "loadgen"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("loadgen.scenario", &plan.scenario),
            ("loadgen.target", &plan.target),
        ]),
        ..Resource::default()
    }
}

/// What made them.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "loadgen".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

#[derive(Clone, Copy)]
struct PointTimes {
    start: u64,
    now: u64,
}

fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| d.as_nanos() as u64)
}

/// Attributes that are texts.
pub fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let pairs = pairs.iter().map(|(key, value)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue((*value).to_owned())),
        }),
        ..KeyValue::default()
    });
    pairs.collect()
}

fn metrics(figures: &ExportedFigures, times: PointTimes) -> Vec<Metric> {
    let plan = &figures.plan;
    let steps = || plan.steps.iter().zip(&figures.steps);
    let states = || plan.awaits.iter().zip(&figures.awaits);
    let groups = || figures.groups.iter();
    let step = |name: &str| attributes(&[("step", name)]);
    let state = |name: &str| attributes(&[("state", name)]);
    let group = |name: &str| attributes(&[("group", name)]);
    let errors = figures
        .errors
        .iter()
        .map(|((name, kind), count)| (attributes(&[("step", name), ("kind", kind)]), *count));
    let workloads = || figures.workloads.iter();
    let workload = |w: &WorkloadTotals| -> Vec<KeyValue> {
        let name = w.name.iter();
        name.flat_map(|name| attributes(&[("workload", name)]))
            .collect()
    };
    let outcomes = workloads().flat_map(|w| {
        w.journeys.outcomes().map(|(outcome, count)| {
            let outcome = attributes(&[("outcome", outcome)]);
            ([workload(w), outcome].concat(), count)
        })
    });
    let in_flight = [(Vec::new(), figures.in_flight as f64)];
    let cpu = figures.cpu_pct.iter();
    vec![
        times.sum(
            "loadgen.requests",
            steps().map(|(n, s)| (step(n), s.requests)),
        ),
        times.sum(
            "loadgen.request_errors",
            steps().map(|(n, s)| (step(n), s.errors)),
        ),
        times.sum(
            "loadgen.requests_unanswered",
            steps().map(|(n, s)| (step(n), s.unanswered)),
        ),
        times.sum("loadgen.errors", errors),
        times.sum("loadgen.journeys", outcomes),
        times.sum(
            "loadgen.await_timeouts",
            states().map(|(n, s)| (state(n), s.0)),
        ),
        times.histogram(
            "loadgen.response_time",
            steps().map(|(n, s)| (step(n), &s.response_time)),
        ),
        times.histogram(
            "loadgen.service_time",
            steps().map(|(n, s)| (step(n), &s.service_time)),
        ),
        times.histogram(
            "loadgen.end_to_end",
            states().map(|(n, s)| (state(n), &s.1)),
        ),
        times.histogram(
            "loadgen.schedule_slip",
            workloads().map(|w| (workload(w), &w.slip)),
        ),
        times.histogram(
            "loadgen.workload_response_time",
            workloads()
                .filter(|w| w.name.is_some())
                .map(|w| (workload(w), &w.response_time)),
        ),
        times.gauge(
            "loadgen.journeys_in_flight",
            "{journey}",
            in_flight.into_iter(),
        ),
        times.gauge(
            "loadgen.target_backlog",
            "{entry}",
            groups().map(|(n, g)| (group(n), g.backlog as f64)),
        ),
        times.gauge(
            "loadgen.target_event_lag_p99",
            "s",
            groups().map(|(n, g)| (group(n), g.lag_p99_us / 1e6)),
        ),
        times.gauge(
            "loadgen.cpu",
            "1",
            cpu.map(|(name, pct)| (attributes(&[("of", name)]), pct / 100.0)),
        ),
    ]
}

impl PointTimes {
    fn number(self, attributes: Vec<KeyValue>, value: number_data_point::Value) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn sum(self, name: &str, rows: impl Iterator<Item = (Vec<KeyValue>, u64)>) -> Metric {
        let rows = rows.map(|(attributes, count)| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.number(attributes, number_data_point::Value::AsInt(count))
        });
        let data = Data::Sum(Sum {
            data_points: rows.collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        });
        metric(name, "1", data)
    }

    fn gauge(
        self,
        name: &str,
        unit: &str,
        rows: impl Iterator<Item = (Vec<KeyValue>, f64)>,
    ) -> Metric {
        let rows = rows.map(|(attributes, value)| {
            self.number(attributes, number_data_point::Value::AsDouble(value))
        });
        let data = Data::Gauge(Gauge {
            data_points: rows.collect(),
        });
        metric(name, unit, data)
    }

    fn histogram<'a>(
        self,
        name: &str,
        rows: impl Iterator<Item = (Vec<KeyValue>, &'a Histogram)>,
    ) -> Metric {
        let rows = rows.map(|(attributes, histogram)| HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            count: histogram.count(),
            sum: Some(histogram.sum_us / 1e6),
            bucket_counts: histogram.counts.to_vec(),
            explicit_bounds: Histogram::bounds_s().collect(),
            ..HistogramDataPoint::default()
        });
        let data = Data::Histogram(HistogramData {
            data_points: rows.collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        });
        metric(name, "s", data)
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}
