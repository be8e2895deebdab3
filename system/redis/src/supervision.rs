//! Supervision of a Redis server of our own: one that ends is started again on the same data, at the same address. Loading its data may take
//! as long as it takes. Must not know what is stored in it.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::durability::Durability;
use crate::server::{RedisServer, RedisServerError, loaded};
use ordershop_contract::backoff::Backoff;

/// A server that ran this long started successfully: the pause before its next start is short again.
const STEADY_MS: u64 = 5_000;

/// A private server that is started again whenever it ends. Killed when dropped; use [`SupervisedRedis::stop`] to flush its data first.
#[derive(Debug)]
pub struct SupervisedRedis {
    url: String,
    /// The server's process id; `None` between two of its lives.
    pids: watch::Receiver<Option<u32>>,
    stop: CancellationToken,
    supervision: JoinHandle<Option<RedisServer>>,
}

impl SupervisedRedis {
    /// Starts a server as [`RedisServer::launch`] does: it may still be loading its data.
    ///
    /// # Errors
    /// The first start fails: no server is installed, the folder can't be used or stays locked for 20 s, or the server ends or doesn't
    /// answer within 30 s. Later starts are repeated without limit.
    pub async fn start(dir: &Path, durability: Durability) -> Result<Self, RedisServerError> {
        let server = RedisServer::launch(dir, durability).await?;
        let url = server.url().to_owned();
        let (sender, pids) = watch::channel(server.pid());
        let stop = CancellationToken::new();
        let supervision = tokio::spawn(supervise(server, durability, sender, stop.clone()));
        Ok(Self {
            url,
            pids,
            stop,
            supervision,
        })
    }

    /// The server's address, the same in all its lives: `redis+unix:///…`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process id, as it changes; `None` while there is no server.
    #[must_use]
    pub fn pids(&self) -> watch::Receiver<Option<u32>> {
        self.pids.clone()
    }

    /// Stops the server cleanly: its data are flushed to disk under the chosen durability. Killed after 20 s.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Ok(Some(server)) = (&mut self.supervision).await {
            server.stop().await;
        }
    }
}

impl Drop for SupervisedRedis {
    /// Drops the server with its supervision, which kills it.
    fn drop(&mut self) {
        self.supervision.abort();
    }
}

/// Starts the server again whenever it ends; returns it when it is to be stopped, `None` if there is none then.
async fn supervise(
    mut server: RedisServer,
    durability: Durability,
    pids: watch::Sender<Option<u32>>,
    stop: CancellationToken,
) -> Option<RedisServer> {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let url = server.url().to_owned();
        // Tells its progress until it has loaded.
        let loading = tokio::spawn(async move { loaded(&url).await });
        let how = tokio::select! {
            how = server.ended() => how,
            () = stop.cancelled() => {
                loading.abort();
                return Some(server);
            }
        };
        loading.abort();
        pids.send_replace(None);
        if began.elapsed() > Duration::from_millis(STEADY_MS) {
            backoff.reset();
        }
        tracing::error!(how, "our Redis ended; it is started again on the same data");
        server = loop {
            let again = async {
                backoff.wait().await;
                server.launch_again(durability).await
            };
            match stop.run_until_cancelled(again).await? {
                Ok(server) => break server,
                Err(error) => {
                    tracing::error!(%error, "our Redis can't be started again; trying on")
                }
            }
        };
        tracing::info!(pid = server.pid(), "our Redis was started again");
        pids.send_replace(server.pid());
    }
}
