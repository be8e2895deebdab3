//! A Redis of somebody else: any configuration, on a Unix socket and, where it is asked for, on a port.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ordershop_redis::connection::RedisLink;
use redis::{RedisResult, Value};
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running redis-server; killed when dropped.
pub struct ForeignRedis {
    child: Child,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    dir: TempDir,
}

impl ForeignRedis {
    /// Starts it with more arguments, and waits until it answers, if only with an error.
    pub async fn start(more: &[&str]) -> Self {
        Self::start_with(more, Vec::new()).await
    }

    /// The same, with environment variables.
    pub async fn start_with(more: &[&str], variables: Vec<(&'static str, String)>) -> Self {
        let dir = TempDir::new().unwrap();
        let socket = dir.path().join("redis.sock").display().to_string();
        let folder = dir.path().display().to_string();
        let own = [
            "--port",
            "0",
            "--save",
            "",
            "--dir",
            &folder,
            "--unixsocket",
            &socket,
        ];
        let arguments = [&own[..], more].concat();
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let child = spawn(&arguments, &variables);
        let redis = Self {
            child,
            arguments,
            variables,
            dir,
        };
        redis.answers().await;
        redis
    }

    /// Kills it and starts it again with the same arguments.
    pub async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.arguments, &self.variables);
        self.answers().await;
    }

    /// Sends its process a signal.
    pub fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("kill").args([name, pid]).status();
        assert!(sent.unwrap().success());
    }

    async fn answers(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.ask(&["PING"]).await {
            if error.code().is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "no answer: {error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its address as the default user.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its address as another user.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("{}?user={user}&pass={password}", self.url())
    }

    /// Sends a command as the default user.
    pub async fn ask(&self, words: &[&str]) -> RedisResult<Value> {
        let link = RedisLink::new(&self.url()).unwrap();
        let mut connection = link.dedicated().await?;
        let mut cmd = redis::Cmd::new();
        for word in words {
            cmd.arg(word);
        }
        cmd.query_async(&mut connection).await
    }

    /// Sends a command that must succeed; returns its answer as text.
    pub async fn tell(&self, words: &[&str]) -> String {
        let answer = self
            .ask(words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        match answer {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => format!("{other:?}"),
        }
    }

    /// A setting.
    pub async fn setting(&self, name: &str) -> String {
        let pair = self.ask(&["CONFIG", "GET", name]).await.unwrap();
        let pair: Vec<String> = redis::from_redis_value(pair).unwrap();
        pair[1].clone()
    }
}

impl Drop for ForeignRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String], variables: &[(&'static str, String)]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A port that is free now, each once, and none of those that the system gives to connections, which would take it before its server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FROM: u32 = 10_000;
    const COUNT: u32 = 20_000;
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        // Tests that run beside each other begin elsewhere.
        let port = FROM + (std::process::id() * 101 + next) % COUNT;
        let port = u16::try_from(port).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
