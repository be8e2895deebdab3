//! Sends a run's figures and its sampled journeys to an OpenTelemetry collector by gRPC, once a second. The figures are the same ones as for
//! Prometheus, cumulative, so that a failed export loses nothing; the journeys are traces, each sent once. Uses a thread of its own, so that the run never waits for it.

mod message;
mod trace_message;

use std::future::Future;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::metrics_listen::ExportedFigures;
use crate::run_event::{Listener, RunEvent};

/// Time limit of one export; a slower collector misses a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Room for one waiting request and the last one of all.
const ROOM: usize = 2;
/// Room for the traces of this many seconds; a slower collector loses some.
const TRACES_ROOM: usize = 30;

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
    traces: Option<mpsc::Sender<ExportTraceServiceRequest>>,
    /// Whether traces did not find room, which was said.
    lost_traces: bool,
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
        let (traces, traced) = mpsc::channel(TRACES_ROOM);
        let thread = std::thread::Builder::new().name("otlp".into());
        let thread = thread
            .spawn(move || runtime.block_on(send(collector, asked, traced)))
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            figures: ExportedFigures::default(),
            started: SystemTime::now(),
            requests: Some(requests),
            traces: Some(traces),
            lost_traces: false,
            thread: Some(thread),
        })
    }
}

async fn send(
    collector: Endpoint,
    figures: mpsc::Receiver<ExportMetricsServiceRequest>,
    traces: mpsc::Receiver<ExportTraceServiceRequest>,
) {
    let channel: Channel = collector.connect_lazy();
    let metrics = MetricsServiceClient::new(channel.clone());
    let spans = TraceServiceClient::new(channel);
    // A clone of a client is cheap: all share the connection.
    let figures = send_all("figures", figures, |request| {
        let mut client = metrics.clone();
        async move { client.export(request).await }
    });
    let traces = send_all("traces", traces, |request| {
        let mut client = spans.clone();
        async move { client.export(request).await }
    });
    tokio::join!(figures, traces);
}

/// Sends each request until their channel is closed.
async fn send_all<Request, Answer, Sent: Future<Output = Result<Response<Answer>, Status>>>(
    what: &str,
    mut asked: mpsc::Receiver<Request>,
    export: impl Fn(Request) -> Sent,
) {
    let mut lost = false;
    while let Some(request) = asked.recv().await {
        match export(request).await {
            Ok(_) => lost = false,
            // Logged once, not once a second.
            Err(e) if !lost => {
                lost = true;
                let problem = e.message();
                tracing::warn!("the collector does not accept the {what}: {problem}");
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
        if let (RunEvent::Interval(interval), Some(traces)) = (event, &self.traces)
            && !interval.traces.is_empty()
        {
            let request = trace_message::request(&self.figures.plan, &interval.traces);
            if traces.try_send(request).is_err() && !std::mem::replace(&mut self.lost_traces, true)
            {
                tracing::warn!("the collector is too slow: some traces are not sent");
            }
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
        // With it closed the thread ends as soon as what waits is sent.
        self.traces.take();
        if let Some(thread) = self.thread.take() {
            // Bounded by the timeouts of the requests in progress.
            thread.join().ok();
        }
    }
}
