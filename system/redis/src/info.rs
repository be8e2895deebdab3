//! Reads a Redis server's product name, version and durability with INFO and CONFIG. Must not know what is stored.

use std::time::Duration;

use ordershop_contract::event_store::ServerInfo;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::RedisLink;
use crate::durability::Durability;

/// Interval between reads: the server may be replaced, or its durability changed, while the system runs.
const ASK_MS: u64 = 5_000;
/// The interval while the server doesn't answer.
const ASK_AGAIN_MS: u64 = 100;

/// Sets the server's durability if `wish` names one, then reads the server's information.
///
/// # Errors
/// The server can't be reached, or refuses the durability.
pub async fn ask(link: &RedisLink, wish: Option<Durability>) -> redis::RedisResult<ServerInfo> {
    let mut connection = link.dedicated().await?;
    if let Some(durability) = wish {
        set(&mut connection, durability).await?;
    }
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await?;
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let valkey = field("valkey_version");
    Ok(ServerInfo {
        server: if valkey.is_some() { "valkey" } else { "redis" }.to_owned(),
        version: valkey
            .or_else(|| field("redis_version"))
            .unwrap_or("unknown")
            .to_owned(),
        durability: durability(&mut connection).await,
    })
}

/// How much of its data a server that is starting has loaded, in whole percent; `None` if it isn't loading.
///
/// # Errors
/// The server can't be reached.
pub async fn loaded_percent(
    connection: &mut impl ConnectionLike,
) -> redis::RedisResult<Option<u8>> {
    let info: String = redis::cmd("INFO")
        .arg("persistence")
        .query_async(connection)
        .await?;
    let percent = |line: &str| {
        let percent: f64 = line
            .strip_prefix("loading_loaded_perc:")?
            .trim()
            .parse()
            .ok()?;
        Some(percent.clamp(0.0, 100.0) as u8)
    };
    Ok(info.lines().find_map(percent))
}

/// Reads the information repeatedly, so that `/health` can show the Redis server whenever it comes up.
pub fn watch(
    stop: &CancellationToken,
    tasks: &TaskTracker,
    link: RedisLink,
    wish: Option<Durability>,
) -> watch::Receiver<ServerInfo> {
    let (sender, receiver) = watch::channel(ServerInfo::default());
    let stop = stop.clone();
    tasks.spawn(async move {
        // A server that was unreachable may be a new one: its durability is set again.
        let mut unset = wish;
        loop {
            let pause_ms = match ask(&link, unset).await {
                Ok(info) => {
                    unset = None;
                    sender.send_if_modified(|before| {
                        let changed = *before != info;
                        *before = info;
                        changed
                    });
                    ASK_MS
                }
                Err(error) => {
                    tracing::warn!(%error, "Redis can't be reached; trying again");
                    unset = wish;
                    ASK_AGAIN_MS
                }
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                () = stop.cancelled() => return,
            }
        }
    });
    receiver
}

async fn set(
    connection: &mut MultiplexedConnection,
    durability: Durability,
) -> redis::RedisResult<()> {
    for (name, value) in durability.settings() {
        redis::cmd("CONFIG")
            .arg("SET")
            .arg(name)
            .arg(value)
            .query_async::<()>(connection)
            .await?;
    }
    Ok(())
}

async fn durability(connection: &mut MultiplexedConnection) -> String {
    let setting = |name: &'static str| {
        let mut connection = connection.clone();
        async move {
            let answer: redis::RedisResult<Vec<String>> = redis::cmd("CONFIG")
                .arg("GET")
                .arg(name)
                .query_async(&mut connection)
                .await;
            answer.ok().and_then(|mut pair| pair.pop())
        }
    };
    match (
        setting("appendonly").await.as_deref(),
        setting("appendfsync").await.as_deref(),
    ) {
        (Some("no"), _) => "none".to_owned(),
        (Some("yes"), Some("always")) => "always".to_owned(),
        (Some("yes"), Some("no")) => "aof without sync".to_owned(),
        (Some("yes"), Some(sync)) => sync.to_owned(),
        _ => "unknown".to_owned(),
    }
}
