//! The start: the ready line, a port in use, a stop while it waits for Redis.

use serde_json::{Value, json};

use crate::children::mentioning;
use crate::program::{Program, health, ordershop, run, signal, until};
use crate::script::script;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_options_are_told_by_one_process_as_by_many() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let given = ["--threads", "2", "--projection-linger-ms", "3"];
    let more = [
        "--mail-linger-ms",
        "5",
        "--body-bytes-max",
        "900000",
        "--partitions",
        "2",
    ];
    let given = [&given[..], &more].concat();
    let many = ["--processes", "--scale", "order-service=2"];
    for (more, scale) in [(&[][..], json!([])), (&many, json!(["order-service=2"]))] {
        let burn = ["--burn-us-per-event", "4"];
        let mut program = Program::start(&[&args[..], &given, &burn, more].concat());
        let (ready, said) = health(&[&program.url().await]);
        assert!(ready, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        let expected = json!({
            "partitions": 2, "threads": 2, "processes": !more.is_empty(), "scale": scale,
            "replicas-ack": 0, "body-bytes-max": 900_000, "projection-linger-ms": 3, "mail-linger-ms": 5,
            "burn-us-per-event": 4,
        });
        assert_eq!(said["options"], expected, "{said}");
        program.stop().await;
    }
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
    // A Redis that is stopped (SIGSTOP) as soon as it is started.
    let path = tempfile::tempdir().unwrap();
    let program = path.path().join("redis-server");
    script(&program, "kill -STOP $$");
    for mode in [&[][..], &["--processes"]] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
        let mut command = ordershop(&[&args, mode].concat());
        let system = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{system}", path.path().display()));
        let mut program = Program::spawn(command);
        until("its Redis", || {
            let all = mentioning(dir.path());
            all.into_iter().find(|one| one.is("--unixsocket"))
        })
        .await;
        signal(program.pid(), "-TERM");
        let status = program.ended().await;
        assert!(status.success(), "{status}: {}", program.log());
        until("the end of Redis", || {
            mentioning(dir.path()).is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_in_use_is_told_and_its_owner_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut owner = Program::start(&args);
    let url = owner.url().await;
    let (code, said) = run(&mut ordershop(&[&args[..], &["--processes"]].concat()));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(data) && said.contains("--data-dir"), "{said}");
    let (ready, said) = health(&[&url]);
    assert!(ready, "{said}");
    owner.stop().await;
}
