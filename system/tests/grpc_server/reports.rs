//! A server's reports about itself: health by both ways, metrics, and its services by reflection.

use ordershop_grpc::peer::{PeerChannel, PeerConfig, connect};
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use tokio_stream::StreamExt;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::program::{PATIENCE, Program, health, signal, until};

fn channel(url: &str) -> PeerChannel {
    let url = url.to_owned();
    connect(&PeerConfig { url, token: None }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_redis_and_ends_with_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let redis_url = format!("redis+unix://{}/redis.sock", dir.path().display());
    for (name, service) in [
        ("event-store", "ordershop.v1.EventStore"),
        ("message-queue", "ordershop.v1.MessageQueue"),
    ] {
        let listen = format!("unix://{}/{name}", dir.path().display());
        let mut server = Program::start(&[name, "--listen", &listen, "--redis-url", &redis_url]);
        let said = until("an answer", || {
            let (ready, said) = health(&[&listen]);
            assert!(!ready, "{said}");
            said.contains("\"reasons\"").then_some(said)
        })
        .await;
        assert!(said.contains("\"ready\":false"), "{said}");
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut client = HealthClient::new(channel(&listen));
        let mut words = client.watch(request).await.unwrap().into_inner();
        let mut next = async || {
            let word = tokio::time::timeout(PATIENCE, words.next()).await.unwrap();
            word.map(|word: Result<HealthCheckResponse, _>| word.unwrap().status())
        };
        assert_eq!(next().await, Some(ServingStatus::NotServing), "{name}");

        let redis = RedisServer::start(dir.path(), Durability::None)
            .await
            .unwrap();
        assert_eq!(next().await, Some(ServingStatus::Serving), "{name}");
        let (ready, said) = health(&[&listen]);
        assert!(ready, "{said}");
        assert_eq!(server.url().await, listen);

        let told = std::time::Instant::now();
        signal(server.pid(), "-TERM");
        assert_eq!(next().await, Some(ServingStatus::NotServing), "{name}");
        assert_eq!(next().await, None, "{name}: the watch ends");
        assert!(server.ended().await.success());
        // A watcher must not delay the stop until the drain times out, after 10 s.
        assert!(told.elapsed().as_secs() < 8, "{:?}", told.elapsed());
        redis.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_reflection_say_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    for (name, services, metric) in [
        (
            "event-store",
            ["ordershop.v1.EventStore", "eventstore.EventStore"],
            "ordershop_appends_total",
        ),
        (
            "message-queue",
            ["ordershop.v1.MessageQueue", "messagequeue.MessageQueue"],
            "ordershop_queue_depth",
        ),
    ] {
        let args = ["--listen", "127.0.0.1:0", "--redis-url", redis.url()];
        let mut server = Program::start(&[&[name], &args[..]].concat());
        let url = server.url().await;
        let listed = listed(&url).await;
        for service in services.iter().chain(&["grpc.health.v1.Health"]) {
            assert!(listed.iter().any(|name| name == service), "{listed:?}");
        }
        let metrics = get(&url, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        assert!(metrics.contains(metric), "{metrics}");
        assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
        let (_, text) = metrics.split_once("\r\n\r\n").unwrap();
        test_monitoring::accepts_metrics(text);
        server.stop().await;
    }
    redis.stop().await;
}

async fn listed(url: &str) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(url));
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().next().await;
    match answer.unwrap().unwrap().message_response {
        Some(MessageResponse::ListServicesResponse(list)) => list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        other => panic!("{other:?}"),
    }
}

async fn get(url: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}
