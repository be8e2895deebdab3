//! The system under test as a child process: `ordershop up` on a free port with a data folder that is thrown away. Knows its
//! command line and the line it prints when it is ready; nothing else about it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Starting its Redis included.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// For a graceful stop; then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const NAME: &str = "ordershop";

/// The system could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// No such program.
    #[error(
        "the program `ordershop` was not found beside this one or on PATH; build it (cargo build --release), say where it is (--system-bin), or give a running system (--target URL)"
    )]
    Missing,
    /// It could not be run.
    #[error("{program} could not be started: {error}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It ended or stayed silent.
    #[error("{program} did not become ready ({problem}); its log is {log}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// What happened instead.
        problem: String,
        /// Its log.
        log: PathBuf,
    },
}

/// A running system; killed when dropped without a stop.
pub struct SystemProcess {
    child: Child,
    /// Where it listens.
    pub url: String,
    _data: TempDir,
}

/// Where the program is: as given, beside this one, or on PATH.
fn find(given: Option<&Path>) -> Result<PathBuf, SystemError> {
    if let Some(given) = given {
        return if given.is_file() {
            Ok(given.to_owned())
        } else {
            Err(SystemError::Missing)
        };
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|me| Some(me.parent()?.join(NAME)));
    let on_path = std::env::var_os("PATH").map(|path| {
        std::env::split_paths(&path)
            .map(|p| p.join(NAME))
            .collect::<Vec<_>>()
    });
    beside
        .into_iter()
        .chain(on_path.into_iter().flatten())
        .find(|p| p.is_file())
        .ok_or(SystemError::Missing)
}

impl SystemProcess {
    /// Starts it, each service a process of its own where that is asked for, and waits until it is ready; its log goes to `log`.
    pub async fn start(
        given: Option<&Path>,
        durability: &str,
        processes: bool,
        log: &Path,
    ) -> Result<Self, SystemError> {
        let program = find(given)?;
        let fail = |error| SystemError::Start {
            program: program.clone(),
            error,
        };
        let data = tempfile::tempdir().map_err(fail)?;
        let mut child = Command::new(&program)
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--durability",
                durability,
                "--data-dir",
            ])
            .arg(data.path())
            .args(processes.then_some("--processes"))
            // A group of its own: a terminal's Ctrl-C is for the generator, which stops the system after the drain.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).map_err(fail)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(fail)?;
        let not_ready = |problem: String| SystemError::NotReady {
            program: program.clone(),
            problem,
            log: log.to_owned(),
        };
        let Some(stdout) = child.stdout.take() else {
            return Err(not_ready("no standard output".into()));
        };
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, url)) = line.split_once("ready: ") {
                    // More may stand behind it, for people.
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
                return Err(not_ready(format!("it ended: {status}")));
            }
            Err(_) => {
                return Err(not_ready(format!(
                    "silent for {} s",
                    READY_TIMEOUT.as_secs()
                )));
            }
        };
        // Whatever else it prints must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            child,
            url,
            _data: data,
        })
    }

    /// Its process id, which is its process group's too.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to stop, waits, and kills it if it does not. Says what was unusual about it.
    pub async fn stop(mut self) -> Option<String> {
        if let Some(id) = self.child.id() {
            // The standard library can only kill; a graceful stop needs the signal.
            Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await
                .ok();
        }
        match tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("the system ended with {status}")),
            Ok(Err(e)) => Some(format!("the system's end was not seen: {e}")),
            Err(_) => {
                self.child.kill().await.ok();
                Some(format!(
                    "the system did not stop within {} s and was killed",
                    STOP_TIMEOUT.as_secs()
                ))
            }
        }
    }
}
