//! Faults that are shell commands of the scenario, for targets that were not started here.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long a command may still run after the workload's end.
const END_WITHIN: Duration = Duration::from_secs(10);
/// The most characters kept of a failed command's stderr.
const SAID_CHARS_MAX: usize = 300;

/// Runs the command in a shell until it ends. Kills it when the future is dropped, or when it runs too long after the workload's end.
pub async fn run(command: &str, target: &str, over: &CancellationToken) -> Result<(), String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .env("LOADGEN_TARGET", target)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let too_long = async {
        over.cancelled().await;
        tokio::time::sleep(END_WITHIN).await;
    };
    let output = tokio::select! {
        output = output => output.map_err(|e| format!("the command could not be started: {e}"))?,
        () = too_long => return Err(format!("the command still ran {END_WITHIN:?} after the workload's end")),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    Err(format!("command ended with {}{colon}{said}", output.status))
}
