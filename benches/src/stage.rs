//! A Redis server for one bench and the runtime of the measured code. Knows how both start and end, not what is measured.

use std::process::exit;

use ordershop_redis::connection::{MultiplexedConnection, RedisLink};
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// A Redis without durability (otherwise the disk would be measured) in its own folder, and a runtime of one worker thread, the default of
/// `ordershop up`. The thread also runs between measurements, so that leases are renewed.
pub struct Stage {
    runtime: Runtime,
    server: RedisServer,
    link: RedisLink,
    _dir: TempDir,
}

impl Stage {
    /// Starts the server. If that fails, prints why and ends the process: a bench can't measure without its Redis.
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
    /// If the future panics.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let done = self.runtime.block_on(self.runtime.spawn(future));
        done.expect("the measured code does not panic")
    }

    /// The address of the server.
    #[must_use]
    pub fn link(&self) -> RedisLink {
        self.link.clone()
    }

    /// A new connection, for commands sent directly.
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

/// Stops the server on a signal: it is in its own process group and would outlive an interrupted bench.
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
        // Redis answers by closing the connection.
        let _: redis::RedisResult<()> = shutdown.query_async(&mut connection).await;
    }
    let _ = std::fs::remove_dir_all(dir);
    exit(130);
}
