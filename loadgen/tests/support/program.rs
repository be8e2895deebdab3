//! What tests of the program share: a small system to drive, and the program itself as a child process.
#![allow(clippy::unwrap_used, dead_code)] // a test fails by panicking; not every test uses everything

pub mod page;
mod room;
#[path = "../../../testing/script.rs"]
mod script;
pub mod shop;
mod small_system;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use room::ROOM;
pub use script::script;
pub use small_system::SmallSystem;

/// A run of the program in a folder of its own.
pub struct Loadgen {
    pub folder: tempfile::TempDir,
    /// What starts it: the program itself, or one that runs it under conditions.
    program: Vec<String>,
    arguments: Vec<String>,
}

/// What a run left.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub out: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ended {
    pub fn report(&self) -> Value {
        let text = std::fs::read_to_string(self.out.join("report.json"))
            .unwrap_or_else(|e| panic!("no report ({e}); stderr: {}", self.stderr));
        serde_json::from_str(&text).unwrap()
    }
}

impl Loadgen {
    /// With this scenario's text.
    pub fn scenario(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, text).unwrap();
        let out = folder.path().join("out");
        let arguments = [
            "run",
            path.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .to_vec();
        Self {
            folder,
            program: vec![env!("CARGO_BIN_EXE_loadgen").into()],
            arguments,
        }
    }

    pub fn target(self, system: &SmallSystem) -> Self {
        self.arguments(&["--target", &system.url])
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// Runs it through another program, as in `nice -n 19`.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.program
            .splice(0..0, wrapper.iter().map(|w| (*w).to_owned()));
        self
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// What starts it, with pipes for what it prints.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    pub fn ended(self, output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            out: self.out(),
            _folder: self.folder,
        }
    }

    pub fn run(self) -> Ended {
        let output = self.command().output().unwrap();
        self.ended(output)
    }
}

/// A program in the place of the system's that notes its arguments and its end in this folder, a line each time.
pub fn program(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("ordershop");
    let noted = format!("cd {}\necho \"$@\" >> arguments\n{body}", folder.display());
    script(&path, &noted);
    path
}

/// Such a program's body: ready at once, somewhere else, until it is asked to stop.
pub fn waiting(url: &str) -> String {
    format!(
        "trap 'echo yes >> stopped; exit 0' TERM\necho 'a line of its log' >&2\necho 'ready: {url} (and more)'\nwhile :; do sleep 0.05; done"
    )
}

/// Number of lines of a file; 0 if it does not exist.
pub fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// A small system, and a script that prints its URL whenever it is started.
pub struct Played {
    pub system: SmallSystem,
    pub folder: tempfile::TempDir,
    /// With the argument `up`.
    pub command: String,
}

impl Played {
    pub fn start() -> Self {
        Self::after("")
    }

    /// It is ready only after this has been done.
    pub fn after(first: &str) -> Self {
        let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
        let body = format!("{first}\n{}", waiting(&system.url));
        let path = program(folder.path(), &body);
        Self {
            system,
            command: format!("{} up", path.display()),
            folder,
        }
    }

    pub fn started(&self) -> usize {
        lines(&self.folder.path().join("arguments"))
    }

    pub fn stopped(&self) -> usize {
        lines(&self.folder.path().join("stopped"))
    }
}

/// Waits for a condition, with a bound.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

pub fn exists(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}

/// An open workload of one GET. Without limits of its own it has ones that other tests on the same machine do not reach.
pub fn open(rate: u32, duration: &str, more: &str) -> String {
    let limits = match more.contains("[limits]") {
        true => "",
        false => "[limits]\nslip_p99_max = \"300ms\"\nloop_stall_p99_max = \"2s\"\n",
    };
    format!(
        r#"name = "test"
description = "one request"
{more}
[workload]
kind = "open"
rate = {rate}.0
duration = "{duration}"

[[journeys]]
name = "get"
[[journeys.steps]]
name = "get thing"
request = {{ method = "GET", path = "/thing" }}
expect = {{ exist = ["/result/entity_id"] }}
{limits}"#
    )
}

/// Two open workloads of the same journey: `fast` starts 40 a second, `slow` 10, each for its time.
pub fn two_workloads(fast: &str, slow: &str) -> String {
    let workload = |name: &str, rate: u32, duration: &str| {
        format!(
            "[[workloads]]\nname = \"{name}\"\njourneys = {{ get = 1 }}\nkind = \"open\"\nrate = {rate}\nduration = \"{duration}\"\n"
        )
    };
    format!(
        "name = \"test\"\ndescription = \"two workloads\"\n{ROOM}{}{}[[journeys]]\nname = \"get\"\nsteps = [{{ name = \"get thing\", request = {{ method = \"GET\", path = \"/thing\" }} }}]\n",
        workload("fast", 40, fast),
        workload("slow", 10, slow)
    )
}
