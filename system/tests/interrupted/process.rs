//! `ordershop up` as a process that may be killed and stopped: it is started on a port of its own choice, so that one that takes its place has
//! the same address.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ordershop_contract::failpoint::Failpoint;
use tempfile::TempDir;

use crate::customer::Customer;

/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How many looks at what a shop shows a condition may take. They are counted, not timed: on a machine that is too busy each takes as long as
/// the shop's own steps.
pub const LOOKS_MAX: usize = 3_000;
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
    port: Port,
    log: PathBuf,
    _dir: TempDir,
}

impl ShopProcess {
    /// Starts it on a port with these arguments.
    pub fn start(port: Port, args: &[&str], armed: Option<Armed>) -> Self {
        let armed = armed.map(|armed| ("FAILPOINTS", armed.setting()));
        Self::start_with(port, args, armed.into_iter().collect())
    }

    /// Starts it with more environment variables.
    pub fn start_with(port: Port, args: &[&str], variables: Vec<(&str, String)>) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_ordershop"))
            .args(["up", "--listen", &format!("127.0.0.1:{}", port.number())])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(variables)
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
        Customer::new(format!("http://127.0.0.1:{}", self.port.number()))
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

    /// The process that a signal has stopped: itself, or one that it has started.
    pub fn stopped(&self) -> Option<u32> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let threads = threads.into_iter().flatten().flatten();
        let children = threads.map(|thread| {
            std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        });
        let children: Vec<u32> = children
            .flat_map(|pids| pids.split_whitespace().map(str::parse).collect::<Vec<_>>())
            .map(Result::unwrap)
            .collect();
        [self.child.id()]
            .into_iter()
            .chain(children)
            .find(is_stopped)
    }

    /// Waits until it is killed or stopped by a signal.
    pub async fn interrupted(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while self.stopped().is_none() {
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
        signal(self.child.id(), name);
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

/// Sends a process a signal, by name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "{name}");
}

fn is_stopped(pid: &u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // The state follows the program's name, which is in parentheses.
    stat.is_ok_and(|stat| {
        let state = stat.rsplit(')').next();
        state.is_some_and(|rest| rest.starts_with(" T"))
    })
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

/// A port on which no other test starts a shop as long as a clone of this lives: the UDP port of the same number is taken. A shop that takes
/// another one's place gets the same.
#[derive(Clone)]
pub struct Port(Arc<UdpSocket>);

impl Port {
    /// One that is free, outside the range from which clients take theirs.
    pub fn free() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        loop {
            let number = 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
            let taken = UdpSocket::bind(("127.0.0.1", number));
            if let Ok(taken) = taken
                && TcpListener::bind(("127.0.0.1", number)).is_ok()
            {
                return Self(Arc::new(taken));
            }
        }
    }

    fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}
