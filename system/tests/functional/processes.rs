//! The real binary: killed by signals, started again, given bad arguments.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;
use serde_json::{Value, json};

use crate::shop::{Customer, EVENTUALLY_MS};

/// A running `ordershop up`; killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ordershop(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordershop"));
    command
        .args(args)
        .env_remove("REDIS_URL")
        .env_remove("LISTEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Starts it and reads its ready line.
fn start(args: &[&str]) -> (Process, Customer) {
    let mut child = ordershop(args).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let url = line
        .split("ready: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let customer = Customer::new(url.unwrap_or_else(|| panic!("no ready line: {line:?}")));
    (Process(child), customer)
}

fn signal(process: &Process, name: &str) {
    let pid = process.0.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

fn wait(mut process: Process) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it did not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn run(args: &[&str]) -> Output {
    ordershop(args).stderr(Stdio::piped()).output().unwrap()
}

/// Places orders until the system is gone; returns the accepted ones. Refused and unanswered orders don't count as accepted.
async fn order_until_it_dies(http: Customer, customer: String, product: String) -> Vec<String> {
    let mut accepted = Vec::new();
    let body = json!({"customer_id": customer, "product_ids": [product]});
    while let Ok(cart) = try_post(&http, "/cart", &body).await {
        let Some(cart) = cart else { continue };
        match try_post(&http, "/order", &json!({"cart_id": cart})).await {
            Ok(order) => accepted.extend(order),
            Err(_) => break,
        }
    }
    accepted
}

/// The id of the created entity, if the answer is a success; an error if there is no answer.
async fn try_post(http: &Customer, path: &str, body: &Value) -> Result<Option<String>, String> {
    let request = hyper::Request::post(format!("{}{path}", http.url))
        .header("content-type", "application/json")
        .body(http_body_util::Full::from(body.to_string()))
        .unwrap();
    let answer = http.send(request).await?;
    Ok((answer.status == 200).then(|| answer.id()))
}

/// Waits until each order is IN_STOCK, one piece is gone for it and one mail is sent (and one welcome to the customer). Returns the orders.
///
/// All three are looked at again and again: what a kill left in the queues is handled after the start, so that an order may come after
/// a look at them, and topics become visible independently of each other.
async fn finished(http: &Customer) -> HashSet<String> {
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let orders = http.get("/orders").await;
        let stock = http.get("/inventories").await.result()[0]["amount"].as_u64();
        let mails = http
            .get("/mails/sent")
            .await
            .result()
            .as_array()
            .unwrap()
            .len();
        let orders = orders.result().as_array().unwrap();
        let open: Vec<_> = orders
            .iter()
            .filter(|order| order["status"] != "IN_STOCK")
            .collect();
        if open.is_empty()
            && stock == Some(1_000_000 - orders.len() as u64)
            && mails == orders.len() + 1
        {
            return orders
                .iter()
                .map(|order| order["entity_id"].as_str().unwrap().to_owned())
                .collect();
        }
        assert!(
            Instant::now() < deadline,
            "{} orders, {stock:?} pieces left, {mails} mails; not in stock: {open:?}",
            orders.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_it_loses_no_accepted_order_and_finishes_each() {
    let dir = tempfile::TempDir::new().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::Everysec)
        .await
        .unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--redis-url", redis.url()];
    let mut orders: Vec<String> = Vec::new();
    let mut product = String::new();
    let mut customer = String::new();
    for kill in 0..3 {
        let (process, http) = start(&args);
        if product.is_empty() {
            customer = http.customer().await;
            product = http.product(7, 1_000_000).await;
        }
        let buyers: Vec<_> = (0..16)
            .map(|_| {
                tokio::spawn(order_until_it_dies(
                    http.clone(),
                    customer.clone(),
                    product.clone(),
                ))
            })
            .collect();
        let before = orders.len();
        // The system is killed under load: some hundred orders are accepted, and more are under way.
        let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
        while http
            .get("/orders?limit=1000")
            .await
            .result()
            .as_array()
            .unwrap()
            .len()
            < (kill + 1) * 200
        {
            assert!(Instant::now() < deadline, "too few orders");
        }
        signal(&process, "-KILL");
        for buyer in buyers {
            orders.extend(buyer.await.unwrap());
        }
        assert!(
            orders.len() > before,
            "nothing was accepted before kill {kill}"
        );
        wait(process);
    }

    let (process, http) = start(&args);
    let there = finished(&http).await;
    for order in &orders {
        assert!(there.contains(order), "accepted order {order} is lost");
    }
    let metrics = http.get("/metrics").await.body.as_str().unwrap().to_owned();
    let dead = metrics
        .lines()
        .filter(|line| line.contains("dead_letters{") && !line.ends_with(" 0"))
        .collect::<Vec<_>>();
    assert!(dead.is_empty(), "{dead:?}");
    signal(&process, "-TERM");
    assert!(wait(process).success());
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_it_cleanly_and_its_data_is_there_the_next_time() {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let (process, http) = start(&args);
    let customer = http.customer().await;
    signal(&process, "-INT");
    assert_eq!(wait(process).code(), Some(0));
    let (process, http) = start(&args);
    assert!(
        http.get(&format!("/customer/{customer}"))
            .await
            .result()
            .is_object()
    );
    signal(&process, "-TERM");
    assert_eq!(wait(process).code(), Some(0));
    assert!(no_redis_in(dir.path()), "its Redis is still running");
}

/// Whether the Redis in a folder has ended: its socket accepts no connection.
fn no_redis_in(dir: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(dir.join("redis.sock")).is_err()
}

#[test]
fn a_port_in_use_is_told_and_nothing_is_started() {
    let dir = tempfile::TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[
        "up",
        "--listen",
        &address,
        "--data-dir",
        dir.path().to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&address) && said.contains("--listen"),
        "{said}"
    );
    assert!(
        std::fs::read_dir(dir.path()).unwrap().next().is_none(),
        "a Redis was started"
    );
}

#[test]
fn nonsense_on_the_command_line_is_told() {
    let rows: [(&[&str], &str); 4] = [
        (
            &["up", "--durability", "perhaps"],
            "none, everysec or always",
        ),
        (
            &[
                "up",
                "--redis-url",
                "http://nowhere",
                "--listen",
                "127.0.0.1:0",
            ],
            "Redis address",
        ),
        (&["up", "--listen", "here"], "--listen"),
        (&["down"], "down"),
    ];
    for (args, fragment) in rows {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(fragment), "{args:?}: {said}");
    }
}
