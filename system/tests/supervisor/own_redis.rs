//! Our own Redis: started again when it is killed, waited for while it loads, and never left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use ordershop_redis::connection::RedisLink;

use crate::children::{children_of, mentioning};
use crate::customer::Customer;
use crate::program::{PATIENCE, Program, ordershop, signal, until};
use crate::script::script;

/// The process id of the Redis that serves a folder.
fn redis_in(dir: &Path) -> Option<u32> {
    let mut all = mentioning(dir).into_iter();
    let server = all.find(|one| one.arguments[0].contains("-server"))?;
    Some(server.pid)
}

/// Asks for a customer until it is there.
async fn comes_back(http: &Customer, customer: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = http.get(&format!("/customer/{customer}")).await;
        if answer.status == 200 {
            assert!(answer.result().is_object(), "{}", answer.body);
            return;
        }
        assert!(Instant::now() < deadline, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn killed_redis_comes_back(mode: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    // Under everysec Redis puts a write off while an fsync takes long, and the kill would take it along.
    let durable = ["--durability", "always"];
    let mut program = Program::start(&[&args, &durable[..], mode].concat());
    let http = Customer::new(program.url().await);
    let customer = http.customer().await;

    for _ in 0..2 {
        let killed = redis_in(dir.path()).unwrap();
        signal(killed, "-KILL");
        until("another Redis", || {
            redis_in(dir.path()).filter(|pid| *pid != killed)
        })
        .await;
        comes_back(&http, &customer).await;
    }
    let tea = serde_json::json!({"name": "Tea", "price": 1});
    http.posted("/product", &tea).await;

    // The guard follows: whoever dies now leaves no Redis.
    signal(program.pid(), "-KILL");
    program.ended().await;
    until("the end of everyone", || {
        mentioning(dir.path()).is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_started_again_on_the_same_data() {
    killed_redis_comes_back(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_started_again_under_processes_too() {
    killed_redis_comes_back(&["--processes"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_loads_is_waited_for_and_its_progress_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut before = Program::start(&args);
    let http = Customer::new(before.url().await);
    let customer = http.customer().await;
    fill(&dir.path().join("data/redis.sock")).await;
    before.stop().await;
    // A Redis that takes its time for each command that it loads; it answers after each 1,024.
    let slow = dir.path().join("redis-server");
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
        .unwrap();
    let started = format!("exec {} \"$@\" --key-load-delay 200", real.display());
    script(&slow, &started);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap().to_string();
    drop(port);
    let mut command = ordershop(&["up", "--listen", &address, "--data-dir", data]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", dir.path().display()));

    let mut program = Program::spawn(command);

    let http = Customer::new(format!("http://{address}"));
    until_loading_is_told(&http).await;
    program.ready().await;
    comes_back(&http, &customer).await;
    assert_eq!(children_of(program.pid()).len(), 2, "Redis and its guard");
    program.stop().await;
}

/// Gives Redis enough to load.
async fn fill(socket: &Path) {
    let socket = socket.canonicalize().unwrap();
    let link = RedisLink::new(&format!("redis+unix://{}", socket.display())).unwrap();
    let mut connection = link.dedicated().await.unwrap();
    let mut pipe = redis::pipe();
    for n in 0..30_000 {
        pipe.cmd("SET").arg(format!("padding:{n}")).arg(n).ignore();
    }
    pipe.query_async::<()>(&mut connection).await.unwrap();
}

async fn until_loading_is_told(http: &Customer) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = hyper::Request::get(format!("{}/health", http.url));
        let request = request.body(http_body_util::Full::default()).unwrap();
        if let Ok(answer) = http.send(request).await {
            let reasons = answer.body["reasons"].to_string();
            if reasons.contains("Redis is loading its data, ") {
                assert_eq!(answer.status, 503);
                return;
            }
            assert_eq!(
                answer.status, 503,
                "loaded before it was told: {}",
                answer.body
            );
        }
        assert!(Instant::now() < deadline, "loading was never told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
