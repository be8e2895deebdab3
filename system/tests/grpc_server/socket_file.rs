//! The file of a Unix socket: one left by a dead server is replaced; one in use, or a file that is no socket, stays.

use crate::program::{Program, health, ordershop, run, signal};
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_servers_socket_is_replaced_and_a_living_ones_refused() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let file = dir.path().join("server.sock");
    let listen = format!("unix://{}", file.display());
    let args = [
        "message-queue",
        "--listen",
        &listen,
        "--redis-url",
        redis.url(),
    ];
    let mut first = Program::start(&args);
    assert_eq!(first.url().await, listen);

    let (code, said) = run(&mut ordershop(&args));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another program listens there"), "{said}");
    assert!(health(&["--listen", &listen]).0, "the first still answers");

    signal(first.pid(), "-KILL");
    first.ended().await;
    assert!(file.exists(), "a killed server leaves its socket file");
    let mut second = Program::start(&args);
    assert_eq!(second.url().await, listen);
    assert!(health(&[&listen]).0);
    second.stop().await;
    assert!(!file.exists(), "a stopped server removes its socket file");

    std::fs::write(&file, "precious").unwrap();
    let (code, said) = run(&mut ordershop(&args));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("not a socket"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    redis.stop().await;
}
