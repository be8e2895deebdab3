//! Accepts connections, serves HTTP/1.1 on them, drains them at shutdown. Must not know any route.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::state::GatewayState;

/// A connection is closed if no request head arrives within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The pause after a failed accept (for example: out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until a shutdown is requested, then drains.
pub(super) async fn serve(state: &GatewayState, listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(state.config.connections_max));
    let kill = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = state.shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let (connection, kill) = (
            connection(router.clone(), stream, state.shutdown.clone()),
            kill.clone(),
        );
        state.tasks.spawn(async move {
            let _place = place;
            tokio::select! {
                () = connection => {}
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

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(router: Router, stream: TcpStream, shutdown: CancellationToken) {
    // Nagle's algorithm would hold small answers back until the client acknowledges.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
