//! Checks a shop after an interruption, by `loadgen audit` and by what it answered before.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use ordershop_redis::connection::RedisLink;

use crate::built_program::built_program;
use crate::buyers::Answered;
use crate::customer::Customer;
use crate::process::{LOOK, LOOKS_MAX, PATIENCE};

/// The program `loadgen` of this workspace.
fn loadgen() -> PathBuf {
    built_program("loadgen", "loadgen", env!("CARGO_BIN_EXE_ordershop"))
}

/// Waits until no message is in the hands of a worker that is dead: such a message is no longer in its queue, and not counted as in flight.
async fn nothing_is_held(redis_url: &str) -> Result<(), String> {
    let link = RedisLink::new(redis_url).unwrap();
    let mut connection = link.dedicated().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held: Vec<String> = redis::cmd("KEYS")
            .arg("mq:*:processing:*")
            .query_async(&mut connection)
            .await
            .unwrap();
        if held.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("held for ever: {held:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the audit passes once nothing is in flight; the report if it doesn't.
pub async fn passes(http: &Customer, redis_url: &str) -> Result<(), String> {
    passes_with(http, redis_url, &[]).await
}

/// The same of a shop and its archives.
pub async fn passes_with(
    http: &Customer,
    redis_url: &str,
    archives: &[PathBuf],
) -> Result<(), String> {
    nothing_is_held(redis_url).await?;
    let output = tokio::process::Command::new(loadgen())
        .args(["audit", "--target", &http.url])
        .args(
            archives
                .iter()
                .flat_map(|file| [OsStr::new("--archive"), file.as_os_str()]),
        )
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("the audit: {}", String::from_utf8_lossy(&said)))
}

/// Waits until everything that was answered is as it was answered: what was accepted may still be in the hands of a dead worker.
pub async fn is_as_answered(http: &Customer, answered: &Answered) -> Result<(), String> {
    assert!(!answered.is_empty(), "nothing was answered");
    for (path, expected) in answered {
        let mut looks = 0;
        loop {
            let answer = http.get(path).await;
            if answer.status == 200 && expected.fits(&answer.body["result"]) {
                break;
            }
            looks += 1;
            if looks == LOOKS_MAX {
                return Err(format!(
                    "{path} was answered as {expected:?}: {}",
                    answer.body
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}
