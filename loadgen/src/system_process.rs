//! The system under test as a child process: `ordershop up`, or a command in its place, on a free port with a data folder that is
//! thrown away. Knows its command line and the line it prints when it is ready; nothing else about it.

use std::ffi::OsString;
use std::fmt;
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
    /// The command can't be taken apart.
    #[error(
        "`{0}` is no command: a program and its arguments are needed, as in `target/release/ordershop up`, with quotes closed"
    )]
    NoCommand(String),
    /// No such program in a command.
    #[error(
        "`{command}`: there is no program `{program}`, neither as a file nor on PATH; a command stands in the place of `ordershop up`"
    )]
    NoProgram {
        /// The command.
        command: String,
        /// Its first word.
        program: String,
    },
    /// It could not be run.
    #[error("{command} could not be started: {error}")]
    Start {
        /// The command.
        command: String,
        /// Why.
        error: std::io::Error,
    },
    /// It ended or stayed silent.
    #[error("{command} did not become ready ({problem}); its log is {log}")]
    NotReady {
        /// The command.
        command: String,
        /// What happened instead.
        problem: String,
        /// Its log.
        log: PathBuf,
    },
}

/// What starts a system: a program and its arguments, to which it is added where to listen, how durable to be and where to keep data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl SystemCommand {
    /// `ordershop up`: the program as given, which is looked for when it is started, or from beside this one or on PATH.
    ///
    /// # Errors
    /// None is given, and it is nowhere.
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

    /// One more argument.
    #[must_use]
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A command as it would be typed, quotes included; no shell stands behind it. Its program must be there.
    ///
    /// # Errors
    /// It is empty, a quote is open, or there is no such program.
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

/// A running system; killed when dropped without a stop.
pub struct SystemProcess {
    child: Child,
    /// Where it listens.
    pub url: String,
    _data: TempDir,
}

/// Where the program is: beside this one, or on PATH.
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

impl SystemProcess {
    /// Starts it and waits until it is ready; its log goes to `log`.
    pub async fn start(
        command: &SystemCommand,
        durability: &str,
        log: &Path,
    ) -> Result<Self, SystemError> {
        if !is_there(&command.program) {
            return Err(SystemError::Missing);
        }
        let fail = |error| SystemError::Start {
            command: command.to_string(),
            error,
        };
        let data = tempfile::tempdir().map_err(fail)?;
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .args(["--listen", "127.0.0.1:0", "--durability", durability])
            .arg("--data-dir")
            .arg(data.path())
            // A group of its own: a terminal's Ctrl-C is for the generator, which stops the system after the drain.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).map_err(fail)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(fail)?;
        let not_ready = |problem: String| SystemError::NotReady {
            command: command.to_string(),
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
