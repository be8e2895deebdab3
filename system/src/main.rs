//! The binary `ordershop`: reads flags and environment, starts the requested command, stops it cleanly.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ordershop::app::archive::{self, ArchiveConfig, ArchiveError};
use ordershop::app::backup::{self, BackupConfig};
use ordershop::app::dead_letters::{self, DeadLettersConfig};
use ordershop::app::restore::{self, RestoreConfig};
use ordershop::app::roles::{Part, ROLES, Role};
use ordershop::app::stop_request::StopRequest;
use ordershop::app::supervisor::Supervisor;
use ordershop::app::{App, AppError, health};
use ordershop::build::VERSION;
use ordershop::config::{ProcessConfig, UpConfig};
use ordershop::terminal::{self, note, say};
use ordershop_contract::failpoint;
use ordershop_grpc::address::ListenAddress;
use ordershop_redis::guard::{self as redis_guard, RedisGuard};

// A message makes many small, short-lived allocations: glibc's allocator took a fifth of the process's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for bad input: flags, addresses, a port in use.
const EXIT_BAD_INPUT: u8 = 2;

/// The last part of every `--help`.
const AFTER_HELP: &str = "\
Exit codes:
  0  stopped on request; health: the process is ready
  1  failed; standard output can't be written; health: the process is not ready, or did not
     answer
  2  bad input: an option, an address, a certificate, a port in use, a Redis that
     can't be used

Environment variables:
  LISTEN, REDIS_URL, REDIS_CA, REDIS_CERT, REDIS_KEY, DATA_DIR, DURABILITY, REPLICAS_ACK,
  REPLICAS_ACK_TIMEOUT_MS, THREADS, BODY_BYTES_MAX, ALLOWED_HOST, ALLOWED_ORIGIN,
  EVENT_STORE_URL, MESSAGE_QUEUE_URL, GRPC_TOKEN, TLS_CERT, TLS_KEY, TLS_CA, INSECURE
            Set the options that show them as [env: ...]; an option overrides its variable
  RUST_LOG  Log to stderr at this level or by these filters [default: info]";

#[derive(Parser)]
#[command(version = VERSION, about, long_about = None, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Run the whole system in this process, with a private Redis unless one is named
    #[command(after_help = AFTER_HELP)]
    Up(Up),
    /// Ask a process whether it is ready
    #[command(after_help = AFTER_HELP)]
    Health(Asked),
    /// List, show, resend or drop messages and events that could not be handled
    #[command(after_help = AFTER_HELP)]
    DeadLetters(DeadLettersConfig),
    /// Move the events of finished orders out of a running shop into a file
    #[command(after_help = AFTER_HELP)]
    Archive(ArchiveConfig),
    /// Write a whole shop into a file while it runs
    #[command(after_help = AFTER_HELP)]
    Backup(BackupConfig),
    /// Put an archive back into its shop, or into an empty Redis, or a backup into an empty Redis, while no shop runs there
    #[command(after_help = AFTER_HELP)]
    Restore(RestoreConfig),
    /// Print the completion script of a shell [example: ordershop completions bash > ~/.local/share/bash-completion/completions/ordershop]
    #[command(after_help = AFTER_HELP)]
    Completions {
        /// Complete in this shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages of the program and of its commands
    #[command(after_help = AFTER_HELP)]
    Man {
        /// Write them to this folder, such as ~/.local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Stop a Redis when stdin is closed
    #[command(name = redis_guard::COMMAND, hide = true)]
    RedisGuard {
        /// Stop the Redis at this address, redis+unix:///path
        url: String,
        /// Stop it if it runs as this process; each line of stdin names the next one
        pid: u32,
    },
}

#[derive(Args)]
struct Asked {
    /// Ask the process at this address: http://host:port, https://host:port or unix:///path [default: that of --listen, over https if TLS_CERT is set]
    url: Option<String>,
    /// Ask the process that listens on this address
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    listen: ListenAddress,
    /// Trust certificates that this authority signed, a PEM file; https:// needs it
    #[arg(long, env = "TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// Ask over https, because the process serves TLS with this certificate
    #[arg(long, env = "TLS_CERT", hide = true)]
    tls_cert: Option<PathBuf>,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    config: UpConfig,
    /// Run each service as its own process, and restart one that ends
    #[arg(long)]
    processes: bool,
    /// Run this many processes of a service, such as order-service=2; may be repeated
    #[arg(long, value_name = "SERVICE=COUNT", requires = "processes", value_parser = scale)]
    scale: Vec<(String, usize)>,
}

fn scale(text: &str) -> Result<(String, usize), String> {
    let services = ROLES.iter();
    let services = services.filter(|role| matches!(role.part, Part::Service(_) | Part::Crm));
    let services: Vec<&str> = services.map(|role| role.name).collect();
    let (name, count) = text.split_once('=').ok_or("write it as SERVICE=COUNT")?;
    if !services.contains(&name) {
        return Err(format!(
            "{name:?} is not a service that can be scaled; use one of {}",
            services.join(", ")
        ));
    }
    match count.parse() {
        Ok(count @ 1..=64) => Ok((name.to_owned(), count)),
        _ => Err(format!("{count:?} is not a count from 1 to 64")),
    }
}

fn main() -> ExitCode {
    failpoint::arm();
    let matches = without_empty_variables(command_line()).try_get_matches();
    let code = matches.and_then(|matches| carry_out(&matches));
    let code = code.unwrap_or_else(|error| ExitCode::from(terminal::told(&error)));
    match terminal::lost() {
        Some(lost) if code == ExitCode::SUCCESS => {
            terminal::note(format!(
                "ordershop: standard output can't be written: {lost}"
            ));
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn carry_out(matches: &ArgMatches) -> Result<ExitCode, clap::Error> {
    if let Some((name, matches)) = matches.subcommand()
        && let Some(role) = ROLES.iter().find(|role| role.name == name)
    {
        let config = ProcessConfig::from_arg_matches(matches)?;
        return Ok(run(config.threads, exit_code(start_role(role, config))));
    }
    Ok(match Cli::from_arg_matches(matches)?.command {
        Subcommands::Up(up) => run(up.config.threads, exit_code(start(up))),
        Subcommands::Health(asked) => run(1, ask(asked)),
        Subcommands::DeadLetters(config) => run(1, look_after_dead_letters(config)),
        Subcommands::Archive(config) => run(1, until_stopped(archive::run(config))),
        Subcommands::Backup(config) => run(1, until_stopped(backup::run(config))),
        Subcommands::Restore(config) => run(1, until_stopped(restore::run(config))),
        Subcommands::Completions { shell } => print_completions(shell),
        Subcommands::Man { folder } => write_man_pages(&folder),
        Subcommands::RedisGuard { url, pid } => run(1, end_abandoned_redis(url, pid)),
    })
}

/// The command, for which a variable that is set to nothing is not set: `NAME=${NAME:-}` in a compose file or unit must not end the program.
/// Not for the token: nothing in the place of a secret is more likely a mistake than a wish.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let read = |arg: Arg| {
        let empty = arg.get_env().is_some_and(|name| {
            name != "GRPC_TOKEN" && std::env::var_os(name).is_some_and(|value| value.is_empty())
        });
        match empty {
            true => arg.env(Resettable::Reset),
            false => arg,
        }
    };
    command
        .mut_args(read)
        .mut_subcommands(without_empty_variables)
}

/// The commands of `Cli`, and one for each role.
fn command_line() -> clap::Command {
    let roles = ROLES.iter().map(|role| {
        let command = ProcessConfig::augment_args(clap::Command::new(role.name));
        command.about(role.about).after_help(AFTER_HELP)
    });
    Cli::command().subcommands(roles)
}

fn print_completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "ordershop", &mut script);
    terminal::print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

fn write_man_pages(folder: &Path) -> ExitCode {
    let written = std::fs::create_dir_all(folder);
    match written.and_then(|()| clap_mangen::generate_to(command_line(), folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            note(format!(
                "ordershop: man pages can't be written to {}: {e}",
                folder.display()
            ));
            ExitCode::from(EXIT_BAD_INPUT)
        }
    }
}

async fn exit_code(program: impl Future<Output = Result<(), ExitCode>>) -> ExitCode {
    program.await.err().unwrap_or(ExitCode::SUCCESS)
}

fn run(threads: u16, program: impl Future<Output = ExitCode> + Send + 'static) -> ExitCode {
    ordershop::telemetry::start_log();
    ordershop::open_files::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(threads))
        .enable_all()
        .build();
    match runtime {
        // Spawned, so that it runs on a worker thread like everything else.
        Ok(runtime) => {
            let ended = runtime
                .block_on(async { tokio::spawn(program).await.unwrap_or(ExitCode::FAILURE) });
            // A pending read of stdin must not keep the process alive.
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            note(format!("ordershop: can't start the threads: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What was started, or the exit code if it failed or was stopped before.
fn started<T>(started: Option<Result<T, AppError>>) -> Result<T, ExitCode> {
    match started {
        Some(Ok(running)) => Ok(running),
        Some(Err(error)) => Err(bad_input(&error)),
        None => Err(ExitCode::SUCCESS),
    }
}

fn bad_input(error: &AppError) -> ExitCode {
    note(format!("ordershop: {error}"));
    ExitCode::from(EXIT_BAD_INPUT)
}

/// Runs until it is done, or until Redis is found unfit.
async fn unless(
    refused: impl Future<Output = AppError>,
    running: impl Future<Output = ()>,
) -> Result<(), ExitCode> {
    tokio::select! {
        error = refused => Err(bad_input(&error)),
        () = running => Ok(()),
    }
}

async fn start(up: Up) -> Result<(), ExitCode> {
    let config = &up.config;
    tracing::info!(?config, version = VERSION, "starting");
    let mut stop = StopRequest::listen(false).map_err(|error| deaf(&error))?;
    if up.processes {
        // Dropping the future stops a Redis that is still starting.
        let mut supervisor = started(stop.or(Supervisor::start(config, &up.scale)).await)?;
        let refused = supervisor.refused();
        let running = async {
            if let Some((url, health)) = stop.or(supervisor.ready()).await {
                let of = |field: &str| health["redis"][field].as_str().unwrap_or_default();
                let acks = config.replicas.replicas_ack;
                announce(&url, of("server"), of("version"), of("durability"), acks);
                stop.asked().await;
            }
        };
        let ended = unless(refused, running).await;
        supervisor.stop().await;
        ended
    } else {
        let mut app = started(stop.or(App::start(config)).await)?;
        let refused = app.refused();
        let guard = app.redis().map(|redis| {
            let program = std::env::current_exe()?;
            RedisGuard::start(&program, redis)
        });
        if let Some(Err(error)) = &guard {
            tracing::warn!(%error, "can't start the guard of Redis: after a SIGKILL, Redis would keep running");
        }
        let running = async {
            let ready = async {
                app.ready().await;
                app.runs_on().await
            };
            if let (Some(url), Some(redis)) = (app.url(), stop.or(ready).await.flatten()) {
                let acks = config.replicas.replicas_ack;
                announce(url, &redis.server, &redis.version, &redis.durability, acks);
                stop.asked().await;
            }
        };
        let ended = unless(refused, running).await;
        tracing::info!("stopping: no new requests, finishing those in flight");
        app.stop().await;
        tracing::info!("stopped");
        ended
    }
}

fn announce(url: &str, server: &str, version: &str, durability: &str, replicas_ack: u32) {
    let replicas = match replicas_ack {
        0 => String::new(),
        acks => format!(", acknowledged by replicas: {acks}"),
    };
    say(&format!(
        "OrderShop is ready: {url} ({server} {version}, durability {durability}{replicas})"
    ));
}

async fn start_role(role: &'static Role, config: ProcessConfig) -> Result<(), ExitCode> {
    let name = role.name;
    tracing::info!(?config, version = VERSION, "starting {name}");
    let mut stop = StopRequest::listen(config.supervised).map_err(|error| deaf(&error))?;
    let mut app = started(stop.or(App::start_role(role, &config)).await)?;
    let refused = app.refused();
    let running = async {
        if stop.or(app.ready()).await.is_some() {
            match app.url() {
                Some(url) => say(&format!("OrderShop {name} is ready: {url}")),
                None => say(&format!("OrderShop {name} is ready")),
            }
            stop.asked().await;
        }
    };
    let ended = unless(refused, running).await;
    app.stop().await;
    ended
}

fn deaf(error: &std::io::Error) -> ExitCode {
    note(format!("ordershop: can't listen for signals: {error}"));
    ExitCode::FAILURE
}

async fn end_abandoned_redis(url: String, pid: u32) -> ExitCode {
    match redis_guard::guard(&url, pid).await {
        Ok(()) => ExitCode::SUCCESS,
        // Most likely Redis has ended already.
        Err(_) => ExitCode::FAILURE,
    }
}

async fn look_after_dead_letters(config: DeadLettersConfig) -> ExitCode {
    match dead_letters::run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format!("ordershop: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Archives, backs up or restores. Asked to stop, it ends where it is: what is half done then is gone on with by the next one.
async fn until_stopped(work: impl Future<Output = Result<(), ArchiveError>>) -> ExitCode {
    let mut stop = match StopRequest::listen(false) {
        Ok(stop) => stop,
        Err(error) => return deaf(&error),
    };
    match stop.or(work).await {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            note(format!("ordershop: {error}"));
            match error {
                ArchiveError::File(_) | ArchiveError::Address(_) | ArchiveError::Refused(_) => {
                    ExitCode::from(EXIT_BAD_INPUT)
                }
                _ => ExitCode::FAILURE,
            }
        }
        None => {
            note(
                "ordershop: stopped before it was done. No event is lost; run it again, and it goes on (an archive with another file)",
            );
            ExitCode::FAILURE
        }
    }
}

async fn ask(asked: Asked) -> ExitCode {
    let url = asked.url.unwrap_or_else(|| match &asked.listen {
        ListenAddress::Tcp(address) if asked.tls_cert.is_some() => format!("https://{address}"),
        ListenAddress::Tcp(address) => format!("http://{address}"),
        unix @ ListenAddress::Unix(_) => unix.to_string(),
    });
    match health::ask_trusting(&url, asked.tls_ca.as_deref()).await {
        Ok(answer) => {
            say(&answer.body);
            if answer.ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            note(format!("ordershop: {error}"));
            ExitCode::FAILURE
        }
    }
}
