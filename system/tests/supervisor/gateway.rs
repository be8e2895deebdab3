//! The gateway's options and limits reach it in both ways of running: in one process, and with a process a service.

use std::net::TcpStream as StdTcpStream;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::children::children_of;
use crate::program::{PATIENCE, Program, ordershop};

const MODES: [&[&str]; 2] = [&[], &["--processes"]];

/// The status of a request with these header lines.
async fn status(url: &str, method: &str, path: &str, headers: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let asked = tokio::time::timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    });
    let answer = asked.await.expect("no answer came");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_origins_that_are_allowed_are_served_and_no_others() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
        let more = ["--allowed-host", "a.example,shop.example"];
        let mut command = ordershop(&[&args, &more[..], mode].concat());
        command.env("ALLOWED_ORIGIN", "https://desk.example");
        let mut program = Program::spawn(command);
        let url = program.url().await;
        for (host, expected) in [("shop.example", "200"), ("evil.example", "403")] {
            let headers = format!("host: {host}\r\n");
            let status = status(&url, "GET", "/health", &headers).await;
            assert_eq!(status, expected, "{mode:?} {host}");
        }
        for (origin, expected) in [
            ("https://desk.example", "404"),
            ("https://b.example", "403"),
        ] {
            let headers = format!("host: x\r\norigin: {origin}\r\n");
            let status = status(&url, "DELETE", "/customer/1", &headers).await;
            assert_eq!(status, expected, "{mode:?} {origin}");
        }
        program.stop().await;
    }
}

/// The command after `ulimit` with these arguments.
fn limited(limit: &str, args: &[&str]) -> Command {
    let inner = ordershop(args);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit {limit} && exec \"$0\" \"$@\""))
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped());
    command
}

/// The soft and the hard limit of a process's open files; `None` on a system without procfs.
fn limits(pid: u32) -> Option<(String, String)> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let mut words = line.split_whitespace().skip(3).map(str::to_owned);
    Some((words.next()?, words.next()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_open_files_is_raised_to_the_hard_one() {
    for mode in MODES {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
        let mut program = Program::spawn(limited("-Sn 128", &[&args, mode].concat()));
        program.ready().await;
        let gateway = children_of(program.pid())
            .into_iter()
            .find(|one| one.is("api-gateway"));
        let pid = gateway.map_or(program.pid(), |one| one.pid);
        if let Some((soft, hard)) = limits(pid) {
            assert_eq!(soft, hard, "{mode:?}");
        }
        program.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_idle_connections_than_files_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut program = Program::spawn(limited("-n 256", &args));
    let url = program.url().await;
    let address = url.strip_prefix("http://").unwrap();
    let idle: Vec<StdTcpStream> = (0..300)
        .map(|_| StdTcpStream::connect(address).unwrap())
        .collect();
    for path in ["/health", "/customers"] {
        assert_eq!(
            status(&url, "GET", path, "host: x\r\n").await,
            "200",
            "{path}"
        );
    }
    drop(idle);
    program.stop().await;
}
