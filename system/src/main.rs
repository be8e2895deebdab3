//! The binary `ordershop`: reads flags and environment, starts what they ask for, stops it cleanly.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ordershop::app::App;
use ordershop::config::UpConfig;
use tokio::signal::unix::{SignalKind, signal};

/// Bad input: flags, addresses, a taken port.
const EXIT_BAD_INPUT: u8 = 2;

#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the whole system in this process, with a Redis of its own unless one is named
    Up(UpConfig),
}

fn main() -> ExitCode {
    let Command::Up(config) = Cli::parse().command;
    ordershop::telemetry::start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(config.threads))
        .enable_all()
        .build();
    match runtime {
        // On a worker thread, where everything else runs too.
        Ok(runtime) => {
            runtime.block_on(async { tokio::spawn(up(config)).await.unwrap_or(ExitCode::FAILURE) })
        }
        Err(error) => {
            eprintln!("ordershop: can't start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn up(config: UpConfig) -> ExitCode {
    tracing::info!(?config, version = env!("CARGO_PKG_VERSION"), "starting");
    let app = match App::start(&config).await {
        Ok(app) => app,
        Err(error) => {
            eprintln!("ordershop: {error}");
            return ExitCode::from(EXIT_BAD_INPUT);
        }
    };
    let stopped = async {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok::<(), std::io::Error>(())
    };
    let announced = async {
        let readiness = app.ready().await;
        println!(
            "OrderShop is ready: {} ({} {}, durability {})",
            app.url(),
            readiness.redis.server,
            readiness.redis.version,
            readiness.redis.durability,
        );
    };
    tokio::pin!(stopped);
    let stopped = tokio::select! {
        stopped = &mut stopped => stopped,
        () = announced => stopped.await,
    };
    if let Err(error) = stopped {
        eprintln!("ordershop: can't listen for signals: {error}");
    }
    app.stop().await;
    ExitCode::SUCCESS
}
