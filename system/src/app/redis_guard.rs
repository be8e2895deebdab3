//! Ends our own Redis when whoever started it is gone, however it went: SIGKILL leaves nobody a moment to do it. A process of its own
//! (`ordershop redis-guard`) that holds one end of a pipe and a connection to that Redis. Knows no service.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::redis_connection::RedisLink;

/// The command's name.
pub const COMMAND: &str = "redis-guard";
/// Services that outlive their supervisor may take so long to finish what they have in hand.
const OTHERS_MS_MAX: u64 = 20_000;
/// Between two looks whether they are gone.
const LOOK_MS: u64 = 50;

/// The guard's process; it goes when this does.
#[derive(Debug)]
pub struct RedisGuard {
    _child: Child,
}

impl RedisGuard {
    /// Sets a guard over the Redis at `url`, which answers already; `program` is `ordershop`.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(program: &Path, url: &str) -> std::io::Result<Self> {
        let child = Command::new(program)
            .args([COMMAND, url])
            // Nobody writes to it: it closes when we are gone. The child's handle holds our end.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A Ctrl-C in the terminal goes to the whole foreground group; the guard stays until the end.
            .process_group(0)
            .spawn()?;
        Ok(Self { _child: child })
    }
}

/// The guard's whole life: waits for the end of stdin, then until nobody but itself is connected (at most 20 s), then ends Redis, which
/// flushes what it holds.
///
/// # Errors
/// Redis can't be reached.
pub async fn guard(url: &str) -> redis::RedisResult<()> {
    // Connected before anything goes wrong: later another Redis might stand at the same address.
    let mut connection = RedisLink::new(url)?.dedicated().await?;
    let mut nothing = [0];
    // Whatever else it is, an error on this pipe is an end.
    while tokio::io::stdin().read(&mut nothing).await.unwrap_or(0) > 0 {}
    let give_up = Instant::now() + Duration::from_millis(OTHERS_MS_MAX);
    while clients(&mut connection).await? > 1 && Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    // It answers by closing the connection, which is an error to the client and none to us.
    let _: redis::RedisResult<()> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
    Ok(())
}

async fn clients(connection: &mut MultiplexedConnection) -> redis::RedisResult<u64> {
    let info: String = redis::cmd("INFO")
        .arg("clients")
        .query_async(connection)
        .await?;
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("connected_clients:"));
    Ok(count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0))
}
