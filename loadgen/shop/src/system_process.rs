//! The system under test as a child process: `ordershop up`, or another command, on a free port with a temporary data
//! folder. Knows only its command line and the line it prints when it is ready.

pub mod guard;
mod proxied_redis;

use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::order_shop::OrderShop;
use guard::SystemGuard;
use loadgen_engine::fault::{ProcessNames, Proxy, StartedSystem};
use proxied_redis::ProxiedRedis;

/// Time limit for becoming ready, the start of its Redis included.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for a graceful stop; after it the system is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const NAME: &str = "ordershop";

/// The system could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The program was not found.
    #[error(
        "the program `ordershop` was not found beside this one or on PATH; build it (cargo build --release), give its path (--system-bin), or give a running system (--target URL)"
    )]
    Missing,
    /// The command can't be parsed.
    #[error(
        "`{0}` is not a command: give a program and its arguments, as in `target/release/ordershop up`, with quotes closed"
    )]
    NoCommand(String),
    /// The command's program was not found.
    #[error(
        "`{command}`: there is no program `{program}`, neither as a file nor on PATH; give a command to run instead of `ordershop up`"
    )]
    NoProgram {
        /// The build command.
        command: String,
        /// Its first word.
        program: String,
    },
    /// The command could not be run.
    #[error("{command} could not be started: {error}")]
    Start {
        /// The build command.
        command: String,
        /// The cause.
        error: std::io::Error,
    },
    /// The Redis whose network this run disturbs could not be started.
    #[error("a Redis behind a proxy could not be started: {0}")]
    Redis(String),
    /// The system ended, or printed no ready line in time.
    #[error("{command} did not become ready ({problem}); its log is {log}")]
    NotReady {
        /// The build command.
        command: String,
        /// What happened instead.
        problem: String,
        /// Its log.
        log: PathBuf,
    },
}

/// The command that starts a system: a program and its arguments. The address, durability and data folder are appended at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl SystemCommand {
    /// `ordershop up`, with the given program (checked at the start), or with `ordershop` beside this program or on PATH.
    ///
    /// # Errors
    /// If no program is given and none is found.
    pub fn ordershop(given: Option<&Path>) -> Result<Self, SystemError> {
        let program = match given {
            Some(given) => given.to_owned(),
            None => find().ok_or(SystemError::Missing)?,
        };
        Ok(Self::new(&program, &["up"]))
    }

    /// This program with these arguments.
    pub fn new(program: &Path, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Parses a command as typed, with quotes, but without a shell. Its program must exist.
    ///
    /// # Errors
    /// If it is empty, a quote is open, or the program does not exist.
    pub fn parse(text: &str) -> Result<Self, SystemError> {
        let mut words = shlex::split(text).unwrap_or_default().into_iter();
        let Some(program) = words.next() else {
            return Err(SystemError::NoCommand(text.to_owned()));
        };
        if !is_there(Path::new(&program)) {
            return Err(SystemError::NoProgram {
                command: text.to_owned(),
                program,
            });
        }
        Ok(Self {
            program: program.into(),
            arguments: words.map(OsString::from).collect(),
        })
    }
}

impl fmt::Display for SystemCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        let mut arguments = self.arguments.iter();
        arguments.try_for_each(|a| write!(f, " {}", a.to_string_lossy()))
    }
}

/// The network between the system and its Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisNetwork {
    /// None: the system starts a Redis of its own and reaches it as it likes.
    Own,
    /// A TCP proxy of this program, before a Redis that this program starts.
    Proxied,
}

/// A running system; killed when dropped without a stop.
pub struct SystemProcess {
    launch: Launch,
    child: Mutex<Child>,
    id: AtomicU32,
    /// The URL it listens on.
    pub url: String,
}

/// How the system is started, the first time and again.
struct Launch {
    command: SystemCommand,
    durability: String,
    log: PathBuf,
    redis: Option<ProxiedRedis>,
    /// Dropped after the processes and before their folder.
    guard: Option<Arc<SystemGuard>>,
    /// Removed when dropped.
    data: TempDir,
}

/// The path of `ordershop`: beside this program, or on PATH.
fn find() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|me| Some(me.parent()?.join(NAME)));
    beside.filter(|p| p.is_file()).or_else(|| on_path(NAME))
}

fn is_there(program: &Path) -> bool {
    match program.to_str() {
        Some(name) if !name.contains(std::path::MAIN_SEPARATOR) => on_path(name).is_some(),
        _ => program.is_file(),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|p| p.is_file())
}

impl Launch {
    /// Starts the system at this address and waits until it is ready; returns it with its URL.
    async fn start(&self, listen: &str) -> Result<(Child, String), SystemError> {
        let fail = |error| SystemError::Start {
            command: self.command.to_string(),
            error,
        };
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.arguments).args([
            "--listen",
            listen,
            "--durability",
            &self.durability,
        ]);
        match &self.redis {
            Some(redis) => command.arg("--redis-url").arg(redis.url()),
            None => command.arg("--data-dir").arg(self.data.path()),
        };
        // Appended, because a system that is started again goes on in the same log.
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let mut child = command
            // A process group of its own: a terminal's Ctrl-C must reach only the generator, which stops the system after the drain.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_err(fail)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(fail)?;
        let id = child.id().unwrap_or_default();
        if let Some(guard) = &self.guard {
            guard.started(id);
        }
        let ended = || self.guard.iter().for_each(|guard| guard.ended(id));
        let not_ready = |problem: String| SystemError::NotReady {
            command: self.command.to_string(),
            problem,
            log: self.log.clone(),
        };
        let Some(stdout) = child.stdout.take() else {
            return Err(not_ready("no standard output".into()));
        };
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, url)) = line.split_once("ready: ") {
                    // More text may follow, for people.
                    return url.split_whitespace().next().map(str::to_owned);
                }
            }
            None
        };
        let url = match tokio::time::timeout(READY_TIMEOUT, ready).await {
            Ok(Some(url)) => url,
            Ok(None) => {
                let status = child
                    .wait()
                    .await
                    .map_or_else(|e| e.to_string(), |s| s.to_string());
                ended();
                return Err(not_ready(format!("it ended: {status}")));
            }
            Err(_) => {
                child.kill().await.ok();
                ended();
                return Err(not_ready(format!(
                    "no ready line within {} s",
                    READY_TIMEOUT.as_secs()
                )));
            }
        };
        // Further output must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((child, url))
    }
}

impl SystemProcess {
    /// Starts it and waits until it is ready; its log goes to `log`.
    ///
    /// # Errors
    /// It, or the Redis behind a proxy, can't be started or doesn't become ready.
    pub async fn start(
        command: &SystemCommand,
        durability: &str,
        log: &Path,
        network: RedisNetwork,
    ) -> Result<Arc<Self>, SystemError> {
        if !is_there(&command.program) {
            return Err(SystemError::Missing);
        }
        let data = tempfile::tempdir().map_err(|error| SystemError::Start {
            command: command.to_string(),
            error,
        })?;
        std::fs::remove_file(log).ok();
        let guard = match SystemGuard::start(data.path()) {
            Ok(guard) => Some(Arc::new(guard)),
            Err(error) => {
                tracing::warn!(%error, "the system's guard can't be started: after a SIGKILL, the system would keep running");
                None
            }
        };
        let redis = match network {
            RedisNetwork::Own => None,
            RedisNetwork::Proxied => {
                let started = ProxiedRedis::start(data.path(), durability, guard.clone()).await;
                Some(started.map_err(SystemError::Redis)?)
            }
        };
        let launch = Launch {
            command: command.clone(),
            durability: durability.to_owned(),
            log: log.to_owned(),
            redis,
            guard,
            data,
        };
        let (child, url) = launch.start("127.0.0.1:0").await?;
        Ok(Arc::new(Self {
            id: AtomicU32::new(child.id().unwrap_or_default()),
            launch,
            child: Mutex::new(child),
            url,
        }))
    }

    /// Asks the system to stop, waits, and kills it if it does not. Returns a warning if the end was unusual.
    pub async fn stop(&self) -> Option<String> {
        let mut child = self.child.lock().await;
        if let Some(id) = child.id() {
            // The standard library can only kill; a graceful stop needs the signal.
            Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await
                .ok();
        }
        let warning = match tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("the system ended with {status}")),
            Ok(Err(e)) => Some(format!("the system's end could not be waited for: {e}")),
            Err(_) => {
                child.kill().await.ok();
                Some(format!(
                    "the system did not stop within {} s and was killed",
                    STOP_TIMEOUT.as_secs()
                ))
            }
        };
        self.ended();
        warning
    }

    /// Tells the guard that the first process has ended.
    fn ended(&self) {
        let guard = self.launch.guard.iter();
        guard.for_each(|guard| guard.ended(self.process()));
    }
}

#[async_trait]
impl StartedSystem for SystemProcess {
    fn process(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    fn names(&self) -> &dyn ProcessNames {
        &OrderShop
    }

    async fn start_again(&self) -> Result<(), String> {
        let mut child = self.child.lock().await;
        child.wait().await.map_err(|e| e.to_string())?;
        self.ended();
        let address = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let started = self.launch.start(address.trim_end_matches('/')).await;
        let (started, _) = started.map_err(|e| e.to_string())?;
        self.id
            .store(started.id().unwrap_or_default(), Ordering::Relaxed);
        *child = started;
        Ok(())
    }

    fn network(&self) -> Option<&Proxy> {
        self.launch.redis.as_ref().map(ProxiedRedis::proxy)
    }
}
