//! Stops our own Redis when the process that started it has ended, even by SIGKILL. The guard is a separate process (`ordershop
//! redis-guard`) that holds one end of a pipe and a connection to that Redis. Must not know any service.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::connection::RedisLink;

/// The command's name.
pub const COMMAND: &str = "redis-guard";
/// How long services that outlive their supervisor may take to finish their work.
const OTHERS_MS_MAX: u64 = 20_000;
/// Interval between checks whether those services have ended.
const LOOK_MS: u64 = 50;

/// The guard's process; it stops Redis and ends when this is dropped.
#[derive(Debug)]
pub struct RedisGuard {
    _child: Child,
}

impl RedisGuard {
    /// Starts the guard of the Redis at `url`, which must answer already; `program` is the path of `ordershop`.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(program: &Path, url: &str) -> std::io::Result<Self> {
        let child = Command::new(program)
            .args([COMMAND, url])
            // Never written to: the pipe closes when this process ends. The child's handle holds our end.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C in a terminal signals the whole foreground group; the guard must outlive it.
            .process_group(0)
            .spawn()?;
        Ok(Self { _child: child })
    }
}

/// Runs the guard: waits for the end of stdin, then until only the guard is connected (at most 20 s), then shuts Redis down, which
/// flushes its data.
///
/// # Errors
/// Redis can't be reached.
pub async fn guard(url: &str) -> redis::RedisResult<()> {
    // Connect early: later, another Redis might have the same address.
    let link = RedisLink::new(url).map_err(|error| {
        let kind = redis::ErrorKind::InvalidClientConfig;
        redis::RedisError::from((kind, "its address", error.to_string()))
    })?;
    let mut connection = link.dedicated().await?;
    let mut nothing = [0];
    // An error on this pipe counts as its end.
    while tokio::io::stdin().read(&mut nothing).await.unwrap_or(0) > 0 {}
    let give_up = Instant::now() + Duration::from_millis(OTHERS_MS_MAX);
    while clients(&mut connection)
        .await?
        .is_some_and(|count| count > 1)
        && Instant::now() < give_up
    {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    // Redis answers by closing the connection, which the client reports as an error; ignore it.
    let _: redis::RedisResult<()> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
    Ok(())
}

/// How many are connected, if Redis says so.
async fn clients(connection: &mut MultiplexedConnection) -> redis::RedisResult<Option<u64>> {
    let info: String = redis::cmd("INFO")
        .arg("clients")
        .query_async(connection)
        .await?;
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("connected_clients:"));
    Ok(count.and_then(|count| count.trim().parse().ok()))
}
