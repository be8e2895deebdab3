//! A private Redis (or Valkey) server as a child process: for `ordershop up` without a Redis address, for tests and benches.
//! Must not know what is stored in it.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::process::{Child, Command};

use crate::address::RedisUrl;
use crate::connection::RedisLink;
use crate::durability::Durability;
use crate::info;

/// The append-only file is not rewritten below this size. It consists mostly of streams, so that a rewrite saves little; Redis's default
/// of 64mb caused a rewrite every few seconds under load, each taking half a core.
const REWRITE_MIN: &str = "1gb";
/// The file that is locked as long as a server uses the folder.
const LOCK: &str = "redis.lock";
/// The name of the server's log in its folder.
const LOG: &str = "redis.log";
/// A server that doesn't answer at all within this has failed to start. One that is loading its data answers so, and has no limit.
const START_TIMEOUT_MS: u64 = 30_000;
/// Interval between looks at a server that starts.
const LOOK_MS: u64 = 10;
/// Interval between log lines about a server that is loading.
const TELL_LOADING_MS: u64 = 5_000;
/// A server that doesn't end within this after `SHUTDOWN` is killed.
const STOP_TIMEOUT_MS: u64 = 20_000;

/// Why the private server didn't start.
#[derive(Debug, thiserror::Error)]
pub enum RedisServerError {
    /// Neither `redis-server` nor `valkey-server` was found.
    #[error(
        "no redis-server or valkey-server on PATH: install one (apt install redis-server, brew install redis), or name a running one with --redis-url"
    )]
    NotInstalled,
    /// The data folder can't be used.
    #[error("the data folder {0}: {1}")]
    DataDir(PathBuf, std::io::Error),
    /// Another server keeps the data folder locked.
    #[error(
        "the data folder {0} is in use by another Redis: stop the OrderShop that started it, or name another folder with --data-dir"
    )]
    InUse(PathBuf),
    /// The process didn't start.
    #[error("{0} did not start: {1}")]
    Spawn(PathBuf, std::io::Error),
    /// The server ended at once, or never answered.
    #[error("{program} in {dir} did not start: {reason}; its log: {log}")]
    NotUp {
        /// The server's program.
        program: PathBuf,
        /// The server's data folder.
        dir: PathBuf,
        /// How the start failed.
        reason: String,
        /// The end of the server's log.
        log: String,
    },
}

/// A private server. Killed when dropped; use [`RedisServer::stop`] to flush its data first.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    program: PathBuf,
    url: RedisUrl,
    socket: PathBuf,
    dir: PathBuf,
}

impl RedisServer {
    /// Starts a server on a private Unix socket, with its files in `dir` (created if missing), and waits until it has loaded the data there,
    /// however long that takes.
    ///
    /// # Errors
    /// As [`RedisServer::launch`]; or the server ends while it is loading.
    pub async fn start(dir: &Path, durability: Durability) -> Result<Self, RedisServerError> {
        let mut server = Self::launch(dir, durability).await?;
        let url = server.url().to_owned();
        let ended = tokio::select! {
            () = loaded(&url) => return Ok(server),
            ended = server.ended() => ended,
        };
        Err(server.not_up(ended))
    }

    /// Starts a server on a private Unix socket, with its files in `dir` (created if missing), and waits until it answers. It may be loading
    /// the data there still.
    ///
    /// # Errors
    /// No server is installed, the folder can't be used or stays locked for 20 s, or the server ends or doesn't answer within 30 s.
    pub async fn launch(dir: &Path, durability: Durability) -> Result<Self, RedisServerError> {
        let unusable = |error| RedisServerError::DataDir(dir.to_owned(), error);
        let dir = private_folder(dir).map_err(unusable)?;
        let socket = socket_path(&dir);
        Self::launch_at(dir, socket, durability).await
    }

    /// Starts a server in the same folder at the same address, after this one has ended.
    ///
    /// # Errors
    /// As [`RedisServer::launch`].
    pub async fn launch_again(&self, durability: Durability) -> Result<Self, RedisServerError> {
        Self::launch_at(self.dir.clone(), self.socket.clone(), durability).await
    }

    async fn launch_at(
        dir: PathBuf,
        socket: PathBuf,
        durability: Durability,
    ) -> Result<Self, RedisServerError> {
        let program = find_program().ok_or(RedisServerError::NotInstalled)?;
        // Nobody else may read what the server writes; only a shell can set that for a child without unsafe code.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 077; exec \"$0\" \"$@\""])
            .arg(&program)
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .args(["--maxmemory-policy", "noeviction"])
            .args(
                durability
                    .settings()
                    .into_iter()
                    .flat_map(|(name, value)| [format!("--{name}"), value.to_owned()]),
            )
            .args(["--auto-aof-rewrite-min-size", REWRITE_MIN])
            .arg("--unixsocket")
            .arg(&socket)
            .args(["--unixsocketperm", "700"])
            .arg("--dir")
            .arg(&dir)
            .arg("--logfile")
            .arg(dir.join(LOG))
            // The server never reads this file but holds it open: the folder stays locked exactly as long as the server lives.
            .stdin(Stdio::from(lock(&dir).await?))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal signals the whole foreground group; the server must outlive the drain.
            .process_group(0)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|e| RedisServerError::Spawn(program.clone(), e))?;
        let mut server = Self {
            child,
            program,
            url: RedisUrl::unix(&socket),
            socket,
            dir,
        };
        match server.until_it_answers().await {
            Ok(()) => Ok(server),
            Err(reason) => {
                let _ = server.child.kill().await;
                Err(server.not_up(reason))
            }
        }
    }

    async fn until_it_answers(&mut self) -> Result<(), String> {
        let link = RedisLink::new(self.url()).map_err(|e| e.to_string())?;
        let deadline = tokio::time::Instant::now() + Duration::from_millis(START_TIMEOUT_MS);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            let Err(error) = ping(&link).await else {
                return Ok(());
            };
            if is_loading(&error) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("no answer within {START_TIMEOUT_MS} ms: {error}"));
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }

    /// Waits until the server has ended; says how.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("it ended with {status}"),
            Err(error) => error.to_string(),
        }
    }

    fn not_up(&self, reason: String) -> RedisServerError {
        let text = std::fs::read_to_string(self.dir.join(LOG)).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(5).collect();
        RedisServerError::NotUp {
            program: self.program.clone(),
            dir: self.dir.clone(),
            reason,
            log: tail.into_iter().rev().collect::<Vec<_>>().join(" | "),
        }
    }

    /// The server's address: `redis+unix:///…`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.reveal()
    }

    /// The server's data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The server's process id, for signals in tests; `None` once the server has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops the server cleanly: its data are flushed to disk under the chosen durability. Killed after 20 s.
    pub async fn stop(mut self) {
        if let Ok(link) = RedisLink::new(self.url())
            && let Ok(mut connection) = link.dedicated().await
        {
            // Redis answers by closing the connection, which the client reports as an error; ignore it.
            let _: redis::RedisResult<()> =
                redis::cmd("SHUTDOWN").query_async(&mut connection).await;
        }
        let ended = tokio::time::timeout(Duration::from_millis(STOP_TIMEOUT_MS), self.child.wait());
        if ended.await.is_err() {
            tracing::warn!(dir = %self.dir.display(), "Redis did not stop in time; killing it");
            let _ = self.child.kill().await;
        }
    }
}

/// Creates the folder where it is missing, for its owner alone, and returns its real path. A folder that is there is closed to others if
/// it is ours already, or empty; one with other files in it belongs to somebody, who decides who may look into it.
fn private_folder(dir: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = dir.canonicalize()?;
    let open_to_others = dir.metadata()?.permissions().mode() & 0o077 != 0;
    if open_to_others {
        if dir.join(LOCK).exists() || std::fs::read_dir(&dir)?.next().is_none() {
            std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        } else {
            tracing::warn!(dir = %dir.display(), "others may look into the data folder, as it has other files in it; the server's files are closed to them");
        }
    }
    Ok(dir)
}

/// Locks the folder for one server: two servers that append to the same file would destroy it. Waits for a server that is ending.
async fn lock(dir: &Path) -> Result<File, RedisServerError> {
    let unusable = |error| RedisServerError::DataDir(dir.to_owned(), error);
    let mut options = File::options();
    options.create(true).write(true).truncate(true).mode(0o600);
    let file = options.open(dir.join(LOCK)).map_err(unusable)?;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(STOP_TIMEOUT_MS);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() > deadline => {
                return Err(RedisServerError::InUse(dir.to_owned()));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    ["redis-server", "valkey-server"].iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    })
}

/// The socket's path: in the data folder, or in the temporary folder if the path would exceed the limit of about 100 bytes.
fn socket_path(dir: &Path) -> PathBuf {
    const SOCKET_PATH_BYTES_MAX: usize = 100;
    let inside = dir.join("redis.sock");
    if inside.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return inside;
    }
    std::env::temp_dir().join(format!("ordershop-{}.sock", uuid::Uuid::now_v7().simple()))
}

async fn ping(link: &RedisLink) -> redis::RedisResult<()> {
    let mut connection = link.dedicated().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

fn is_loading(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// Waits until the server at `url` has loaded its data; tells the progress from time to time.
pub(crate) async fn loaded(url: &str) {
    let Ok(link) = RedisLink::new(url) else {
        return;
    };
    let mut told = tokio::time::Instant::now();
    while ping(&link).await.is_err() {
        if told.elapsed() > Duration::from_millis(TELL_LOADING_MS)
            && let Ok(mut connection) = link.dedicated().await
            && let Ok(Some(percent)) = info::loaded_percent(&mut connection).await
        {
            tracing::info!("Redis is loading its data, {percent} %");
            told = tokio::time::Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
