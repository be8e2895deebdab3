//! Accepts connections, serves HTTP/1.1 on them within limits for slow clients, drains them at shutdown. Must not know any route.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use futures_util::FutureExt;
use futures_util::future::Either;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::config::GatewayConfig;
use super::connections::{Connection, Connections};
use super::early_refusal;
use super::state::GatewayState;
use super::turnstile::{self, Turnstile};
use super::watched_body::WatchedBody;
use super::watched_stream::{Patience, WatchedStream};

/// A connection that has been idle for less keeps its place: its client may be about to send.
const IDLE_MIN: Duration = Duration::from_secs(1);
/// The new connections that are served from one turn on; one while requests wait for their turn.
const SERVED_PER_TURN: usize = 8;

/// Serves until a shutdown is requested, then drains.
pub(super) async fn serve(state: &Arc<GatewayState>, listener: TcpListener, router: Router) {
    let connections = Connections::new();
    let patience = patience(&state.config);
    let turnstile = Arc::<Turnstile>::default();
    let kill = CancellationToken::new();
    let turns = tokio::spawn({
        let turnstile = Arc::clone(&turnstile);
        async move { turnstile.run().await }
    });
    let mut arrivals = Arrivals::new(listener);
    loop {
        tokio::select! {
            biased;
            () = state.shutdown.cancelled() => break,
            () = arrivals.accept(&connections) => {}
        }
        // New connections cost more than reads: those that are there go first.
        turnstile::turn().await;
        let served_max = match turnstile.is_crowded() {
            true => 1,
            false => SERVED_PER_TURN,
        };
        let mut served = 0;
        while served < served_max
            && let Some(stream) = arrivals.next()
        {
            served += 1;
            let place = connections.make_place(state.config.connections_max, IDLE_MIN);
            if state.shutdown.run_until_cancelled(place).await.is_none() {
                break;
            }
            // Nagle's algorithm would hold small answers back until the client acknowledges.
            let _ = stream.set_nodelay(true);
            let place = connections.add();
            let connection = serve_connection(
                router.clone(),
                Arc::clone(state),
                WatchedStream::new(
                    stream,
                    Arc::clone(&place.connection),
                    patience,
                    Arc::clone(&turnstile),
                ),
                Arc::clone(&place.connection),
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
    }
    drop(arrivals);
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
    turns.abort();
}

fn patience(config: &GatewayConfig) -> Patience {
    Patience {
        head: Duration::from_millis(config.head_timeout_ms),
        idle: Duration::from_millis(config.idle_timeout_ms),
        stall: Duration::from_millis(config.stall_timeout_ms),
    }
}

async fn serve_connection(
    router: Router,
    state: Arc<GatewayState>,
    stream: WatchedStream,
    connection: Arc<Connection>,
) {
    let router = TowerToHyperService::new(router);
    let (shutdown, stopping) = (state.shutdown.clone(), state.shutdown.clone());
    let last_request = Duration::from_millis(state.config.last_request_ms);
    let served = Arc::clone(&connection);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let handled = served.request();
        let request = request.map(WatchedBody::new);
        let unread = request.body().unread();
        let answer = if early_refusal::refuses(&request, handled.refused, &state) {
            Either::Left(early_refusal::answer(request.map(Body::new), &state).map(Ok))
        } else {
            Either::Right(router.call(request))
        };
        let stopping = stopping.clone();
        async move {
            let mut answer = answer.await;
            if let Ok(answer) = &mut answer {
                unread.tell(answer);
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    handled.upgrade();
                } else if stopping.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
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
            // A request may be on its way. It is still answered, and the answer says that it is the last.
            let is_in_use = connection.idle().is_some_and(|idle| idle < IDLE_MIN);
            let wait = if is_in_use { last_request } else { Duration::ZERO };
            match tokio::time::timeout(wait, serving.as_mut()).await {
                Ok(ended) => ended,
                Err(_) => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
