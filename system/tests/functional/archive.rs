//! What `ordershop archive` and `ordershop restore` refuse, and that a time in which nothing is archived changes nothing. The archives
//! themselves are in the tests of interruptions.

use std::path::Path;
use std::process::{Command, Output};

use hyper::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::shop::Shop;

fn program(redis_url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordershop"))
        .args(arguments)
        .env("REDIS_URL", redis_url)
        .output()
        .unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(text.contains(words), "{words}: {text}");
}

fn archive(redis_url: &str, before: &str, to: &Path) -> Output {
    let to = to.to_str().unwrap();
    program(redis_url, &["archive", "--before", before, "--to", to])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_archived_or_restored_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("archive");
    let nowhere = format!("redis+unix://{}/none.sock", dir.path().display());
    refused(&archive(&nowhere, "1d", &file), 1, "Redis: ");
    refused(&archive(&nowhere, "2999-01-01", &file), 2, "in the future");
    refused(
        &archive(&nowhere, "soon", &file),
        2,
        "write an age, such as 90d",
    );
    let missing = dir.path().join("missing/archive");
    let shop = Shop::open().await;
    let url = shop.redis_url();
    refused(&archive(&url, "1d", &missing), 2, "missing");
    std::fs::write(&file, "mine").unwrap();
    refused(&archive(&url, "1d", &file), 2, "never written over");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let path = file.to_str().unwrap();
    refused(
        &program(&url, &["restore", path]),
        2,
        "no archive of OrderShop",
    );

    let (product, old) = (shop.customer.product(1, 1).await, dir.path().join("old"));
    let output = archive(&url, "1d", &old);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("archived 0 orders, 0 events"));
    assert_eq!(shop.customer.stock_of(&product).await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_archive_and_one_of_another_shop_are_refused_before_anything_is_written() {
    let dir = TempDir::new().unwrap();
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (customer, product) = (http.customer().await, http.product(7, 2).await);
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.delete(&format!("/order/{order}")).await;
    let stock = http.eventually("/inventories", |all| all[0]["amount"] == 2);
    stock.await;
    let mail = |mails: &serde_json::Value| mails.to_string().contains(&order);
    http.eventually("/mails/sent", mail).await;
    let file = dir.path().join("archive");
    // The groups acknowledge a moment later than their effects are seen.
    let mut tries = 0;
    while !archived_one(&archive(&shop.redis_url(), "0s", &file)) {
        tries += 1;
        assert!(tries < 100);
        std::fs::remove_file(&file).unwrap();
    }
    assert_eq!(
        http.get(&format!("/cart/{cart}")).await.result(),
        &json!(null)
    );

    let key = [("idempotency-key", "k")];
    let body = r#"{"name":"Tea","price":1}"#;
    http.with(&key, Method::POST, "/product", body).await.id();
    let (mut count, mut told) = (0, String::new());
    // A claim's time is in whole seconds.
    while !told.contains("forgot 1 idempotency keys") {
        count += 1;
        assert!(count < 1_000, "{told}");
        let output = archive(&shop.redis_url(), "0s", &dir.path().join(count.to_string()));
        told = String::from_utf8_lossy(&output.stdout).into_owned();
    }

    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let other = Shop::open().await;
    other.customer.product(1, 1).await;
    let broken = dir.path().join("broken");
    let restore = |text: String| {
        std::fs::write(&broken, text).unwrap();
        program(&other.redis_url(), &["restore", broken.to_str().unwrap()])
    };
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    refused(&restore(cut), 2, "the file ends, but it has");
    let half = whole[..whole.len() - 20].to_owned();
    refused(&restore(half), 2, "it is not an event");
    let swapped = [lines[0], lines[2], lines[1], ""].join("\n");
    refused(&restore(swapped), 2, "not in their order");
    let newer = whole.replacen("\"version\":1", "\"version\":2", 1);
    refused(&restore(newer), 2, "this program reads");
    refused(&restore(whole.clone()), 1, "a shop runs on this Redis");
    shop.close().await;
    other.close().await;
}

fn archived_one(output: &Output) -> bool {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).contains("archived 1 orders")
}
