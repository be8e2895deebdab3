//! No password and no token is shown: not in the log, in errors, in lists of processes, in `/health`, in `--help`.

use std::path::Path;

use crate::customer::Customer;
use crate::program::{Program, ordershop, run, signal, until};
use crate::redis_server::ForeignRedis;

const SECRET: &str = "hunter2";

/// The command lines of a process and all its descendants.
fn command_lines(root: u32) -> Vec<String> {
    let read =
        |pid: u32, file: &str| std::fs::read(Path::new("/proc").join(pid.to_string()).join(file));
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = String::from_utf8_lossy(&read(pid, "stat").ok()?).into_owned();
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    let lines = found
        .into_iter()
        .filter_map(|pid| read(pid, "cmdline").ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_redis_is_shown_nowhere() {
    let mut redis = ForeignRedis::start(&["--requirepass", SECRET, "--appendonly", "yes"]).await;
    let url = redis.url_of("default", SECRET);
    for mode in [&[][..], &["--processes"]] {
        let mut command = ordershop(&[&["up", "--listen", "127.0.0.1:0"], mode].concat());
        command.env("REDIS_URL", &url);
        let mut program = Program::spawn(command);
        let http = Customer::new(program.url().await);
        http.customer().await;
        let lines = command_lines(program.pid());
        assert!(lines.len() > 12 || mode.is_empty(), "{lines:?}");
        let health = http.get("/health").await.body.to_string();
        redis.restart().await;
        until("its word of the lost Redis", || {
            let log = program.log();
            (log.contains("connection broke") || log.contains("can't be reached")).then_some(())
        })
        .await;
        let metrics = http.get("/metrics").await.body.to_string();
        for shown in [lines.join("\n"), health, metrics, program.log()] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
        assert!(program.log().contains("***"), "{}", program.log());
        program.stop().await;
    }
}

#[test]
fn errors_and_help_show_no_secret() {
    for url in [
        "redis://:hunter2@127.0.0.1:notaport",
        "redis://:hunter2@[",
        "hunter2",
        "rediss://ann:hunter2@h#x",
    ] {
        for args in [
            &["up", "--listen", "127.0.0.1:0"][..],
            &["event-store", "--listen", "127.0.0.1:0"],
        ] {
            let (code, said) = run(ordershop(args).env("REDIS_URL", url));
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("Redis address"), "{said}");
            assert!(!said.contains("hunter2") || url == "hunter2", "{said}");
            let (_, help) = run(ordershop(&[args[0], "--help"])
                .env("REDIS_URL", url)
                .env("GRPC_TOKEN", SECRET));
            assert!(!help.contains(SECRET), "{help}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_shown_nowhere() {
    let redis = ForeignRedis::start(&[]).await;
    let mut command = ordershop(&[
        "event-store",
        "--listen",
        "127.0.0.1:0",
        "--redis-url",
        &redis.url(),
    ]);
    command.env("GRPC_TOKEN", SECRET).env("RUST_LOG", "debug");
    let mut program = Program::spawn(command);
    program.ready().await;
    signal(program.pid(), "-TERM");
    program.ended().await;
    assert!(
        program.log().contains("token: Some(***)"),
        "{}",
        program.log()
    );
    assert!(!program.log().contains(SECRET), "{}", program.log());
}
