//! A master that is killed behind sentinels, while a replica must have each write: the shop goes on with the next one, and has all that it
//! answered.

use crate::customer::Customer;
use crate::customers::Load;
use crate::program::{Program, ordershop, run};
use crate::redis_server::free_port;
use crate::replicas::{has_a_replica, server, until};
use crate::sentinel_server::Sentinel;
use crate::shopping::buys;

const UP: [&str; 3] = ["up", "--listen", "127.0.0.1:0"];

async fn goes_on_with_the_next_master(mode: &[&str]) {
    let ports = [free_port(), free_port()];
    let mut first = server(ports[0], None).await;
    let second = server(ports[1], Some(ports[0])).await;
    until("the replica is in step", async || {
        has_a_replica(&first).await
    })
    .await;
    let sentinel = Sentinel::start(ports[0]);
    until("the sentinel sees the replica", async || {
        sentinel.told("num-slaves").await.as_deref() == Some("1")
    })
    .await;
    let url = sentinel.url();
    let asked = ["--redis-url", &url, "--replicas-ack", "1"];
    let mut program = Program::start(&[&UP[..], mode, &asked].concat());
    let line = program.ready().await;
    assert!(line.contains("acknowledged by replicas: 1"), "{line}");
    let http = Customer::new(program.url().await);
    assert_eq!(http.get("/health").await.body["options"]["replicas-ack"], 1);
    buys(&http).await;
    let load = Load::start(&http);
    http.eventually("/customers", |all| {
        all.as_array().is_some_and(|all| all.len() > 20)
    })
    .await;

    first.signal("KILL");
    until("the sentinel names the next master", async || {
        sentinel.told("port").await == Some(ports[1].to_string())
    })
    .await;
    // The old one comes back as a master that nobody asks, and is made a replica.
    first.restart().await;
    until("the old master is a replica", async || {
        has_a_replica(&second).await
    })
    .await;
    buys(&http).await;

    load.end(&http).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_behind_sentinels_goes_on_with_the_next_master_and_has_all_that_it_answered() {
    goes_on_with_the_next_master(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_behind_sentinels_go_on_with_the_next_master_and_have_all_that_they_answered() {
    goes_on_with_the_next_master(&["--processes"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_replicas_and_sentinels_that_cannot_be_used_end_the_start() {
    let port = free_port();
    let redis = server(port, None).await;
    let sentinel = Sentinel::start(port);
    until("the sentinel answers", async || {
        sentinel.told("flags").await.is_some()
    })
    .await;
    let unknown = sentinel.url().replace("/shop", "/other");
    let nameless = sentinel.url().replace("/shop", "");
    let no_sentinel = format!("redis+sentinel://:hunter2@127.0.0.1:{port}/shop");
    let (alone, dir) = (redis.url(), tempfile::tempdir().unwrap());
    let folder = dir.path().display().to_string();
    let rows = [
        (
            vec!["--redis-url", &*alone, "--replicas-ack", "1"],
            "--replicas-ack",
        ),
        (
            vec!["--data-dir", &folder, "--replicas-ack", "1"],
            "private Redis has no replicas",
        ),
        (vec!["--redis-url", &unknown], "no master of this name"),
        (
            vec!["--redis-url", &nameless],
            "the master's name is missing",
        ),
        (vec!["--redis-url", &no_sentinel], "no sentinel"),
    ];
    for (asked, what) in rows {
        for mode in [&[][..], &["--processes"]] {
            let (code, said) = run(&mut ordershop(&[&UP[..], mode, &asked].concat()));
            assert_eq!(code, Some(2), "{what}: {said}");
            assert!(said.contains(what), "{what}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
