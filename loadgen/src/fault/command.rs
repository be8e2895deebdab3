//! A fault that is a command of the scenario's: for targets that were not started here.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// A command that still runs when the workload is over may take so long to end.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Of what a command that failed has said.
const SAID_CHARS_MAX: usize = 300;

/// Runs it in a shell until it ends. It is killed when this is dropped, or when it goes on for too long after the workload's end.
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
        output = output => output.map_err(|e| format!("it could not be started: {e}"))?,
        () = too_long => return Err(format!("it still ran {END_WITHIN:?} after the workload's end")),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    Err(format!("it ended with {}{colon}{said}", output.status))
}
