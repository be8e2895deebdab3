//! Stops the system when this program has ended, even by SIGKILL. The guard is a separate process (`loadgen system-guard`) that holds one
//! end of a pipe, over which it is told of each process. It knows process groups only, so that any command can be guarded, also that of
//! a revision from years ago.

use std::io::{BufRead, Write, stdin};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The command's name.
pub const COMMAND: &str = "system-guard";
/// Time limit for a graceful stop; after it the system is killed.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval between looks whether a process has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// The words of the two messages: a process was started; it has ended.
const STARTED: &str = "started";
const ENDED: &str = "ended";

/// The guard's process. It stops what has not ended when this is dropped.
pub(super) struct SystemGuard(Mutex<Guarding>);

struct Guarding {
    child: Child,
    /// Processes that have not ended.
    running: Vec<u32>,
}

impl SystemGuard {
    /// Starts the guard of processes that keep their files in this folder.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(data: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(COMMAND)
            .arg(data)
            // The pipe closes when this process ends, however it ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Signals to this program's group, as of a terminal, must not end the guard.
            .process_group(0);
        Ok(Self(Mutex::new(Guarding {
            child: command.spawn()?,
            running: Vec::new(),
        })))
    }

    /// A process was started, the first of a group of its own.
    pub fn started(&self, id: u32) {
        let mut guarding = self.0.lock().unwrap_or_else(|e| e.into_inner());
        guarding.running.push(id);
        guarding.tell(STARTED, id);
    }

    /// The process has ended and was waited for.
    pub fn ended(&self, id: u32) {
        let mut guarding = self.0.lock().unwrap_or_else(|e| e.into_inner());
        guarding.running.retain(|running| *running != id);
        guarding.tell(ENDED, id);
    }
}

impl Guarding {
    fn tell(&mut self, what: &str, id: u32) {
        if let Some(pipe) = &mut self.child.stdin
            && let Err(error) = writeln!(pipe, "{what} {id}")
        {
            tracing::warn!(%error, "the system's guard has ended: after a SIGKILL, the system would keep running");
        }
    }
}

impl Drop for SystemGuard {
    fn drop(&mut self) {
        let guarding = self.0.get_mut().unwrap_or_else(|e| e.into_inner());
        drop(guarding.child.stdin.take());
        // Without work it ends at once.
        if guarding.running.is_empty() {
            guarding.child.wait().ok();
        }
    }
}

/// Runs the guard: waits for the end of standard input, then stops every process that has not ended, the last one first, and removes
/// their folder.
pub fn guard(data: &Path) {
    let mut groups: Vec<Pid> = Vec::new();
    // An error on this pipe counts as its end.
    for line in stdin().lock().lines().map_while(Result::ok) {
        let message = line.split_once(' ');
        let message = message.and_then(|(what, id)| Some((what, Pid::from_raw(id.parse().ok()?)?)));
        match message {
            Some((STARTED, group)) => groups.push(group),
            Some((_, group)) => groups.retain(|known| *known != group),
            None => {}
        }
    }
    let any = !groups.is_empty();
    for group in groups.into_iter().rev() {
        stop(group);
    }
    if any {
        std::fs::remove_dir_all(data).ok();
    }
}

fn stop(group: Pid) {
    let asked = Instant::now();
    // Errors mean that nothing is left of the group.
    kill_process_group(group, Signal::TERM).ok();
    while test_kill_process_group(group).is_ok() {
        if asked.elapsed() > STOP_TIMEOUT {
            kill_process_group(group, Signal::KILL).ok();
            return;
        }
        sleep(LOOK_PAUSE);
    }
}
