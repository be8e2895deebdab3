//! A script that publishes, listens, asks and serves, with processes of its own that are killed.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use ordershop::telemetry::Metrics;
use ordershop_contract::worker::ServiceContext;
use ordershop_grpc::connection::Tracked;
use ordershop_original::{OriginalEventStore, OriginalMessageQueue};
use ordershop_read_model::{self as read_model, ProjectionConfig};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};
use ordershop_redis::server::RedisServer;
use ordershop_services::ProductService;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;

use crate::python::{python, script};

/// The timeout of the whole script on a slow machine.
const SCRIPT_MAX: Duration = Duration::from_secs(180);

/// Starts both servers, each on a port of its own, and the services that the script calls.
async fn start_shop(redis: &RedisServer) -> [SocketAddr; 2] {
    let link = RedisLink::new(redis.url()).unwrap();
    let metrics = Metrics::default();
    let config = EventStoreConfig::default();
    let events = RedisEventStore::start(link.clone(), &metrics.appends, config);
    let queue =
        RedisMessageQueue::start(link.clone(), metrics.queues.clone(), QueueConfig::default());
    let context = ServiceContext {
        queue: Arc::clone(&queue) as _,
        events: Arc::clone(&events) as _,
        metrics: metrics.queues,
        instance: "python-test".to_owned(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    ordershop_services::start::<ProductService>(&context);
    read_model::start(&context, &link, ProjectionConfig::default());
    let drain = CancellationToken::new();
    let (event_listener, message_listener) = (listen().await, listen().await);
    let addresses = [&event_listener, &message_listener].map(|one| one.local_addr().unwrap());
    let events = OriginalEventStore::new(events, drain.clone()).into_server();
    let messages = OriginalMessageQueue::new(queue, drain).into_server();
    let incoming =
        |listener| TcpListenerStream::new(listener).map(|socket| socket.map(Tracked::new));
    let events = Server::builder().add_service(events);
    let messages = Server::builder().add_service(messages);
    tokio::spawn(events.serve_with_incoming(incoming(event_listener)));
    tokio::spawn(messages.serve_with_incoming(incoming(message_listener)));
    addresses
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_python_publishes_listens_asks_and_serves() {
    let Some(python) = python("the first OrderShop's contracts") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(&dir.path().join("redis"), Durability::None)
        .await
        .unwrap();
    let addresses = start_shop(&redis).await;
    let addresses = addresses.map(|address| address.to_string());
    let stubs = dir.path().join("stubs");
    let script = script(&python, "contract.py", &stubs, addresses)
        .stderr(Stdio::piped())
        .output();
    let output = tokio::time::timeout(SCRIPT_MAX, script).await;

    let output = output.expect("the script ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("all held"), "{said}\n{errors}");
}
