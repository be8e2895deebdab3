//! The binary `ordershop`: reads flags and environment, starts what they ask for, stops it cleanly.

use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ordershop::app::process::Process;
use ordershop::app::supervisor::Supervisor;
use ordershop::app::{App, AppError, health, roles};
use ordershop::config::{ProcessConfig, UpConfig};
use ordershop::grpc::address::ListenAddress;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

// A message is many small texts that live for a millisecond: glibc's allocator took a fifth of the process's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    Up(Up),
    /// Asks a process whether it is ready: exit code 0 when it is, 1 when not
    Health {
        /// http://host:port or unix:///path [default: where LISTEN says]
        url: Option<String>,
        /// Where the process listens that is asked
        #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
        listen: ListenAddress,
    },
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    config: UpConfig,
    /// Each service a process of its own, started again when it ends
    #[arg(long)]
    processes: bool,
    /// How many of a service, such as order-service=2; may be repeated
    #[arg(long, value_name = "SERVICE=COUNT", requires = "processes", value_parser = scale)]
    scale: Vec<(String, usize)>,
}

fn scale(text: &str) -> Result<(String, usize), String> {
    let allowed = || roles::SERVICES.map(|service| service.name).join(", ");
    let (name, count) = text.split_once('=').ok_or("it is written SERVICE=COUNT")?;
    if !roles::SERVICES.iter().any(|service| service.name == name) {
        return Err(format!(
            "{name:?} is no service that can be scaled; these can: {}",
            allowed()
        ));
    }
    match count.parse() {
        Ok(count @ 1..=64) => Ok((name.to_owned(), count)),
        _ => Err(format!("{count:?} is no count; it is 1 to 64")),
    }
}

fn main() -> ExitCode {
    let services = roles::names().map(|name| {
        let about = format!("Starts the {name} in a process of its own, over gRPC");
        ProcessConfig::augment_args(clap::Command::new(name).about(about))
    });
    let matches = Cli::command().subcommands(services).get_matches();
    let process = roles::names().find(|name| matches.subcommand_name() == Some(name));
    if let (Some(name), Some((_, matches))) = (process, matches.subcommand()) {
        let config = parsed(ProcessConfig::from_arg_matches(matches));
        return run(config.threads, process_of(name, config));
    }
    match parsed::<Cli>(from(&matches)).command {
        Command::Up(up) => run(up.config.threads, start(up)),
        Command::Health { url, listen } => run(1, ask(url, listen)),
    }
}

fn from(matches: &ArgMatches) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(matches)
}

fn parsed<T>(result: Result<T, clap::Error>) -> T {
    result.unwrap_or_else(|error| error.exit())
}

fn run(threads: u16, program: impl Future<Output = ExitCode> + Send + 'static) -> ExitCode {
    ordershop::telemetry::start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(threads))
        .enable_all()
        .build();
    match runtime {
        // On a worker thread, where everything else runs too.
        Ok(runtime) => {
            let ended = runtime
                .block_on(async { tokio::spawn(program).await.unwrap_or(ExitCode::FAILURE) });
            // A read of stdin that is still under way must not keep the process alive.
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            eprintln!("ordershop: can't start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refused(error: &AppError) -> ExitCode {
    eprintln!("ordershop: {error}");
    ExitCode::from(EXIT_BAD_INPUT)
}

async fn start(up: Up) -> ExitCode {
    let config = &up.config;
    tracing::info!(?config, version = env!("CARGO_PKG_VERSION"), "starting");
    if up.processes {
        let supervisor = match Supervisor::start(config, &up.scale).await {
            Ok(supervisor) => supervisor,
            Err(error) => return refused(&error),
        };
        let announced = async {
            let (url, health) = supervisor.ready().await;
            let of = |field: &str| {
                health["redis"][field]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            announce(&url, &of("server"), &of("version"), &of("durability"));
        };
        until_stopped(announced, false).await;
        supervisor.stop().await;
    } else {
        let app = match App::start(config).await {
            Ok(app) => app,
            Err(error) => return refused(&error),
        };
        let announced = async {
            let redis = app.ready().await;
            announce(&app.url(), &redis.server, &redis.version, &redis.durability);
        };
        until_stopped(announced, false).await;
        app.stop().await;
    }
    ExitCode::SUCCESS
}

fn announce(url: &str, server: &str, version: &str, durability: &str) {
    println!("OrderShop is ready: {url} ({server} {version}, durability {durability})");
}

async fn process_of(name: &'static str, config: ProcessConfig) -> ExitCode {
    tracing::info!(
        ?config,
        version = env!("CARGO_PKG_VERSION"),
        "starting {name}"
    );
    let process = match Process::start(name, &config).await {
        Ok(process) => process,
        Err(error) => return refused(&error),
    };
    let announced = async {
        process.ready().await;
        match process.url() {
            Some(url) => println!("OrderShop {name} is ready: {url}"),
            None => println!("OrderShop {name} is ready"),
        }
    };
    until_stopped(announced, config.supervised).await;
    process.stop().await;
    ExitCode::SUCCESS
}

/// Announces, then waits for SIGINT, SIGTERM or, where supervised, the end of stdin.
async fn until_stopped(announced: impl Future<Output = ()>, supervised: bool) {
    let stopped = async {
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let abandoned = async {
            if !supervised {
                std::future::pending::<()>().await;
            }
            let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = abandoned => {}
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::pin!(stopped);
    let stopped = tokio::select! {
        stopped = &mut stopped => stopped,
        () = announced => stopped.await,
    };
    if let Err(error) = stopped {
        eprintln!("ordershop: can't listen for signals: {error}");
    }
}

async fn ask(url: Option<String>, listen: ListenAddress) -> ExitCode {
    let url = url.unwrap_or_else(|| match &listen {
        ListenAddress::Tcp(address) => format!("http://{address}"),
        unix @ ListenAddress::Unix(_) => unix.to_string(),
    });
    match health::ask(&url).await {
        Ok(answer) => {
            println!("{}", answer.body);
            if answer.ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("ordershop: {error}");
            ExitCode::FAILURE
        }
    }
}
