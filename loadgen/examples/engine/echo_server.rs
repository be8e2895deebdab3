//! A small server to measure against: one thread, hyper, answers `hello` to every request. It prints its URL when it is ready. On
//! request it logs when each answer was ready: the true times that a generator's figures are compared with.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How the server answers.
#[derive(clap::Args)]
pub struct ServerOptions {
    /// Every answer takes this long, in ms
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// At its end, write to this file when each answer was ready (ns of the monotonic clock, 8 bytes each)
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// The monotonic clock, which all processes of the machine share and nobody can set.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Serves until SIGTERM.
pub fn serve(options: ServerOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(listen(options))
}

async fn listen(options: ServerOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut ended = signal(SignalKind::terminate())?;
    println!("ready: http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let answered: Rc<RefCell<Vec<u64>>> = Rc::default();
    let logs = options.log.is_some();
    let delay = Duration::from_millis(options.delay_ms);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = ended.recv() => break,
        };
        stream.set_nodelay(true)?;
        let answered = answered.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answered = answered.clone();
            // A generator may request /health and /metrics besides its load.
            let logs = logs && request.uri().path() == "/";
            async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                if logs {
                    answered.borrow_mut().push(monotonic_ns());
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            }
        });
        tokio::task::spawn_local(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
    if let Some(path) = options.log {
        let bytes: Vec<u8> = answered
            .borrow()
            .iter()
            .flat_map(|ns| ns.to_le_bytes())
            .collect();
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
