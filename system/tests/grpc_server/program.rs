//! Runs the real binary: starts it, reads its output, sends signals.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The timeout of every condition; far longer than any should take.
pub const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(10);

/// The command `ordershop` with these arguments and an empty environment.
pub fn ordershop(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordershop"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command that ends by itself; returns its exit code and all its output.
pub fn run(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it has not ended: {:?}", child.wait_with_output());
        }
        std::thread::sleep(LOOK);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// A running `ordershop`; killed when dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
    _dir: TempDir,
}

impl Program {
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(ordershop(args))
    }

    pub fn spawn(mut command: Command) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        let mut child = command
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (stdout, heard) = (child.stdout.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.for_each(|line| heard.lock().unwrap().push(line));
        });
        Self {
            child,
            log,
            said,
            _dir: dir,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for its ready line.
    pub async fn ready(&mut self) -> String {
        let said = Arc::clone(&self.said);
        let line = move || said.lock().unwrap().first().cloned();
        until("the ready line", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.log());
            line()
        })
        .await
    }

    /// Returns the address in its ready line.
    pub async fn url(&mut self) -> String {
        let line = self.ready().await;
        let url = line.split("ready: ").nth(1);
        let url = url.and_then(|rest| rest.split(' ').next());
        url.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// Waits until it ends.
    pub async fn ended(&mut self) -> ExitStatus {
        let log = self.log.clone();
        let child = &mut self.child;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            let text = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < deadline, "it has not ended: {}", text());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops it; it must exit with success.
    pub async fn stop(mut self) {
        signal(self.pid(), "-TERM");
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its log: {}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `look` returns something.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(LOOK).await;
    }
}

/// Sends a signal, by name, to a process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "no process {pid}");
}

/// Runs `ordershop health` with these arguments; returns whether it reports ready, and its output.
pub fn health(args: &[&str]) -> (bool, String) {
    let (code, said) = run(&mut ordershop(&[&["health"], args].concat()));
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {said}");
    (code == Some(0), said)
}
