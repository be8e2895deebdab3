//! `ordershop up --processes`: runs each service as its own process, and restarts one that ends. Must not know what the processes do.
//! A child holds the reading end of a pipe that is never written to: when the supervisor ends, for any reason, the pipe closes and
//! the child stops.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::AppError;
use super::health;
use super::redis_choice::RedisChoice;
use super::roles::{self, Part, ROLES, Role};
use super::running::Process;
use super::tcp_listener::listen;
use crate::config::UpConfig;
use crate::terminal;
use ordershop_contract::backoff::Backoff;
use ordershop_redis::guard::RedisGuard;
use ordershop_redis::supervision::SupervisedRedis;

/// A child that ran this long started successfully: the pause before its next restart is short again.
const STEADY_MS: u64 = 5_000;
/// A child that doesn't end within this is killed. Longer than the child's own drains, of which there are several.
const STOP_MS_MAX: u64 = 20_000;
/// A child's longer line is written as several lines.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Interval between readiness checks while the system starts.
const READY_POLL_MS: u64 = 50;

/// The running processes.
pub struct Supervisor {
    /// Lower layers first.
    layers: Vec<Vec<Watched>>,
    url: String,
    redis: Option<(SupervisedRedis, RedisGuard)>,
    redis_watch: Process,
    _sockets: TempDir,
}

/// A supervised child.
struct Watched {
    stop: CancellationToken,
    watch: tokio::task::JoinHandle<()>,
}

impl Supervisor {
    /// Starts Redis (unless one is named) and every process; `scale` gives the services with more than one process.
    ///
    /// # Errors
    /// The gateway's port is taken, Redis doesn't start or can't be used, or the sockets' folder can't be created.
    pub async fn start(config: &UpConfig, scale: &[(String, usize)]) -> Result<Self, AppError> {
        // If the port is taken, nothing is started. The port is held until the gateway's process can bind it.
        let (listener, address) = listen(config.listen).await?;
        let sockets = tempfile::Builder::new()
            .prefix("ordershop-")
            .tempdir()
            .map_err(AppError::Processes)?;
        let program = std::env::current_exe().map_err(AppError::Processes)?;
        let (server, choice) = RedisChoice::of(config).await?;
        // Whether Redis can be used is said here once, not by each process.
        let mut redis_watch = Process::default();
        redis_watch.redis(&choice).await?;
        let redis = server
            .map(|server| {
                let guard = RedisGuard::start(&program, &server)?;
                Ok((server, guard))
            })
            .transpose()
            .map_err(AppError::Processes)?;
        drop(listener);
        let socket = |name: &str| format!("unix://{}", sockets.path().join(name).display());
        let start = |role: &Role, instance: usize| {
            let mut arguments = vec![role.name.to_owned(), "--supervised".to_owned()];
            let mut flag = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
            flag("--threads", config.threads.to_string());
            flag("--event-store-url", socket(roles::EVENT_STORE));
            flag("--message-queue-url", socket(roles::MESSAGE_QUEUE));
            flag(
                "--body-bytes-max",
                config.gateway.body_bytes_max.to_string(),
            );
            for host in &config.gateway.allowed_host {
                flag("--allowed-host", host.to_string());
            }
            for origin in &config.gateway.allowed_origin {
                flag("--allowed-origin", origin.to_string());
            }
            let read_model = &config.read_model;
            flag(
                "--projection-linger-ms",
                read_model.projection_linger_ms.to_string(),
            );
            flag(
                "--burn-us-per-event",
                read_model.burn_us_per_event.to_string(),
            );
            flag("--mail-linger-ms", config.crm.mail_linger_ms.to_string());
            for (service, count) in scale {
                flag("--scale", format!("{service}={count}"));
            }
            match role.part {
                Part::ApiGateway => flag("--listen", address.to_string()),
                Part::EventStore | Part::MessageQueue => flag("--listen", socket(role.name)),
                _ => flag("--listen", socket(&format!("{}.{instance}", role.name))),
            }
            if let Some(durability) = config.durability.filter(|_| redis.is_none()) {
                flag("--durability", durability.name().to_owned());
            }
            let partitions = config.partitions.partitions;
            flag("--partitions", partitions.to_string());
            let replicas = &config.replicas;
            flag("--replicas-ack", replicas.replicas_ack.to_string());
            flag(
                "--replicas-ack-timeout-ms",
                replicas.replicas_ack_timeout_ms.to_string(),
            );
            let environment = environment(&choice);
            Watched::start(program.clone(), role.name, instance, arguments, environment)
        };
        let count = |role: &Role| {
            let asked = scale.iter().rev().find(|(of, _)| of == role.name);
            asked.map_or(1, |(_, count)| *count)
        };
        let start_all = |role| (1..=count(role)).map(move |instance| start(role, instance));
        let layers = ROLES.chunk_by(|one, next| one.part.layer() == next.part.layer());
        let layers = layers.map(|roles| roles.iter().flat_map(&start_all).collect());
        let layers = layers.collect();
        Ok(Self {
            layers,
            url: format!("http://{address}"),
            redis,
            redis_watch,
            _sockets: sockets,
        })
    }

    /// Waits until the gateway reports that the system is ready; returns the gateway's address and the answer of `/health`.
    pub async fn ready(&self) -> (String, serde_json::Value) {
        loop {
            if let Ok(answer) = health::ask(&self.url).await
                && answer.ready
                && let Ok(body) = serde_json::from_str::<serde_json::Value>(&answer.body)
                // The gateway learns the Redis version from the event store's process, maybe after everything else is ready.
                && body["redis"]["version"].as_str().is_some_and(|v| !v.is_empty())
            {
                return (self.url.clone(), body);
            }
            tokio::time::sleep(Duration::from_millis(READY_POLL_MS)).await;
        }
    }

    /// Waits for a Redis that comes late and can't carry the shop; for ever, if it can. May be called once.
    pub fn refused(&mut self) -> impl Future<Output = AppError> + use<> {
        self.redis_watch.refused()
    }

    /// Stops the processes, those that send work to others first; then Redis.
    pub async fn stop(self) {
        self.redis_watch.stop.cancel();
        for layer in self.layers.into_iter().rev() {
            let mut stopping = JoinSet::new();
            for watched in layer {
                watched.stop.cancel();
                stopping.spawn(watched.watch);
            }
            stopping.join_all().await;
        }
        if let Some((redis, _guard)) = self.redis {
            redis.stop().await;
        }
        tracing::info!("stopped");
    }
}

impl Watched {
    fn start(
        program: PathBuf,
        name: &'static str,
        instance: usize,
        arguments: Vec<String>,
        environment: Environment,
    ) -> Self {
        let stop = CancellationToken::new();
        let label = if instance == 1 {
            name.to_owned()
        } else {
            format!("{name}.{instance}")
        };
        let watch = tokio::spawn(watch(program, label, arguments, environment, stop.clone()));
        Self { stop, watch }
    }
}

/// What a child is told by its environment, which no list of processes shows.
type Environment = Vec<(&'static str, OsString)>;

fn environment(choice: &RedisChoice) -> Environment {
    let tls = &choice.tls;
    let files = [
        ("REDIS_CA", &tls.ca),
        ("REDIS_CERT", &tls.cert),
        ("REDIS_KEY", &tls.key),
    ];
    let files = files
        .into_iter()
        .filter_map(|(name, file)| Some((name, file.clone()?.into_os_string())));
    let url = ("REDIS_URL", choice.url.reveal().into());
    std::iter::once(url).chain(files).collect()
}

async fn watch(
    program: PathBuf,
    label: String,
    arguments: Vec<String>,
    environment: Environment,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let how = match spawn(&program, &arguments, &environment, &label) {
            Err(error) => format!("could not be started: {error}"),
            Ok(mut child) => {
                // Held here: `wait` would close the child's stdin, and so stop the child.
                let stdin = child.stdin.take();
                tokio::select! {
                    ended = child.wait() => ended.map_or_else(|e| e.to_string(), |status| status.to_string()),
                    () = stop.cancelled() => {
                        drop(stdin);
                        return end(child, &label).await;
                    }
                }
            }
        };
        if began.elapsed() > Duration::from_millis(STEADY_MS) {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        tracing::warn!(
            process = label,
            ran_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "ended ({how}); it is started again in {} ms",
            wait.as_millis()
        );
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

fn spawn(
    program: &Path,
    arguments: &[String],
    environment: &Environment,
    label: &str,
) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments);
    // The supervisor passes its own settings on, secrets by the environment and all others as flags; the private sockets need neither certificate nor token.
    for name in [
        "LISTEN",
        "DURABILITY",
        "GRPC_TOKEN",
        "TLS_CERT",
        "TLS_KEY",
        "TLS_CA",
        "INSECURE",
        "REDIS_CA",
        "REDIS_CERT",
        "REDIS_KEY",
    ] {
        command.env_remove(name);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal signals the whole foreground group; the supervisor stops its children in order instead.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    tracing::info!(process = label, pid = child.id(), "started");
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(prefix(stdout, label.to_owned()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(prefix(stderr, label.to_owned()));
    }
    Ok(child)
}

/// Waits for a child whose stdin was closed, which tells it to stop.
async fn end(mut child: Child, label: &str) {
    let limit = Duration::from_millis(STOP_MS_MAX);
    if tokio::time::timeout(limit, child.wait()).await.is_err() {
        tracing::warn!(
            process = label,
            "did not stop within {STOP_MS_MAX} ms; killing it"
        );
        let _ = child.kill().await;
    }
}

/// Writes a child's lines to our own stderr, each with the child's name.
async fn prefix(from: impl AsyncRead + Unpin, label: String) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        // Output that is not UTF-8 or has no line end must not stop the reading: a child that can't write blocks.
        let mut bounded = (&mut from).take(LINE_BYTES_MAX);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
                terminal::relay(&format!("{label:>17}"), &text);
            }
        }
    }
}
