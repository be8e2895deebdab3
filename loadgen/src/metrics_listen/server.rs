//! One thread that answers `GET /metrics` with the figures, as Prometheus text or OpenMetrics, and `/` with a hint to that path.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use metrics_exposition::Format;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::figures::{ExportedFigures, Histogram, WorkloadTotals};

/// Serves until the program ends.
pub fn spawn(listener: TcpListener, figures: Arc<Mutex<ExportedFigures>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut registry = Registry::with_prefix("loadgen");
    registry.register_collector(Box::new(FiguresCollector(figures)));
    let registry = Arc::new(registry);
    let thread = std::thread::Builder::new().name("metrics".into());
    thread.spawn(move || runtime.block_on(serve(listener, registry)))?;
    Ok(())
}

async fn serve(listener: TcpListener, registry: Arc<Registry>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return tracing::error!("can't serve the metrics: {e}"),
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely there are no free descriptors: try again later.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let registry = registry.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &registry);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new();
            // A client that closes the connection early is not an error.
            let served = connection.serve_connection(TokioIo::new(stream), service);
            served.await.ok();
        });
    }
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Response<Full<Bytes>> {
    let plain = |status, text: &'static str| {
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    };
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(header::ACCEPT);
            let format = Format::accepted(accept.and_then(|value| value.to_str().ok()));
            let Ok(text) = format.encode(&[registry]) else {
                return plain(StatusCode::INTERNAL_SERVER_ERROR, "encoding failed\n");
            };
            let mut response = Response::new(Full::from(text));
            let value = header::HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(header::CONTENT_TYPE, value);
            response
        }
        "/" => plain(StatusCode::OK, "the figures are at /metrics\n"),
        _ => plain(StatusCode::NOT_FOUND, "not found: see /metrics\n"),
    }
}

/// Encodes the current figures at each request.
#[derive(Debug)]
struct FiguresCollector(Arc<Mutex<ExportedFigures>>);

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for FiguresCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = Writer(encoder);
        writer.figures(&figures)
    }
}

struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn figures(&mut self, figures: &ExportedFigures) -> Result<(), fmt::Error> {
        let plan = &figures.plan;
        self.info(&plan.scenario, &plan.target)?;
        let steps = || plan.steps.iter().zip(&figures.steps);
        let step = |name: &str| vec![("step", name.to_owned())];
        self.counters(
            "requests",
            "Requests tried, without the warm-up's",
            steps().map(|(name, s)| (step(name), s.requests)),
        )?;
        self.counters(
            "request_errors",
            "Requests that failed, or whose answer was not as expected",
            steps().map(|(name, s)| (step(name), s.errors)),
        )?;
        self.counters(
            "requests_unanswered",
            "Requests without an answer: refused, timed out, connection lost",
            steps().map(|(name, s)| (step(name), s.unanswered)),
        )?;
        self.counters(
            "errors",
            "Errors of requests and of awaited states, by kind",
            figures.errors.iter().map(|((name, kind), count)| {
                let mut labels = step(name);
                labels.push(("kind", kind.clone()));
                (labels, *count)
            }),
        )?;
        self.histograms(
            "response_time",
            "Completed - intended start of requests answered as expected: what a customer waits",
            steps().map(|(name, s)| (step(name), &s.response_time)),
        )?;
        self.histograms(
            "service_time",
            "Completed - actual start of requests answered as expected",
            steps().map(|(name, s)| (step(name), &s.service_time)),
        )?;
        let states = || plan.awaits.iter().zip(&figures.awaits);
        let state = |name: &str| vec![("state", name.to_owned())];
        self.histograms(
            "end_to_end",
            "From the intended start until the state is visible",
            states().map(|(name, s)| (state(name), &s.1)),
        )?;
        self.counters(
            "await_timeouts",
            "States that were not seen in time",
            states().map(|(name, s)| (state(name), s.0)),
        )?;
        self.workloads(&figures.workloads)?;
        self.gauges(
            "journeys_in_flight",
            "Journeys in flight at the end of the last second",
            [(Vec::new(), figures.in_flight as f64)].into_iter(),
        )?;
        let groups = || figures.groups.iter();
        let group = |name: &str| vec![("group", name.to_owned())];
        self.gauges(
            "target_backlog",
            "Entries not yet handled, by consumer group of the target",
            groups().map(|(name, g)| (group(name), g.backlog as f64)),
        )?;
        self.gauges(
            "target_event_lag_p50_seconds",
            "Handled - published, by consumer group of the target, in the last second: the median",
            groups().map(|(name, g)| (group(name), g.lag_p50_us / 1e6)),
        )?;
        self.gauges(
            "target_event_lag_p99_seconds",
            "The same: the 99th percentile",
            groups().map(|(name, g)| (group(name), g.lag_p99_us / 1e6)),
        )?;
        self.gauges(
            "cpu_ratio",
            "Share of a core in the last second, of processes and of the drivers' threads",
            figures
                .cpu_pct
                .iter()
                .map(|(name, pct)| (vec![("of", name.clone())], pct / 100.0)),
        )
    }

    /// A row a workload, with its name where there are several.
    fn workloads(&mut self, workloads: &[WorkloadTotals]) -> Result<(), fmt::Error> {
        let labels = |w: &WorkloadTotals| -> Vec<(&'static str, String)> {
            let name = w.name.iter();
            name.map(|name| ("workload", name.clone())).collect()
        };
        self.histograms(
            "schedule_slip",
            "Actual - intended start of journeys: the generator's own lateness",
            workloads.iter().map(|w| (labels(w), &w.slip)),
        )?;
        let named = workloads.iter().filter(|w| w.name.is_some());
        self.histograms(
            "workload_response_time",
            "Response time by workload, where a scenario has several",
            named.map(|w| (labels(w), &w.response_time)),
        )?;
        self.counters(
            "journeys_started",
            "Journeys started, without the warm-up's",
            workloads.iter().map(|w| (labels(w), w.journeys.started)),
        )?;
        let outcomes = workloads.iter().flat_map(|w| {
            w.journeys.outcomes().map(|(outcome, count)| {
                let mut labels = labels(w);
                labels.push(("outcome", outcome.to_owned()));
                (labels, count)
            })
        });
        self.counters(
            "journeys",
            "Journeys by how they ended; dropped and unsent ones never began",
            outcomes,
        )
    }

    fn info(&mut self, scenario: &str, target: &str) -> Result<(), fmt::Error> {
        let help = "What is driven";
        let mut encoder = self
            .0
            .encode_descriptor("run", help, None, MetricType::Info)?;
        let labels: Labels<'_> = vec![("scenario", scenario), ("target", target)];
        encoder.encode_info(&labels.as_slice())
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (Vec<(&'static str, String)>, u64)>,
    ) -> Result<(), fmt::Error> {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in rows {
            let labels = labels.as_slice();
            match labels.is_empty() {
                true => encoder.encode_counter::<NoLabelSet, _, u64>(&count, None)?,
                false => encoder
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?,
            }
        }
        Ok(())
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (Vec<(&'static str, String)>, f64)>,
    ) -> Result<(), fmt::Error> {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            let labels = labels.as_slice();
            match labels.is_empty() {
                true => encoder.encode_gauge(&value)?,
                false => encoder.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (Vec<(&'static str, String)>, &'a Histogram)>,
    ) -> Result<(), fmt::Error> {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, histogram) in rows {
            let bounds = Histogram::bounds_s().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(histogram.counts).collect();
            let (sum, count) = (histogram.sum_us / 1e6, histogram.count());
            let labels = labels.as_slice();
            match labels.is_empty() {
                true => encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?,
                false => encoder
                    .encode_family(&labels)?
                    .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?,
            }
        }
        Ok(())
    }
}
