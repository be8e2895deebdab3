//! The page in a real browser. Where no browser is installed it says so aloud.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use crate::shop::{EVENTUALLY_MS, Shop};

struct Driver {
    process: Child,
    url: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn driver() -> Option<Driver> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let process = Command::new("chromedriver")
        .arg(format!("--port={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some(Driver {
        process,
        url: format!("http://127.0.0.1:{port}"),
    })
}

async fn browser(driver: &Driver) -> Client {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let options = json!({"args": arguments});
    let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&driver.url)
            .await;
        match client {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the page's visible text contains something.
async fn shows(client: &Client, text: &str) {
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let body = client
            .find(Locator::Css("body"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if body.contains(text) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the page does not show {text:?}: {body}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_events_as_they_happen_and_values_as_text_only() {
    let Some(driver) = driver() else {
        eprintln!(
            "NOT TESTED: the page, for want of chromedriver (Debian: apt install chromium chromium-driver)"
        );
        return;
    };
    let shop = Shop::open().await;
    let client = browser(&driver).await;
    client.goto(&shop.customer.url).await.unwrap();
    shows(&client, "live").await;
    let evil = "<img src=x onerror=\"document.title='taken'\">";
    let body = json!({"name": evil, "email": "mallory@example.com"});
    let id = shop.customer.post("/customer", &body).await.id();
    shows(&client, "entity_created").await;
    shows(&client, &id[..8]).await;
    shows(&client, "mail_sent").await;
    assert_ne!(client.title().await.unwrap(), "taken");
    let images = client.find_all(Locator::Css("img")).await.unwrap();
    assert!(images.is_empty(), "a value became an element");
    client.close().await.unwrap();
    shop.close().await;
}
