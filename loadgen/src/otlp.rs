//! Sends a run's figures to an OpenTelemetry collector by gRPC, once a second: the same ones as for Prometheus,
//! cumulative, so that a failed export loses nothing. Uses a thread of its own, so that the run never waits for it.

mod message;

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tokio::sync::mpsc;
use tonic::transport::Endpoint;

use crate::metrics_listen::ExportedFigures;
use crate::run_event::{Listener, RunEvent};

/// Time limit of one export; a slower collector misses a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Room for one waiting request and the last one of all.
const ROOM: usize = 2;

/// The collector's URL can't be used, or exporting can't start.
#[derive(Debug, thiserror::Error)]
#[error(
    "--otlp-endpoint {endpoint}: {problem}; give the URL of a collector's gRPC port, as in http://127.0.0.1:4317"
)]
pub struct ExportError {
    endpoint: String,
    problem: String,
}

/// Sends the figures of one run.
pub struct Exporter {
    figures: ExportedFigures,
    started: SystemTime,
    requests: Option<mpsc::Sender<ExportMetricsServiceRequest>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Exporter {
    /// Starts exporting to this collector. It connects at the first export; failures are logged.
    ///
    /// # Errors
    /// If `endpoint` is not an http:// URL, or the thread can't be started.
    pub fn start(endpoint: &str) -> Result<Self, ExportError> {
        let failed = |problem: String| ExportError {
            endpoint: endpoint.to_owned(),
            problem,
        };
        let collector = Endpoint::from_shared(endpoint.to_owned())
            .map_err(|e| failed(e.to_string()))?
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT);
        if collector.uri().scheme_str() != Some("http") {
            return Err(failed("only http:// is supported".to_owned()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let (requests, asked) = mpsc::channel(ROOM);
        let thread = std::thread::Builder::new().name("otlp".into());
        let thread = thread
            .spawn(move || runtime.block_on(send(collector, asked)))
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            figures: ExportedFigures::default(),
            started: SystemTime::now(),
            requests: Some(requests),
            thread: Some(thread),
        })
    }
}

async fn send(collector: Endpoint, mut asked: mpsc::Receiver<ExportMetricsServiceRequest>) {
    let mut client = MetricsServiceClient::new(collector.connect_lazy());
    let mut lost = false;
    while let Some(request) = asked.recv().await {
        match client.export(request).await {
            Ok(_) => lost = false,
            // Logged once, not once a second.
            Err(e) if !lost => {
                lost = true;
                let problem = e.message();
                tracing::warn!("the collector does not accept the figures: {problem}");
            }
            Err(_) => {}
        }
    }
}

impl Listener for Exporter {
    fn event(&mut self, event: &RunEvent) {
        self.figures.event(event);
        if let RunEvent::Started { wall_clock, .. } = event {
            self.started = *wall_clock;
        }
        if matches!(event, RunEvent::Observed(_) | RunEvent::Finished { .. })
            && let Some(requests) = &self.requests
            && requests.capacity() == ROOM
        {
            // Skips a second while the one before is still waiting, so that there is always room for the last one of all.
            let request = message::request(&self.figures, self.started, SystemTime::now());
            requests.try_send(request).ok();
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let last = message::request(&self.figures, self.started, SystemTime::now());
        if let Some(requests) = self.requests.take() {
            requests.try_send(last).ok();
        }
        if let Some(thread) = self.thread.take() {
            // Bounded by the timeouts of the requests in progress.
            thread.join().ok();
        }
    }
}
