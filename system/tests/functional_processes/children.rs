//! The processes that a supervisor runs, as the operating system lists them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A running child.
pub struct ChildProcess {
    pub pid: u32,
    arguments: Vec<String>,
}

/// The children of a process. Children may end or start during the call.
pub fn children_of(parent: u32) -> Vec<ChildProcess> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    pids.filter(|&pid| parent_of(pid) == Some(parent))
        .map(|pid| ChildProcess {
            pid,
            arguments: arguments_of(pid),
        })
        .collect()
}

impl ChildProcess {
    pub fn runs(&self, service: &str) -> bool {
        self.arguments.iter().any(|argument| argument == service)
    }

    /// The address that it listens on.
    pub fn listens_at(&self) -> Option<&str> {
        let mut pairs = self.arguments.windows(2);
        let listen = pairs.find(|pair| pair[0] == "--listen")?;
        Some(&listen[1])
    }

    /// Its answer to `GET /metrics`; empty if it listens on no socket.
    pub async fn metrics(&self) -> String {
        let Some(socket) = self
            .listens_at()
            .and_then(|address| address.strip_prefix("unix://"))
        else {
            return String::new();
        };
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

fn arguments_of(pid: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|&byte| byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
