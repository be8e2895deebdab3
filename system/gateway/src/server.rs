//! Accepts connections, serves HTTP/1.1 on them within limits for slow clients, drains them at shutdown. Must not know any route.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::config::GatewayConfig;
use super::connections::{Connection, Connections};
use super::state::GatewayState;
use super::watched_stream::{Patience, WatchedStream};

/// A connection that has been idle for less keeps its place: its client may be about to send.
const IDLE_MIN: Duration = Duration::from_secs(1);
/// The pause after a failed accept (for example: out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until a shutdown is requested, then drains.
pub(super) async fn serve(state: &GatewayState, listener: TcpListener, router: Router) {
    let connections = Connections::new();
    let patience = patience(&state.config);
    let kill = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = state.shutdown.cancelled() => break,
            accepted = accept(&listener, &connections, state.config.connections_max) => accepted,
        };
        let Some(stream) = accepted else {
            continue;
        };
        // Nagle's algorithm would hold small answers back until the client acknowledges.
        let _ = stream.set_nodelay(true);
        let place = connections.add();
        let connection = serve_connection(
            router.clone(),
            WatchedStream::new(stream, Arc::clone(&place.connection), patience),
            Arc::clone(&place.connection),
            state.shutdown.clone(),
        );
        let kill = kill.clone();
        state.tasks.spawn(async move {
            tokio::select! {
                () = connection => {}
                () = place.connection.closed.cancelled() => {}
                () = kill.cancelled() => {}
            }
        });
    }
    drop(listener);
    state.tasks.close();
    let drain = Duration::from_millis(state.config.drain_ms);
    if tokio::time::timeout(drain, state.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            tasks = state.tasks.len(),
            "some requests did not end within {} ms; closing their connections",
            state.config.drain_ms
        );
    }
    kill.cancel();
}

fn patience(config: &GatewayConfig) -> Patience {
    Patience {
        head: Duration::from_millis(config.head_timeout_ms),
        idle: Duration::from_millis(config.idle_timeout_ms),
        stall: Duration::from_millis(config.stall_timeout_ms),
    }
}

/// Accepts a connection. When all places are taken, the one that has been idle longest is closed for it.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    connections_max: usize,
) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            connections.make_place(connections_max, IDLE_MIN).await;
            Some(stream)
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // If descriptors have run out, an idle connection has one.
            connections.close_idle(Duration::ZERO);
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve_connection(
    router: Router,
    stream: WatchedStream,
    connection: Arc<Connection>,
    shutdown: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let handled = connection.request();
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            if let Ok(answer) = &answer
                && answer.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                handled.upgrade();
            }
            answer
        }
    });
    let serving = http1::Builder::new()
        // A client may say that it sends nothing more, and still wait for its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
