//! A replica must have each write: what a client is answered while it stands still, and after it.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;

use crate::customer::Customer;
use crate::program::{PATIENCE, Program};
use crate::redis_server::{ForeignRedis, free_port};

/// Waits until a condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a replica has all data.
pub async fn has_a_replica(master: &ForeignRedis) -> bool {
    let told = master.tell(&["INFO", "replication"]).await;
    told.contains("state=online")
}

/// Starts a master on a port, or a replica of one.
pub async fn server(port: u16, master: Option<u16>) -> ForeignRedis {
    let (port, master) = (port.to_string(), master.map(|port| port.to_string()));
    let mut arguments = vec!["--port", &port, "--appendonly", "yes"];
    arguments.extend(["--repl-diskless-sync-delay", "0"]);
    if let Some(master) = &master {
        arguments.extend(["--replicaof", "127.0.0.1", master]);
    }
    ForeignRedis::start(&arguments).await
}

/// Starts a replica, and waits until it has all data.
async fn replica_of(port: u16, master: &ForeignRedis) -> ForeignRedis {
    let replica = server(free_port(), Some(port)).await;
    until("the replica is in step", async || {
        has_a_replica(master).await
    })
    .await;
    replica
}

/// A shop whose writes one replica must have.
fn shop_on(master: &ForeignRedis) -> Program {
    let url = master.url();
    let asked = ["--redis-url", &url, "--replicas-ack", "1"];
    let limit = ["--replicas-ack-timeout-ms", "100"];
    let up = ["up", "--listen", "127.0.0.1:0"];
    Program::start(&[&up[..], &asked, &limit].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_starts_while_its_replica_is_away() {
    let port = free_port();
    let master = server(port, None).await;
    let replica = replica_of(port, &master).await;
    let mut program = shop_on(&master);
    let http = Customer::new(program.url().await);
    let path = format!("/customer/{}", http.customer().await);
    program.stop().await;

    replica.signal("KILL");
    until("the replica is gone", async || {
        !has_a_replica(&master).await
    })
    .await;
    let mut program = shop_on(&master);
    let http = Customer::new(program.url().await);
    assert_eq!(http.get(&path).await.result()["name"], "Ada");
    let changed = json!({"name": "Grace", "email": "grace@example.com"});
    http.put(&path, &changed)
        .await
        .refused(504, "outcome unknown");
    until("that it is missing is told", async || {
        program.log().contains("in step are 0")
    })
    .await;
    let _replica = replica_of(port, &master).await;
    http.insist(Method::PUT, &path, &changed).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_and_its_repeat_are_answered_once_the_replica_has_them() {
    let port = free_port();
    let master = server(port, None).await;
    let replica = replica_of(port, &master).await;
    let mut program = shop_on(&master);
    let http = Customer::new(program.url().await);
    let customer = http.customer().await;
    let path = format!("/customer/{customer}");
    let changed = json!({"name": "Grace", "email": "grace@example.com"});

    replica.signal("STOP");
    let later = json!({"name": "Mary", "email": "mary@example.com"}).to_string();
    let key = [("idempotency-key", "mary")];
    let (change, accepted) = tokio::join!(
        http.put(&path, &changed),
        http.with(&key, Method::POST, "/customers", later.clone()),
    );
    change.refused(504, "outcome unknown");
    accepted.refused(504, "replicas");
    // What the read model shows is what is asked for already: nothing is written, and yet it can't be answered.
    http.eventually(&path, |found| found["name"] == "Grace")
        .await;
    http.put(&path, &changed)
        .await
        .refused(504, "outcome unknown");
    replica.signal("CONT");

    http.insist(Method::PUT, &path, &changed).await;
    let accepted = http.with(&key, Method::POST, "/customers", later).await;
    let mary = accepted.result().as_str().unwrap().to_owned();
    http.eventually(&format!("/customer/{mary}"), |found| {
        found["name"] == "Mary"
    })
    .await;
    let found = http.get(&path).await;
    assert_eq!(found.headers["etag"], "\"2\"");
    let all = http.get("/customers").await;
    assert_eq!(all.result().as_array().unwrap().len(), 2);

    replica.signal("KILL");
    until("the loss of the replica is told", async || {
        program.log().contains("in step are 0")
    })
    .await;
    program.stop().await;
}
