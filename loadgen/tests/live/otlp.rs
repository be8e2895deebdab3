//! Tests `--otlp-endpoint`: what a collector receives.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::{Loadgen, SmallSystem, open, two_workloads};

/// A collector that forwards what it receives to the test.
struct Collector(Sender<ExportMetricsServiceRequest>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// The same for traces.
struct TraceCollector(Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for TraceCollector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Collectors at one address, and what they have received.
struct Collected {
    endpoint: String,
    figures: Receiver<ExportMetricsServiceRequest>,
    traces: Receiver<ExportTraceServiceRequest>,
    _runtime: tokio::runtime::Runtime,
}

impl Collected {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (tell, figures) = channel();
        let (trace, traces) = channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listener).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(MetricsServiceServer::new(Collector(tell)))
            .add_service(TraceServiceServer::new(TraceCollector(trace)));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self {
            endpoint,
            figures,
            traces,
            _runtime: runtime,
        }
    }
}

fn metric<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a Metric {
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    metrics.iter().find(|m| m.name == name).unwrap()
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn child<'a>(spans: &'a [Span], parent: &Span) -> &'a Span {
    let of = |s: &&Span| s.trace_id == parent.trace_id && s.parent_span_id == parent.span_id;
    spans.iter().find(of).unwrap()
}

/// `key=value`.
fn text(attribute: &KeyValue) -> String {
    let Some(any_value::Value::StringValue(value)) =
        attribute.value.as_ref().and_then(|v| v.value.as_ref())
    else {
        panic!("no text");
    };
    format!("{}={value}", attribute.key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_journey_that_fails_is_a_trace_with_an_error() {
    let collected = Collected::start();
    let system = SmallSystem::start();
    system
        .behaviour
        .failing
        .store(true, std::sync::atomic::Ordering::SeqCst);

    Loadgen::scenario(&open(20, "1s", ""))
        .target(&system)
        .arguments(&["--otlp-endpoint", &collected.endpoint])
        .run();

    let received: Vec<Span> = collected.traces.try_iter().flat_map(spans).collect();
    let root = received
        .iter()
        .find(|s| s.parent_span_id.is_empty())
        .unwrap();
    let status = root.status.as_ref().unwrap();
    assert_eq!(status.code, 2);
    assert!(status.message.contains("get thing"), "{}", status.message);
    assert_eq!(child(&received, root).name, "get thing");
}

#[test]
fn a_collector_receives_the_figures_each_second_and_at_last_all_of_them() {
    let collected = Collected::start();
    let system = SmallSystem::start();

    let ended = Loadgen::scenario(&open(100, "3s", ""))
        .target(&system)
        .arguments(&["--otlp-endpoint", &collected.endpoint])
        .run();

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let wait = Duration::from_secs(5);
    let mut received = vec![collected.figures.recv_timeout(wait).unwrap()];
    received.extend(collected.figures.try_iter());
    assert!(received.len() >= 3, "one a second: {}", received.len());
    let last = received.last().unwrap();
    let Some(Data::Histogram(times)) = &metric(last, "loadgen.response_time").data else {
        panic!("no histogram");
    };
    let point = &times.data_points[0];
    assert_eq!(point.count, 300);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), 300);
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    let Some(Data::Sum(requests)) = &metric(last, "loadgen.requests").data else {
        panic!("no sum");
    };
    assert_eq!(requests.data_points[0].value, Some(Value::AsInt(300)));

    let received: Vec<Span> = collected.traces.try_iter().flat_map(spans).collect();
    let roots: Vec<&Span> = received
        .iter()
        .filter(|s| s.parent_span_id.is_empty())
        .collect();
    // 50 of 100 journeys a second are sampled.
    assert!((120..=160).contains(&roots.len()), "{}", roots.len());
    for root in roots {
        assert_eq!((root.name.as_str(), root.trace_id.len()), ("get", 16));
        assert!(root.status.is_none());
        let request = child(&received, root);
        assert_eq!((request.name.as_str(), request.kind), ("get thing", 3));
        assert!(root.start_time_unix_nano <= request.start_time_unix_nano);
        assert!(request.end_time_unix_nano <= root.end_time_unix_nano);
        let parts = received
            .iter()
            .filter(|s| s.parent_span_id == request.span_id);
        let parts_ns: u64 = parts
            .map(|s| s.end_time_unix_nano - s.start_time_unix_nano)
            .sum();
        assert_eq!(
            parts_ns,
            request.end_time_unix_nano - request.start_time_unix_nano
        );
        // The target was told the same ids, so that its own spans are below the request's.
        let carried = format!("00-{}-{}-01", hex(&root.trace_id), hex(&request.span_id));
        assert!(system.traceparents().contains(&carried), "{carried}");
    }
}

#[test]
fn a_collector_receives_each_of_several_workloads_by_its_name() {
    let collected = Collected::start();
    let system = SmallSystem::start();

    let ended = Loadgen::scenario(&two_workloads("2s", "1s"))
        .target(&system)
        .arguments(&["--otlp-endpoint", &collected.endpoint])
        .run();

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let first = collected.figures.recv_timeout(Duration::from_secs(5));
    let received: Vec<_> = first
        .into_iter()
        .chain(collected.figures.try_iter())
        .collect();
    let last = received.last().unwrap();
    for name in ["loadgen.workload_response_time", "loadgen.schedule_slip"] {
        let Some(Data::Histogram(times)) = &metric(last, name).data else {
            panic!("no histogram");
        };
        let points = times.data_points.iter();
        let points: Vec<_> = points.map(|p| (text(&p.attributes[0]), p.count)).collect();
        assert_eq!(
            points,
            [("workload=fast".into(), 80), ("workload=slow".into(), 10)]
        );
    }
    let Some(Data::Sum(journeys)) = &metric(last, "loadgen.journeys").data else {
        panic!("no sum");
    };
    let completed = journeys.data_points.iter().find(|p| {
        let said: Vec<String> = p.attributes.iter().map(text).collect();
        said == ["workload=fast", "outcome=completed"]
    });
    assert_eq!(completed.unwrap().value, Some(Value::AsInt(80)));
}

#[test]
fn a_collector_that_is_away_costs_the_run_nothing_and_no_url_is_refused() {
    let system = SmallSystem::start();
    let away = Loadgen::scenario(&open(50, "2s", ""))
        .target(&system)
        .arguments(&["--otlp-endpoint", "http://127.0.0.1:1"])
        .run();
    assert_eq!(away.code, 0, "{}", away.stderr);
    assert!(
        away.stderr.contains("does not accept the figures"),
        "{}",
        away.stderr
    );

    let wrong = Loadgen::scenario(&open(50, "2s", ""))
        .target(&system)
        .arguments(&["--otlp-endpoint", "localhost"])
        .run();
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("as in http://127.0.0.1:4317"),
        "{}",
        wrong.stderr
    );
}
