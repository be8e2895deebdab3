//! A Redis of this program's own, which the system reaches through a proxy only. Knows its command line and its log, no command of Redis.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::environment;
use super::guard::SystemGuard;
use super::redis_server::RedisServer;
use crate::processes::REDIS_PROGRAMS;
use loadgen_engine::fault::Proxy;

/// Time limit for accepting connections.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A running Redis behind a proxy; killed when dropped.
pub struct ProxiedRedis {
    proxy: Proxy,
    child: Child,
    guard: Option<Arc<SystemGuard>>,
}

impl Drop for ProxiedRedis {
    fn drop(&mut self) {
        let id = self.child.id();
        // It has nothing to save: its folder is removed.
        if self.child.start_kill().is_ok()
            && let Some((guard, id)) = self.guard.as_ref().zip(id)
        {
            guard.ended(id);
        }
    }
}

impl ProxiedRedis {
    /// Starts it with its files in this folder, and waits until it accepts connections.
    pub async fn start(
        data: &Path,
        durability: &str,
        server: &RedisServer,
        guard: Option<Arc<SystemGuard>>,
    ) -> Result<Self, String> {
        if let RedisServer::Running { shown, .. } = server {
            return Err(format!(
                "the scenario disturbs the network to a Redis that loadgen starts; give a program instead of {shown}"
            ));
        }
        let (append_only, sync) = match durability {
            "none" => ("no", "no"),
            sync => ("yes", sync),
        };
        // Free now; another program would have to take it in this moment.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let address = free.map_err(|e| format!("no port is free: {e}"))?;
        let start = |program: &Path| {
            Command::new(program)
                .env_clear()
                .envs(environment::made(None))
                .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
                .args(["--save", "", "--maxmemory-policy", "noeviction"])
                .args(["--appendonly", append_only, "--appendfsync", sync])
                .arg("--dir")
                .arg(data)
                .arg("--logfile")
                .arg(data.join("redis.log"))
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .ok()
        };
        let child = match server.program() {
            Some(program) => start(program),
            None => REDIS_PROGRAMS
                .iter()
                .find_map(|name| start(Path::new(name))),
        };
        let child = child.ok_or("no redis-server or valkey-server on PATH")?;
        if let Some((guard, id)) = guard.as_ref().zip(child.id()) {
            guard.started(id);
        }
        let up = tokio::time::timeout(UP_WITHIN, accepts(address));
        up.await
            .map_err(|_| format!("it did not accept connections within {UP_WITHIN:?}"))?;
        let proxy = Proxy::start(address).await;
        Ok(Self {
            proxy: proxy.map_err(|e| format!("its proxy: {e}"))?,
            child,
            guard,
        })
    }

    /// The address that the system is given.
    pub fn url(&self) -> String {
        format!("redis://{}", self.proxy.address)
    }

    /// Its process id, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// The proxy.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}

async fn accepts(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
