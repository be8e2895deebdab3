//! `ordershop up` as a process that may be killed and stopped: it is started on a port of its own choice, so that one that takes its place has
//! the same address.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ordershop_contract::failpoint::Failpoint;
use tempfile::TempDir;

use crate::customer::Customer;

/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The interval of the checks.
pub const LOOK: Duration = Duration::from_millis(20);

/// The number of the signal.
const SIGKILL: i32 = 9;

/// What happens at a failpoint.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Kill,
    Stop,
}

/// A failpoint at which a process is interrupted, at the `pass`-th time that it comes there.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    pub point: Failpoint,
    pub pass: usize,
    pub action: Action,
}

impl Armed {
    /// The value of `FAILPOINTS`.
    fn setting(self) -> String {
        let action = match self.action {
            Action::Kill => "kill",
            Action::Stop => "stop",
        };
        format!(
            "{}={}*off->1*return({action})",
            self.point.name(),
            self.pass - 1
        )
    }
}

/// A running `ordershop up`; killed when dropped.
pub struct ShopProcess {
    child: Child,
    port: u16,
    log: PathBuf,
    _dir: TempDir,
}

impl ShopProcess {
    /// Starts it on a port with these arguments.
    pub fn start(port: u16, args: &[&str], armed: Option<Armed>) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_ordershop"))
            .args(["up", "--listen", &format!("127.0.0.1:{port}")])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(armed.map(|armed| ("FAILPOINTS", armed.setting())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            log,
            _dir: dir,
        }
    }

    /// A client of it.
    pub fn customer(&self) -> Customer {
        Customer::new(url(self.port))
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let customer = self.customer();
        let request = || {
            let request = hyper::Request::get(format!("{}/health", customer.url));
            customer.send(request.body(http_body_util::Full::default()).unwrap())
        };
        let deadline = Instant::now() + PATIENCE;
        while !request().await.is_ok_and(|answer| answer.status == 200) {
            assert!(!self.has_ended(), "it ended: {}", self.log());
            assert!(Instant::now() < deadline, "not ready: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether a signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        // The state follows the program's name, which is in parentheses.
        stat.is_ok_and(|stat| {
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.starts_with(" T"))
        })
    }

    /// Waits until it is killed or stopped by a signal.
    pub async fn interrupted(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_stopped() {
            match self.child.try_wait().unwrap() {
                Some(status) if status.signal() == Some(SIGKILL) => break,
                Some(status) => return Err(format!("{status}: {}", self.log())),
                None if Instant::now() > deadline => return Err("it never came there".to_owned()),
                None => tokio::time::sleep(LOOK).await,
            }
        }
        Ok(())
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// Stops it by a signal, by name, and waits for its end.
    pub async fn end(mut self, signal: &str) {
        self.signal(signal);
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "not ended: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(6_000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

impl Drop for ShopProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its log: {}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A port that nobody listens on, outside the range from which clients take theirs.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let spread = u16::try_from(std::process::id() % 100).unwrap() * 100;
        let port = 20_000 + spread + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
