//! Deployed as processes: the real binary, `ordershop up --processes`, controlled only by signals.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::children::children_of;
use crate::customer::Customer;

/// The timeout for starting fourteen processes of a debug build on two cores, ms.
const START_MS_MAX: u64 = 60_000;
/// The timeout for their end, ms.
const STOP_MS_MAX: u64 = 40_000;
/// The interval at which the test checks whether the system has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The rounds of each of four writers; a round is three writes, each read back. Fewer than in one process, as each call passes through
/// several.
pub const ROUNDS: usize = 100;

/// The running system: its supervisor, which runs the services.
pub struct Deployment {
    supervisor: Child,
    url: String,
    redis_url: String,
    log: TempDir,
}

impl Deployment {
    /// Starts the system with its own Redis in a folder, and waits until it is ready.
    pub async fn in_folder(dir: &Path) -> Self {
        let socket = dir.canonicalize().unwrap().join("redis.sock");
        let redis_url = format!("redis+unix://{}", socket.display());
        Self::start(&["--data-dir", dir.to_str().unwrap()], redis_url).await
    }

    /// Starts the system on a running Redis, and waits until it is ready.
    pub async fn on(redis_url: &str) -> Self {
        Self::start(&["--redis-url", redis_url], redis_url.to_owned()).await
    }

    async fn start(args: &[&str], redis_url: String) -> Self {
        let log = TempDir::new().unwrap();
        let stderr = std::fs::File::create(log.path().join("log")).unwrap();
        let mut supervisor = Command::new(env!("CARGO_BIN_EXE_ordershop"))
            .args(["up", "--processes", "--listen", "127.0.0.1:0"])
            .args(args)
            .env_remove("REDIS_URL")
            .env_remove("LISTEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = supervisor.stdout.take().unwrap();
        let mut deployment = Self {
            supervisor,
            url: String::new(),
            redis_url,
            log,
        };
        let ready = tokio::task::spawn_blocking(move || ready_url(stdout));
        let ready = tokio::time::timeout(Duration::from_millis(START_MS_MAX), ready).await;
        deployment.url = match ready {
            Ok(Ok(Some(url))) => url,
            _ => panic!("not ready; its log: {}", deployment.log()),
        };
        deployment
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn redis_url(&self) -> String {
        self.redis_url.clone()
    }

    /// The id of the process that runs a service now; `None` if none does.
    pub fn process_of(&self, service: &str) -> Option<u32> {
        let children = children_of(self.supervisor.id());
        let child = children.into_iter().find(|child| child.runs(service))?;
        Some(child.pid)
    }

    /// The address that a service listens on.
    pub fn listens_at(&self, service: &str) -> String {
        let children = children_of(self.supervisor.id());
        let child = children.into_iter().find(|child| child.runs(service));
        child.unwrap().listens_at().unwrap().to_owned()
    }

    /// The metrics of all services; each serves its own.
    pub async fn metrics(&self) -> String {
        let gateway = Customer::new(&self.url).get("/metrics").await;
        let mut metrics = gateway.body.as_str().unwrap().to_owned();
        for child in children_of(self.supervisor.id()) {
            metrics.push_str(&child.metrics().await);
        }
        metrics
    }

    /// Everything that the system and its services logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.log.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(20_000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        signal(self.supervisor.id(), "-TERM");
        let deadline = Instant::now() + Duration::from_millis(STOP_MS_MAX);
        loop {
            if let Some(status) = self.supervisor.try_wait().unwrap() {
                assert!(status.success(), "{status}; its log: {}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "not ended: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Leaves no processes behind after a failed test: the supervisor is asked to stop its children before it is killed.
impl Drop for Deployment {
    fn drop(&mut self) {
        if !matches!(self.supervisor.try_wait(), Ok(None)) {
            return;
        }
        eprintln!("its log: {}", self.log());
        signal(self.supervisor.id(), "-TERM");
        let deadline = Instant::now() + Duration::from_millis(STOP_MS_MAX);
        while matches!(self.supervisor.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

/// Sends a signal, by name, to a process.
pub fn signal(pid: u32, name: &str) {
    // The process may just have ended.
    let _ = Command::new("kill")
        .args([name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Returns the address in the ready line. The rest is read too, so that no process writes into a closed pipe.
fn ready_url(stdout: std::process::ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let url = lines.find_map(|line| {
        let rest = line.strip_prefix("OrderShop is ready: ")?;
        rest.split(' ').next().map(str::to_owned)
    });
    std::thread::spawn(move || lines.for_each(drop));
    url
}
