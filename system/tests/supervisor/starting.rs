//! How it starts: says what it runs on, refuses a taken port, can be stopped while it waits.

use std::time::Duration;

use crate::children::mentioning;
use crate::program::{Program, ordershop, run, signal, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_ready_line_is_the_one_of_a_single_process() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut lines = Vec::new();
    for more in [&[][..], &["--processes"]] {
        let mut program = Program::start(&[&args, more].concat());
        let (line, url) = (program.ready().await, program.url().await);
        lines.push(line.replace(&url, "URL"));
        program.stop().await;
    }
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].ends_with(", durability everysec)"), "{lines:?}");
}

#[test]
fn a_port_in_use_is_told_and_nothing_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = dir.path().to_str().unwrap();
    let args = [
        "up",
        "--processes",
        "--listen",
        &address,
        "--data-dir",
        data,
    ];
    let (code, said) = run(&mut ordershop(&args));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(!said.contains("started"), "{said}");
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 0, "a Redis was started");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_while_its_redis_is_still_coming_up_it_ends_it() {
    for mode in [&[][..], &["--processes"]] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        // A Redis that never answers: it stands still as soon as it is there.
        let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
        let mut program = Program::start(&[&args, mode].concat());
        let own = program.pid();
        let redis = until("its Redis", || {
            let redis = mentioning(dir.path())
                .into_iter()
                .find(|one| one.pid != own);
            // Its arguments are the parent's until it has become Redis.
            redis.filter(|one| one.arguments[0].ends_with("-server"))
        })
        .await;
        signal(redis.pid, "-STOP");
        tokio::time::timeout(Duration::from_millis(200), program.ready())
            .await
            .expect_err("it can't be ready without Redis");
        signal(program.pid(), "-TERM");
        let status = program.ended().await;
        assert!(status.success(), "{status}: {}", program.log());
        until("the end of Redis", || {
            mentioning(dir.path()).is_empty().then_some(())
        })
        .await;
    }
}
