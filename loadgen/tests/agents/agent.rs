//! An agent as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::program::{eventually, signal};

/// An agent on a free port; killed when it is dropped.
pub struct Agent {
    pub address: String,
    pub child: Child,
    said: Arc<Mutex<String>>,
}

impl Agent {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::at("127.0.0.1", arguments)
    }

    /// Two agents, as if on two machines: each has an address of its own where the platform has several for loopback.
    pub fn pair() -> [Self; 2] {
        ["127.0.0.2", "127.0.0.3"].map(|own| {
            let address = match TcpListener::bind((own, 0)) {
                Ok(_) => own,
                Err(_) => "127.0.0.1",
            };
            Self::at(address, &[])
        })
    }

    fn at(address: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(["agent", "--listen", &format!("{address}:0")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("agent: ").unwrap();
        let address = address.split_once(' ').unwrap().0.to_owned();
        let said = Arc::<Mutex<String>>::default();
        let (mut errors, told) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(length @ 1..) = errors.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..length]);
                told.lock().unwrap().push_str(&text);
            }
        });
        Self {
            address,
            child,
            said,
        }
    }

    /// Waits until it has said this so many times on standard error.
    pub fn says(&self, text: &str, times: usize) {
        eventually(text, || self.said(text) >= times);
    }

    /// How many times it has said this so far.
    pub fn said(&self, text: &str) -> usize {
        self.said.lock().unwrap().matches(text).count()
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Their addresses, for `--agents`.
pub fn addresses(agents: &[&Agent]) -> String {
    let all: Vec<&str> = agents.iter().map(|agent| agent.address.as_str()).collect();
    all.join(",")
}
