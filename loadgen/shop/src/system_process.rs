//! The system under test as a child process: `ordershop up`, or another command, on a free port with a temporary data
//! folder and an environment made for it. Knows only its command line and the line it prints when it is ready.

mod command;
mod environment;
mod error;
pub mod guard;
mod log_end;
mod plan;
mod product;
mod proxied_redis;
mod redis_server;
mod running_cluster;
mod running_redis;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
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
use command::is_there;
use guard::{STOP_TIMEOUT, SystemGuard};
use loadgen_engine::fault::{ProcessNames, Proxy, StartedSystem};
use loadgen_report::Environment;
use proxied_redis::ProxiedRedis;
use running_redis::RunningRedis;

pub use command::SystemCommand;
pub use error::SystemError;
pub use plan::{PROCESSES, SystemPlan};
pub use product::Product;
pub use redis_server::RedisServer;

/// Time limit for becoming ready, the start of its Redis included.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// The variable by which the system is given an address that may hold a password: lists of processes show arguments.
const REDIS_URL: &str = "REDIS_URL";

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
    plan: SystemPlan,
    log: PathBuf,
    /// Dropped after the processes and before their folder.
    guard: Option<Arc<SystemGuard>>,
    /// Removed when dropped.
    data: TempDir,
    /// A folder in which `redis-server` leads to the program that was asked for; removed when dropped.
    programs: Option<TempDir>,
    proxied: Option<ProxiedRedis>,
    running: Option<RunningRedis>,
}

impl Launch {
    /// The variables of the system's environment, all of them.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut made = environment::made(self.programs.as_ref().map(TempDir::path));
        if let RedisServer::Running { url, .. } = &self.plan.redis {
            made.push((REDIS_URL.into(), url.into()));
        }
        made
    }

    /// Tells the guard that this process, the system's first, has ended.
    fn ended(&self, id: u32) {
        self.guard.iter().for_each(|guard| guard.ended(id));
    }

    /// Starts the system at this address and waits until it is ready; returns it with its URL.
    async fn start(&self, listen: &str) -> Result<(Child, String), SystemError> {
        let fail = |error| SystemError::Start {
            command: self.plan.command.to_string(),
            error,
        };
        let mut command = self.plan.command.to_command();
        command.env_clear().envs(self.environment());
        command.args(self.plan.option_arguments());
        command.args(["--listen", listen]);
        if let Some(durability) = self.plan.durability_argument() {
            command.args(["--durability", &durability]);
        }
        match (&self.proxied, &self.running) {
            (Some(proxied), _) => command.arg("--redis-url").arg(proxied.url()),
            (None, Some(_)) => &mut command,
            (None, None) => command.arg("--data-dir").arg(self.data.path()),
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
        let not_ready = |problem: String| SystemError::NotReady {
            command: self.plan.command.to_string(),
            problem,
            log_end: log_end::said(&self.log),
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
                self.ended(id);
                return Err(not_ready(format!("it ended: {status}")));
            }
            Err(_) => {
                child.kill().await.ok();
                self.ended(id);
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
    /// Starts it and waits until it is ready; its log goes to `log`. A running Redis is emptied first if the plan allows it.
    ///
    /// # Errors
    /// It, or its Redis, can't be started or doesn't become ready; or a running Redis can't be used as it is.
    pub async fn start(
        plan: &SystemPlan,
        log: &Path,
        network: RedisNetwork,
    ) -> Result<Arc<Self>, SystemError> {
        let command = &plan.command;
        if !is_there(command.program()) {
            return Err(SystemError::NoProgram {
                command: command.to_string(),
                program: command.program().display().to_string(),
            });
        }
        let not_started = |error| SystemError::Start {
            command: command.to_string(),
            error,
        };
        let data = tempfile::tempdir().map_err(not_started)?;
        std::fs::remove_file(log).ok();
        let guard = match SystemGuard::start(data.path()) {
            Ok(guard) => Some(Arc::new(guard)),
            Err(error) => {
                tracing::warn!(%error, "the system's guard can't be started: after a SIGKILL, the system would keep running");
                None
            }
        };
        let proxied = match network {
            RedisNetwork::Own => None,
            RedisNetwork::Proxied => {
                let durability = plan.durability_asked().unwrap_or_default();
                let started =
                    ProxiedRedis::start(data.path(), &durability, &plan.redis, guard.clone()).await;
                Some(started.map_err(SystemError::Redis)?)
            }
        };
        let running = match &plan.redis {
            RedisServer::Running { url, .. } => {
                Some(RunningRedis::emptied(url, plan.empty_redis).await?)
            }
            _ => None,
        };
        let programs = plan.redis.programs().map_err(not_started)?;
        let launch = Launch {
            plan: plan.clone(),
            log: log.to_owned(),
            guard,
            data,
            programs,
            proxied,
            running,
        };
        let listen = SocketAddr::new(plan.listen, 0).to_string();
        let (child, url) = match launch.start(&listen).await {
            Ok(started) => started,
            Err(error) => {
                if let Some(running) = &launch.running {
                    // The start's own error says more than one of the tidying up.
                    running.empty().await.ok();
                }
                return Err(error);
            }
        };
        Ok(Arc::new(Self {
            id: AtomicU32::new(child.id().unwrap_or_default()),
            launch,
            child: Mutex::new(child),
            url,
        }))
    }

    /// The command that started it, and the Redis that was asked for.
    pub fn command(&self) -> String {
        self.launch.plan.to_string()
    }

    /// Refuses a system that is not what was asked for. Returns a warning about what it doesn't say.
    ///
    /// # Errors
    /// [`SystemError::Another`].
    pub fn check(&self, said: &Environment) -> Result<Option<String>, SystemError> {
        let running = self.launch.running.as_ref().map(RunningRedis::product);
        let checked = self.launch.plan.check(running, said);
        checked.map_err(|differs| SystemError::Another {
            command: self.launch.plan.command.to_string(),
            differs,
        })
    }

    /// Asks the system to stop, waits, and kills it if it does not; then a running Redis is left empty. Returns what was unusual.
    pub async fn stop(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.end().await.into_iter().collect();
        if let Some(running) = &self.launch.running {
            warnings.extend(running.empty().await.err().map(|e| e.to_string()));
        }
        warnings
    }

    async fn end(&self) -> Option<String> {
        let mut child = self.child.lock().await;
        if let Ok(Some(status)) = child.try_wait() {
            return Some(format!(
                "the system had ended before the end of the run, with {status}; {}",
                log_end::said(&self.launch.log)
            ));
        }
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
        self.launch.ended(self.process());
        warning
    }
}

#[async_trait]
impl StartedSystem for SystemProcess {
    fn process(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    fn roots(&self) -> Vec<u32> {
        let running = self.launch.running.as_ref();
        let proxied = self.launch.proxied.as_ref();
        let running = running.map_or(&[][..], RunningRedis::processes);
        let proxied = proxied.and_then(ProxiedRedis::process);
        let all = std::iter::once(self.process()).chain(running.iter().copied());
        all.chain(proxied).collect()
    }

    fn names(&self) -> &dyn ProcessNames {
        &OrderShop
    }

    async fn start_again(&self) -> Result<(), String> {
        let mut child = self.child.lock().await;
        child.wait().await.map_err(|e| e.to_string())?;
        self.launch.ended(self.process());
        let address = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let started = self.launch.start(address.trim_end_matches('/')).await;
        let (started, _) = started.map_err(|e| e.to_string())?;
        self.id
            .store(started.id().unwrap_or_default(), Ordering::Relaxed);
        *child = started;
        Ok(())
    }

    fn network(&self) -> Option<&Proxy> {
        self.launch.proxied.as_ref().map(ProxiedRedis::proxy)
    }
}
