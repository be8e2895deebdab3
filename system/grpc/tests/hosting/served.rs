//! A gRPC server that can be killed and started again at the same address. It runs on a runtime of its own, which ends with it.

use std::path::PathBuf;
use std::sync::Arc;

use ordershop_grpc::connection::Tracked;
use ordershop_grpc::peer::{PeerChannel, PeerConfig, connect};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

/// The address on which a server listens.
#[derive(Clone)]
pub enum Address {
    Socket(PathBuf),
    /// A port that the system chooses the first time; the same port after that.
    Tcp(Arc<std::sync::OnceLock<u16>>),
}

impl Address {
    pub fn tcp() -> Self {
        Self::Tcp(Arc::default())
    }

    pub fn channel(&self) -> PeerChannel {
        let url = match self {
            Self::Socket(path) => format!("unix://{}", path.display()),
            Self::Tcp(port) => format!("http://127.0.0.1:{}", port.get().unwrap()),
        };
        connect(&PeerConfig { url, token: None }).unwrap()
    }
}

/// A running server.
pub struct Served {
    runtime: Option<Runtime>,
    pub drain: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<()>,
}

impl Served {
    /// Serves `routes`, which gets the token that says when streams must end.
    pub fn start(address: &Address, routes: impl FnOnce(CancellationToken) -> Routes) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let drain = CancellationToken::new();
        let router = Server::builder().add_routes(routes(drain.clone()));
        let stop = drain.clone().cancelled_owned();
        let (end, ended) = tokio::sync::oneshot::channel();
        let guard = runtime.enter();
        match address {
            Address::Socket(path) => {
                let _ = std::fs::remove_file(path);
                let listener = UnixListener::bind(path).unwrap();
                let sockets = UnixListenerStream::new(listener).map(|s| s.map(Tracked::new));
                runtime.spawn(async move {
                    router
                        .serve_with_incoming_shutdown(sockets, stop)
                        .await
                        .unwrap();
                    let _ = end.send(());
                });
            }
            Address::Tcp(port) => {
                let at = ("127.0.0.1", port.get().copied().unwrap_or(0));
                let listener = std::net::TcpListener::bind(at).unwrap();
                port.get_or_init(|| listener.local_addr().unwrap().port());
                listener.set_nonblocking(true).unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                let sockets = TcpListenerStream::new(listener).map(|s| s.map(Tracked::new));
                runtime.spawn(async move {
                    router
                        .serve_with_incoming_shutdown(sockets, stop)
                        .await
                        .unwrap();
                    let _ = end.send(());
                });
            }
        }
        drop(guard);
        Self {
            runtime: Some(runtime),
            drain,
            ended,
        }
    }

    /// Kills the server: its connections break.
    pub fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    /// Stops the server, and waits until every stream has ended.
    pub async fn stop(mut self) {
        self.drain.cancel();
        (&mut self.ended).await.unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
