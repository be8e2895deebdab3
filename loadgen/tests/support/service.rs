//! A service that is not OrderShop: it answers as a test defines, and records its requests.
#![allow(clippy::unwrap_used, dead_code)] // a test fails by panicking; not every test uses everything

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// One request that was received.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// The body as text, as far as it is text.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

/// An answer with headers.
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Asked {
    /// `POST /login`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

type Answer = dyn Fn(&Asked) -> Answered + Send + Sync;

pub struct Service {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Service {
    /// Answers with a status and a body.
    pub fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::answering(move |asked| {
            let (status, body) = answer(asked);
            Answered::new(status, body)
        })
    }

    /// The same, where an answer may wait for another request.
    pub fn start_waiting(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        // The thread that waits hands its other connections on to a new one.
        Self::start(move |asked| tokio::task::block_in_place(|| answer(asked)))
    }

    /// Answers with headers, too.
    pub fn answering(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log): (Arc<Answer>, _) = (Arc::new(answer), asked.clone());
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log) = (answer.clone(), log.clone());
                let service =
                    service_fn(move |request| reply(request, answer.clone(), log.clone()));
                tokio::spawn(async move {
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    connection.await.ok();
                });
            }
        });
        Self {
            url,
            asked,
            _runtime: runtime,
        }
    }

    /// The requests so far, without those to `/metrics` and `/health`, and without the audit's request for events.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let by_scenario = |a: &&Asked| !is_beside(&a.path);
        asked.iter().filter(by_scenario).cloned().collect()
    }

    /// How many requests there were of this method and path.
    pub fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|a| a.line() == line).count()
    }
}

fn is_beside(path: &str) -> bool {
    matches!(path, "/metrics" | "/health") || path.starts_with("/events/")
}

async fn reply(
    request: Request<Incoming>,
    answer: Arc<Answer>,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |v: &hyper::header::HeaderValue| v.to_str().unwrap_or_default().to_owned();
    let bytes = body.collect().await.unwrap().to_bytes().to_vec();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    };
    let answered = match is_beside(&asked.path) {
        true => Answered::new(404, ""),
        false => answer(&asked),
    };
    log.lock().unwrap().push(asked);
    let mut response = Response::builder().status(answered.status);
    for (name, value) in answered.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(answered.body)).unwrap())
}

/// A folder in which the program is run.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn with(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn loadgen(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs the program with these variables in its environment, beside this process's own.
    pub fn loadgen_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        ended(command.envs(environment.iter().copied()).output().unwrap())
    }

    /// Writes a file of bytes.
    pub fn with_bytes(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
        self
    }

    /// Runs a scenario against the service into the folder `out`.
    pub fn run(&self, file: &str, service: &Service, more: &[&str]) -> Ended {
        let arguments = ["run", file, "--target", &service.url, "--out", "out"];
        self.loadgen(&[&arguments, more].concat())
    }

    pub fn report(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.0.path().join("out/report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The results of a run of the program.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// Standard error in one line, without the frame around excerpts.
    pub fn flat(&self) -> String {
        let text = self.stderr.replace(['\n', '│', '×', '╭', '╰'], " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
