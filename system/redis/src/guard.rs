//! Stops our own Redis when the process that started it has ended, even by SIGKILL. The guard is a separate process (`ordershop
//! redis-guard`) that holds one end of a pipe, over which it is told of each start, and a connection to that Redis. Must not know any
//! service.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connection::{MultiplexedConnection, RedisLink};
use crate::info;
use crate::supervision::SupervisedRedis;

/// The command's name.
pub const COMMAND: &str = "redis-guard";
/// How long services that outlive their supervisor may take to finish their work.
const OTHERS_MS_MAX: u64 = 20_000;
/// Interval between looks: whether those services have ended, whether Redis answers.
const LOOK_MS: u64 = 50;

/// How long a Redis that was just started may take until it answers, once it is to be stopped.
const ANSWER_MS_MAX: u64 = 5_000;

/// The guard's process; it stops Redis and ends when this is dropped.
#[derive(Debug)]
pub struct RedisGuard {
    _child: Child,
    /// Holds our end of the pipe.
    telling: JoinHandle<()>,
}

impl RedisGuard {
    /// Starts the guard of a Redis of our own; `program` is the path of `ordershop`.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(program: &Path, redis: &SupervisedRedis) -> std::io::Result<Self> {
        let pids = redis.pids();
        let first = pids.borrow().unwrap_or_default().to_string();
        let mut child = Command::new(program)
            .args([COMMAND, redis.url(), &first])
            // Says which Redis is guarded now. The pipe closes when this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C in a terminal signals the whole foreground group; the guard must outlive it.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Self {
            _child: child,
            telling: tokio::spawn(tell(pipe, pids)),
        })
    }
}

impl Drop for RedisGuard {
    /// Closes the pipe.
    fn drop(&mut self) {
        self.telling.abort();
    }
}

/// Writes the process id of each Redis, 0 for none, to the guard. Never returns, as the pipe must stay open.
async fn tell(mut pipe: Option<ChildStdin>, mut pids: watch::Receiver<Option<u32>>) {
    while pids.changed().await.is_ok() {
        let line = format!("{}\n", pids.borrow_and_update().unwrap_or_default());
        if let Some(pipe) = &mut pipe
            && let Err(error) = pipe.write_all(line.as_bytes()).await
        {
            tracing::warn!(%error, "the guard of Redis has ended: after a SIGKILL, Redis would keep running");
        }
    }
    std::future::pending().await
}

/// Runs the guard of the Redis at `url` whose process id is `pid`, or the last one that stdin names: waits for the end of stdin, then until
/// only the guard is connected (at most 20 s), then shuts Redis down, which flushes its data.
///
/// # Errors
/// Redis can't be reached.
pub async fn guard(url: &str, mut pid: u32) -> redis::RedisResult<()> {
    let link = RedisLink::new(url).map_err(|error| {
        let kind = redis::ErrorKind::InvalidClientConfig;
        redis::RedisError::from((kind, "its address", error.to_string()))
    })?;
    // Connected early: later, another Redis might have the same address.
    let mut connection = None;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                // An error on this pipe counts as its end.
                let Ok(Some(line)) = line else { break };
                pid = line.parse().unwrap_or_default();
                connection = None;
            }
            connected = connect(&link, pid), if connection.is_none() => connection = Some(connected),
        }
    }
    let mut connection = match connection {
        Some(connection) => connection,
        None => {
            let limit = Duration::from_millis(ANSWER_MS_MAX);
            match tokio::time::timeout(limit, connect(&link, pid)).await {
                Ok(connection) => connection,
                // It has ended itself.
                Err(_) => return Ok(()),
            }
        }
    };
    let give_up = Instant::now() + Duration::from_millis(OTHERS_MS_MAX);
    while field(&mut connection, "clients", "connected_clients")
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

/// Connects to the Redis that runs as process `pid`, once it answers.
async fn connect(link: &RedisLink, pid: u32) -> MultiplexedConnection {
    loop {
        if let Ok(mut connection) = link.dedicated().await
            && let Ok(found) = field(&mut connection, "server", "process_id").await
            && found == Some(u64::from(pid))
        {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

/// A number of a section of INFO, if Redis tells it.
async fn field(
    connection: &mut MultiplexedConnection,
    section: &str,
    name: &str,
) -> redis::RedisResult<Option<u64>> {
    let info: String = redis::cmd("INFO")
        .arg(section)
        .query_async(connection)
        .await?;
    Ok(info::field(&info, name).and_then(|value| value.parse().ok()))
}
