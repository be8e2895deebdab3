//! Two instances of one service share its work, and one of them may die.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::children::children_of;
use crate::customer::Customer;
use crate::program::{Program, signal, until};

/// The number of concurrent buyers.
const BUYERS: usize = 8;
/// The number of orders of each buyer.
const ORDERS: usize = 25;

/// The sockets of the order service's instances, which `/metrics` can be read from.
fn sockets(supervisor: u32) -> Vec<(u32, PathBuf)> {
    let services = children_of(supervisor).into_iter();
    let services = services.filter(|one| one.is("order-service"));
    services
        .map(|one| {
            let at = one.arguments.iter().position(|a| a == "--listen").unwrap();
            let path = one.arguments[at + 1].strip_prefix("unix://").unwrap();
            (one.pid, path.into())
        })
        .collect()
}

async fn metrics(socket: &Path) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The number of `create_orders` messages handled, according to this text.
fn handled(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|line| {
        line.strip_prefix(
            "ordershop_messages_handled_total{queue=\"order-service.create_orders\"} ",
        )
    });
    line.map_or(0, |count| count.parse().unwrap())
}

async fn buy(http: &Customer, customer: &str, product: &str) -> Vec<String> {
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let cart = http.cart(customer, &[product]).await;
        let body = serde_json::json!({"cart_id": cart});
        // While an instance is dead an order may be refused in time; it doesn't count as accepted.
        let answer = http.post("/order", &body).await;
        if answer.status == 200 {
            orders.push(answer.id());
        }
    }
    orders
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_the_work_and_one_killed_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--processes", "--listen", "127.0.0.1:0"];
    let more = ["--data-dir", data, "--scale", "order-service=2"];
    let mut program = Program::start(&[&args[..], &more].concat());
    let http = Customer::new(program.url().await);
    let (customer, product) = (http.customer().await, http.product(7, 1_000_000).await);
    let all = || async {
        let buyers = (0..BUYERS).map(|_| buy(&http, &customer, &product));
        futures_util::future::join_all(buyers).await.concat()
    };

    let mut accepted = all().await;
    assert_eq!(accepted.len(), BUYERS * ORDERS);
    let instances = sockets(program.pid());
    assert_eq!(instances.len(), 2, "{instances:?}");
    let mut shares = Vec::new();
    for (_, socket) in &instances {
        shares.push(handled(&metrics(socket).await));
    }
    assert_eq!(
        shares.iter().sum::<u64>() as usize,
        accepted.len(),
        "{shares:?}"
    );
    assert!(shares.iter().all(|&share| share > 0), "{shares:?}");

    let killed = instances[0].0;
    let (more, ()) = tokio::join!(all(), async {
        signal(killed, "-KILL");
        until("the next instance", || {
            let now = sockets(program.pid());
            (now.len() == 2 && now.iter().all(|(pid, _)| *pid != killed)).then_some(())
        })
        .await;
    });
    assert!(more.len() > BUYERS * ORDERS / 2, "{} accepted", more.len());
    accepted.extend(more);

    let orders = http
        .eventually("/orders", |orders| {
            let orders = orders.as_array().map(Vec::as_slice).unwrap_or_default();
            orders.len() >= accepted.len() && orders.iter().all(|o| o["status"] == "IN_STOCK")
        })
        .await;
    let orders = orders.as_array().unwrap();
    let there: HashSet<&str> = orders
        .iter()
        .map(|o| o["entity_id"].as_str().unwrap())
        .collect();
    for order in &accepted {
        assert!(there.contains(order.as_str()), "order {order} is lost");
    }
    // No effect happened twice.
    assert_eq!(
        http.stock_of(&product).await as usize,
        1_000_000 - there.len()
    );
    program.stop().await;
}
