//! The arguments that say how a run's progress is shown, in the terminal and to monitoring systems.

use clap::{Args, ValueEnum};
use loadgen::live::{JsonLines, Lines, Screen, can_be_shown};
use loadgen::metrics_listen::MetricsListener;
use loadgen::run::RunObservers;
use loadgen::terminal;
use tokio::sync::mpsc;

use crate::ending::Failure;

#[derive(Args)]
pub struct WatchArguments {
    /// Show progress as a full screen (tui), plain lines on standard error, JSON lines on standard output, or not at all; auto is tui
    /// in a terminal, else plain
    #[arg(long, value_enum, default_value_t = Progress::Auto, value_name = "HOW")]
    progress: Progress,
    /// Serve the figures to Prometheus at http://ADDR/metrics during the run [example: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// Send the figures of each second, and sampled journeys as traces, to an OpenTelemetry collector over gRPC [example: http://127.0.0.1:4317]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    Auto,
    Tui,
    Plain,
    Json,
    None,
}

impl WatchArguments {
    /// Whether standard output is JSON lines.
    pub fn is_json(&self) -> bool {
        self.progress == Progress::Json
    }

    /// The listeners that were asked for.
    pub fn observers(&self) -> Result<RunObservers, Failure> {
        let mut observers = RunObservers::default();
        let progress = match self.progress {
            Progress::Auto if can_be_shown() => Progress::Tui,
            Progress::Auto => Progress::Plain,
            Progress::Tui if !can_be_shown() => {
                return Err(Failure::bad_input(
                    "--progress tui: standard input and standard error must be a terminal, in the foreground, whose TERM is set and not `dumb`; otherwise use --progress plain or json",
                ));
            }
            asked => asked,
        };
        match progress {
            Progress::Tui => {
                let (wish, wishes) = mpsc::unbounded_channel();
                observers.listeners.push(Box::new(Screen::new(wish)));
                observers.wishes = Some(wishes);
            }
            Progress::Plain => observers.listeners.push(Box::new(Lines::default())),
            Progress::Json => observers.listeners.push(Box::new(JsonLines::default())),
            Progress::Auto | Progress::None => {}
        }
        if let Some(address) = &self.metrics_listen {
            let listener = MetricsListener::bind(address).map_err(Failure::bad_input)?;
            terminal::note(&format!("metrics: {}", listener.url()));
            observers.listeners.push(Box::new(listener));
        }
        if let Some(endpoint) = &self.otlp_endpoint {
            export(endpoint, &mut observers)?;
        }
        Ok(observers)
    }
}

#[cfg(feature = "otlp")]
fn export(endpoint: &str, observers: &mut RunObservers) -> Result<(), Failure> {
    let exporter = loadgen::otlp::Exporter::start(endpoint).map_err(Failure::bad_input)?;
    observers.listeners.push(Box::new(exporter));
    Ok(())
}

#[cfg(not(feature = "otlp"))]
fn export(_: &str, _: &mut RunObservers) -> Result<(), Failure> {
    Err(Failure::bad_input(
        "--otlp-endpoint: this loadgen was built without OpenTelemetry; build it with `cargo build --release -p loadgen --features otlp`",
    ))
}
