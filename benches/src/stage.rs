//! A Redis of one's own and the runtime in which the measured code runs. Knows how both start and end, not what is measured.

use std::process::exit;

use ordershop::redis_connection::RedisLink;
use ordershop::redis_server::{Durability, RedisServer};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// A Redis without durability (a disk would be measured instead of the code) in a folder of its own, and a runtime of one worker thread: as many as
/// `ordershop up` has by default. The thread runs between measurements too, so that leases are kept.
pub struct Stage {
    runtime: Runtime,
    server: RedisServer,
    link: RedisLink,
    _dir: TempDir,
}

impl Stage {
    /// Starts the server. Where that fails, says why and ends the process: a bench without its Redis measures nothing.
    #[must_use]
    pub fn start() -> Self {
        match Self::try_start() {
            Ok(stage) => stage,
            Err(why) => {
                eprintln!("error: these benches start a Redis server of their own: {why}");
                exit(2);
            }
        }
    }

    fn try_start() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let dir = tempfile::tempdir()?;
        let server = runtime.block_on(RedisServer::start(dir.path(), Durability::None))?;
        let link = RedisLink::new(server.url())?;
        runtime.spawn(stop_on_signal(link.clone(), dir.path().to_owned()));
        Ok(Self {
            runtime,
            server,
            link,
            _dir: dir,
        })
    }

    /// Runs a future on the worker thread, where the tasks of the store and the queue run.
    ///
    /// # Panics
    /// Where the future does.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let done = self.runtime.block_on(self.runtime.spawn(future));
        done.expect("the measured code does not panic")
    }

    /// Where the server is.
    #[must_use]
    pub fn link(&self) -> RedisLink {
        self.link.clone()
    }

    /// A connection of one's own, for bare commands.
    ///
    /// # Panics
    /// The server doesn't answer.
    #[must_use]
    pub fn connection(&self) -> MultiplexedConnection {
        let link = self.link();
        self.run(async move { link.dedicated().await.expect("the server answers") })
    }

    /// Stops the server.
    pub fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }
}

/// The server is in a process group of its own and would outlive a bench that is interrupted.
async fn stop_on_signal(link: RedisLink, dir: std::path::PathBuf) {
    let (Ok(mut interrupted), Ok(mut terminated)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    if let Ok(mut connection) = link.dedicated().await {
        let mut shutdown = redis::cmd("SHUTDOWN");
        shutdown.arg("NOSAVE");
        // It answers by closing the connection.
        let _: redis::RedisResult<()> = shutdown.query_async(&mut connection).await;
    }
    let _ = std::fs::remove_dir_all(dir);
    exit(130);
}
