//! A Redis that can't carry the shop ends the start with exit code 2 and words, at once or as soon as it answers.

use crate::program::{Program, ordershop, run};
use crate::redis_server::{ForeignRedis, free_port};

const UP: [&str; 3] = ["up", "--listen", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_less_durable_than_asked_for_is_refused_and_left_as_it_is() {
    let redis = ForeignRedis::start(&[]).await;
    let url = redis.url();
    let asked = ["--redis-url", &url, "--durability", "always"];
    let store = ["event-store", "--listen", "127.0.0.1:0"];
    let rows = [
        [&UP[..], &asked].concat(),
        [&UP[..], &asked, &["--processes"]].concat(),
        [&store[..], &asked].concat(),
    ];
    for args in rows {
        let (code, said) = run(&mut ordershop(&args));
        assert_eq!(code, Some(2), "{args:?}: {said}");
        for needed in ["appendonly yes", "appendfsync always"] {
            assert!(
                said.lines().any(|line| line.trim() == needed),
                "{args:?}: {said}"
            );
        }
    }
    assert_eq!(redis.setting("appendonly").await, "no");
    assert_eq!(redis.setting("appendfsync").await, "everysec");
    assert_eq!(redis.tell(&["DBSIZE"]).await, "int(0)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_told_with_exit_code_2() {
    let (port, bus) = (free_port().to_string(), free_port().to_string());
    let plain = ForeignRedis::start(&["--port", &port]).await;
    let cluster = ForeignRedis::start(&[
        "--port",
        &free_port().to_string(),
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
    ])
    .await;
    let evicting = ForeignRedis::start(&["--maxmemory-policy", "volatile-ttl"]).await;
    let old = ForeignRedis::start(&["--rename-command", "XAUTOCLAIM", ""]).await;
    let closed = ForeignRedis::start(&["--requirepass", "hunter2"]).await;
    let rows = [
        (cluster.url(), "cluster"),
        (evicting.url(), "maxmemory-policy noeviction"),
        (old.url(), "XAUTOCLAIM"),
        (closed.url(), "asks for a password"),
        (format!("{}?protocol=resp3", plain.url()), "RESP3"),
        (format!("rediss://ann:hunter2@127.0.0.1:{port}"), "TLS"),
    ];
    for (url, fragment) in rows {
        for mode in [&[][..], &["--processes"]] {
            let args = [&UP[..], mode].concat();
            let (code, said) = run(ordershop(&args).env("REDIS_URL", &url));
            assert_eq!(code, Some(2), "{fragment}: {said}");
            assert!(said.contains(fragment), "{fragment}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_late_is_refused_when_it_comes() {
    for mode in [&[][..], &["--processes"]] {
        let port = free_port().to_string();
        let url = format!("redis://127.0.0.1:{port}");
        let mut program = Program::start(&[&UP[..], mode, &["--redis-url", &url]].concat());
        crate::program::until("its wait for Redis", || {
            program.log().contains("can't be reached").then_some(())
        })
        .await;
        let _redis =
            ForeignRedis::start(&["--port", &port, "--maxmemory-policy", "allkeys-lru"]).await;
        let status = program.ended().await;
        let said = program.log();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("maxmemory-policy noeviction"), "{said}");
    }
}
