//! A sentinel that watches one master, `shop`.

use std::process::{Child, Command, Stdio};

use ordershop_redis::connection::RedisLink;
use tempfile::TempDir;

use crate::redis_server::free_port;

/// A running sentinel; killed when dropped.
pub struct Sentinel {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Sentinel {
    /// Watches the master on a port. A master that is silent for two seconds is replaced; on a busy machine less is a false alarm.
    pub fn start(master: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let (port, folder) = (free_port(), dir.path().display());
        let lines = format!(
            "port {port}\ndir {folder}\nsentinel monitor shop 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds shop 2000\nsentinel failover-timeout shop 5000\n"
        );
        let file = dir.path().join("sentinel.conf");
        std::fs::write(&file, lines).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            _dir: dir,
        }
    }

    /// The address of the master, by this sentinel.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/shop", self.port)
    }

    /// A field of what it knows of the master; `None` while it doesn't answer.
    pub async fn told(&self, field: &str) -> Option<String> {
        let link = RedisLink::new(&format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = link.dedicated().await.ok()?;
        let mut cmd = redis::cmd("SENTINEL");
        cmd.arg("MASTER").arg("shop");
        let told: Vec<(String, String)> = cmd.query_async(&mut connection).await.ok()?;
        told.into_iter()
            .find_map(|(name, value)| (name == field).then_some(value))
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
