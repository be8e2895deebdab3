//! With a certificate and a token: only clients that trust the one and send the other are accepted.

use std::time::{Duration, Instant};

use ordershop_contract::secret::Secret;
use ordershop_grpc::peer::{PeerConfig, connect_trusting};
use ordershop_grpc::proto::ordershop::DescribeRequest;
use ordershop_grpc::proto::ordershop::event_store_client::EventStoreClient;
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use tonic::Code;

use crate::authority::Authority;
use crate::program::{PATIENCE, Program, health, ordershop, run, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_trusts_the_authority_and_shows_the_token_gets_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let (authority, other) = (
        Authority::new(dir.path(), "one"),
        Authority::new(dir.path(), "other"),
    );
    let mut server = Program::start(&[
        "event-store",
        "--listen",
        "127.0.0.1:0",
        "--redis-url",
        redis.url(),
        "--tls-cert",
        &authority.cert,
        "--tls-key",
        &authority.key,
        "--token",
        "secret",
    ]);
    let url = server.url().await;
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let ask = async |ca: &str, token: Option<&str>| {
        let peer = PeerConfig {
            url: url.clone(),
            token: token.map(Secret::from),
        };
        let ca = std::fs::read_to_string(ca).unwrap();
        let channel = connect_trusting(&peer, Some(&ca)).unwrap();
        let asked = EventStoreClient::new(channel)
            .describe(DescribeRequest {})
            .await;
        asked.map(|answer| answer.into_inner().server)
    };
    let rows = [
        (&authority.ca, Some("secret"), Ok("redis")),
        (&authority.ca, Some("Secret"), Err(Code::Unauthenticated)),
        (&authority.ca, Some("secret2"), Err(Code::Unauthenticated)),
        (&authority.ca, Some(""), Err(Code::Unauthenticated)),
        (&authority.ca, None, Err(Code::Unauthenticated)),
        (&other.ca, Some("secret"), Err(Code::Unavailable)),
    ];
    for (ca, token, expected) in rows {
        // The Redis's identity is known a little later than its readiness.
        let deadline = Instant::now() + PATIENCE;
        let seen = loop {
            let seen = ask(ca, token).await;
            if !matches!(seen.as_deref(), Ok("")) || Instant::now() > deadline {
                break seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        match (seen, expected) {
            (Ok(server), Ok(_)) => assert!(["redis", "valkey"].contains(&server.as_str())),
            (Err(status), Err(code)) => assert_eq!(status.code(), code, "{status}"),
            (seen, _) => panic!("{ca} {token:?}: {seen:?}"),
        }
    }
    // Without TLS no request is accepted either.
    let plain = url.replace("https://", "http://");
    assert!(!health(&[&plain]).0);
    // The `ordershop health` command.
    let (ready, said) = health(&[&url, "--tls-ca", &authority.ca]);
    assert!(ready, "{said}");
    let (ready, said) = health(&[&url, "--tls-ca", &other.ca]);
    assert!(!ready && said.contains("certificate"), "{said}");
    let (ready, said) = health(&[&url]);
    assert!(!ready && said.contains("--tls-ca"), "{said}");
    let listen = url.trim_start_matches("https://");
    let (code, said) = run(ordershop(&["health"])
        .env("LISTEN", listen)
        .env("TLS_CERT", &authority.cert)
        .env("TLS_CA", &authority.ca));
    assert_eq!(code, Some(0), "{said}");
    server.stop().await;
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_the_wrong_token_is_not_ready_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let socket = |name: &str| format!("unix://{}", dir.path().join(name).display());
    let (events, queue, service) = (socket("events"), socket("queue"), socket("service"));
    let start = |args: &[&str]| Program::start(args);
    let server = |name, listen: &str| {
        let args = [name, "--listen", listen, "--redis-url", redis.url()];
        start(&[&args[..], &["--token", "secret"]].concat())
    };
    let (mut store, mut messages) = (
        server("event-store", &events),
        server("message-queue", &queue),
    );
    store.ready().await;
    messages.ready().await;
    let args = [
        "order-service",
        "--listen",
        &service,
        "--event-store-url",
        &events,
        "--message-queue-url",
        &queue,
    ];
    let with = |token: &str| start(&[&args[..], &["--token", token]].concat());
    let wrong = with("guessed");
    until("the reason", || {
        let (ready, said) = health(&[&service]);
        assert!(!ready, "{said}");
        said.contains("token").then_some(())
    })
    .await;
    wrong.stop().await;
    let mut right = with("secret");
    assert_eq!(right.url().await, service);
    assert!(health(&[&service]).0);
    for program in [right, messages, store] {
        program.stop().await;
    }
    redis.stop().await;
}
