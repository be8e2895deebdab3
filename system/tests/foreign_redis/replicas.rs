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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_and_its_repeat_are_answered_once_the_replica_has_them() {
    let port = free_port().to_string();
    let master = ["--port", &port, "--repl-diskless-sync-delay", "0"];
    let master = ForeignRedis::start(&master).await;
    let replica = ForeignRedis::start(&["--replicaof", "127.0.0.1", &port]).await;
    until("the replica is in step", async || {
        has_a_replica(&master).await
    })
    .await;
    let url = master.url();
    let asked = ["--redis-url", &url, "--replicas-ack", "1"];
    let limit = ["--replicas-ack-timeout-ms", "100"];
    let up = ["up", "--listen", "127.0.0.1:0"];
    let mut program = Program::start(&[&up[..], &asked, &limit].concat());
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
