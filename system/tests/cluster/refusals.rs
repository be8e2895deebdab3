//! What is no cluster, or not all of one, ends the start with exit code 2 and words.

use crate::program::{ordershop, run};
use crate::redis_server::{ForeignRedis, free_port};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_as_a_cluster_is_told_with_exit_code_2() {
    let (port, open) = (free_port().to_string(), free_port().to_string());
    let _plain = ForeignRedis::start(&["--port", &port]).await;
    let bus = free_port().to_string();
    let cluster = ["--port", &open, "--cluster-enabled", "yes"];
    let cluster = [&cluster[..], &["--cluster-port", &bus]].concat();
    let _open = ForeignRedis::start(&cluster).await;
    let rows = [
        (
            format!("redis+cluster://ann:hunter2@127.0.0.1:{port}/3"),
            "database 0",
        ),
        (
            format!("redis+cluster://127.0.0.1:{port}"),
            "no node of a cluster",
        ),
        (format!("redis+cluster://127.0.0.1:{open}"), "0 of 16384"),
        (format!("redis://127.0.0.1:{open}"), "redis+cluster://"),
    ];
    for (url, fragment) in rows {
        for mode in [&[][..], &["--processes"]] {
            let args = [&["up", "--listen", "127.0.0.1:0"][..], mode].concat();
            let (code, said) = run(ordershop(&args).env("REDIS_URL", &url));
            assert_eq!(code, Some(2), "{fragment}: {said}");
            assert!(said.contains(fragment), "{fragment}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_not_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.ndjson");
    let file = file.to_str().unwrap();
    let url = format!("redis+cluster://127.0.0.1:{}", free_port());

    let (code, said) = run(ordershop(&["backup", "--to", file]).env("REDIS_URL", &url));

    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("can't be backed up"), "{said}");
    assert!(!std::path::Path::new(file).exists());
}
