//! A failover in which the old master keeps its connections: the shop finds the new one at the same address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::customer::Customer;
use crate::program::Program;
use crate::redis_server::{ForeignRedis, free_port};
use crate::shopping::buys;

/// An address whose new connections lead to a port that may be changed; its old ones stay where they are.
async fn address_of(goal: Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = goal.load(Ordering::Relaxed);
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_new_master_is_found_though_the_old_one_keeps_its_connections() {
    let (first, second) = (free_port(), free_port());
    let a = ForeignRedis::start(&["--port", &first.to_string(), "--appendonly", "yes"]).await;
    let b = ForeignRedis::start(&[
        "--port",
        &second.to_string(),
        "--replicaof",
        "127.0.0.1",
        &first.to_string(),
    ])
    .await;
    let goal = Arc::new(AtomicU16::new(first));
    let url = address_of(Arc::clone(&goal)).await;
    let mut program = Program::start(&["up", "--listen", "127.0.0.1:0", "--redis-url", &url]);
    let http = Customer::new(program.url().await);
    buys(&http).await;
    let customer = http.customer().await;
    let deadline = std::time::Instant::now() + crate::program::PATIENCE;
    while !b
        .tell(&["INFO", "replication"])
        .await
        .contains("master_link_status:up")
    {
        assert!(
            std::time::Instant::now() < deadline,
            "the replica is not in step"
        );
    }
    a.tell(&["WAIT", "1", "5000"]).await;

    b.tell(&["REPLICAOF", "NO", "ONE"]).await;
    goal.store(second, Ordering::Relaxed);
    a.tell(&["REPLICAOF", "127.0.0.1", &second.to_string()])
        .await;

    let name = json!({"name": "Grace", "email": "grace@example.com"});
    let later = http.posted("/customer", &name).await;
    buys(&http).await;
    for id in [customer, later] {
        http.eventually(&format!("/customer/{id}"), serde_json::Value::is_object)
            .await;
    }
    program.stop().await;
}
