//! Deployed as processes: the real binary, `ordershop up --processes`, told by signals alone.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Fourteen processes of a debug build on two cores start within this.
const START_MS_MAX: u64 = 60_000;
/// And end within this.
const STOP_MS_MAX: u64 = 40_000;
/// Between two looks whether it ended.
const LOOK: Duration = Duration::from_millis(10);

/// Rounds of three writes, each read back, of each of four writers: fewer than in one process, for each call passes through several here.
pub const ROUNDS: usize = 100;

/// The running system: its supervisor, which runs the services.
pub struct Deployment {
    supervisor: Child,
    url: String,
    redis_url: String,
    log: TempDir,
}

impl Deployment {
    /// Starts it with a Redis of its own in a folder, and waits until it is ready.
    pub async fn in_folder(dir: &Path) -> Self {
        let socket = dir.canonicalize().unwrap().join("redis.sock");
        let redis_url = format!("redis+unix://{}", socket.display());
        Self::start(&["--data-dir", dir.to_str().unwrap()], redis_url).await
    }

    /// Starts it on a Redis that runs already, and waits until it is ready.
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

    /// The process that runs a service now, if one does.
    pub fn process_of(&self, service: &str) -> Option<u32> {
        let parent = self.supervisor.id();
        let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.parse::<u32>().ok()
        });
        // A process may end between two of these looks.
        pids.filter(|&pid| parent_of(pid) == Some(parent))
            .find(|&pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.split(|&byte| byte == 0)
                    .any(|argument| argument == service.as_bytes())
            })
    }

    /// What it and its services logged, at its end.
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
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A test that failed leaves no processes behind: the supervisor is asked to end its own, and only then killed.
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
    // It may just have ended.
    let _ = Command::new("kill")
        .args([name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// The address in the ready line. What follows is read too, so that nobody writes into a closed pipe.
fn ready_url(stdout: std::process::ChildStdout) -> Option<String> {
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let url = lines.find_map(|line| {
        let rest = line.strip_prefix("OrderShop is ready: ")?;
        rest.split(' ').next().map(str::to_owned)
    });
    std::thread::spawn(move || lines.for_each(drop));
    url
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
