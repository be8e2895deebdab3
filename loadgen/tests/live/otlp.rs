//! Tests `--otlp-endpoint`: what a collector receives.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::{Loadgen, SmallSystem, open};

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

fn metric<'a>(request: &'a ExportMetricsServiceRequest, name: &str) -> &'a Metric {
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    metrics.iter().find(|m| m.name == name).unwrap()
}

#[test]
fn a_collector_receives_the_figures_each_second_and_at_last_all_of_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (tell, told) = channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
    let listener = runtime.block_on(listener).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = MetricsServiceServer::new(Collector(tell));
    let server = tonic::transport::Server::builder().add_service(service);
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let system = SmallSystem::start();

    let ended = Loadgen::scenario(&open(100, "3s", ""))
        .target(&system)
        .arguments(&["--otlp-endpoint", &endpoint])
        .run();

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let wait = Duration::from_secs(5);
    let mut received = vec![told.recv_timeout(wait).unwrap()];
    received.extend(told.try_iter());
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
