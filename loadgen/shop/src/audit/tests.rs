//! An audit of a target that is nothing but its pages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use loadgen_engine::http_client::ConnectOptions;

/// The paths that were asked for, without their queries.
type Asked = Arc<Mutex<BTreeSet<String>>>;

/// A page of a shop that was started with these options and has tea in partition 0 and a cup in partition 1.
fn page(path: &str, query: &str, options: &Value) -> Option<Value> {
    let begins = query.starts_with("after=0-0&");
    let product = |id: &str| json!({"entity_id": id, "name": id, "price": 250});
    let created = |id: &str| {
        json!({"result": [{
            "position": "5-0", "event_id": id, "action": "entity_created", "aggregate_id": id, "version": 1,
            "data": product(id), "published_at_us": 5_000, "causation_id": id,
        }]})
    };
    match path {
        "/health" => Some(json!({"ready": true, "options": options})),
        "/metrics" => None,
        "/events/product" if begins => Some(created("tea")),
        "/events/product.1" if begins => Some(created("cup.1")),
        "/products" if options["partitions"] == 2 => {
            Some(json!({"result": [product("tea"), product("cup.1")]}))
        }
        "/products" => Some(json!({"result": [product("tea")]})),
        _ => Some(json!({"result": []})),
    }
}

async fn answer(mut stream: TcpStream, asked: Asked, options: Value) -> std::io::Result<()> {
    let (mut head, mut bytes) = (String::new(), [0; 4096]);
    loop {
        while !head.ends_with("\r\n\r\n") {
            let read = stream.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            head += &String::from_utf8_lossy(&bytes[..read]);
        }
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        asked.lock().unwrap().insert(path.to_owned());
        let (status, body) = match page(path, query, &options) {
            Some(page) => ("200 OK", page.to_string()),
            None => ("404 Not Found", String::new()),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
        head.clear();
    }
}

async fn audited(options: Value) -> (AuditReport, BTreeSet<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let told = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, told.clone(), options.clone()));
        }
    });
    let target = Target::resolve(&url, &ConnectOptions::default()).await;
    let report = audit(target.unwrap(), &AuditScope::default(), &|_| {}).await;
    let asked = asked.lock().unwrap().clone();
    (report.unwrap(), asked)
}

#[tokio::test]
async fn every_partition_that_the_shop_tells_of_is_read_and_no_other() {
    for (options, partitions) in [(json!({"partitions": 2}), 2), (json!({"threads": 3}), 1)] {
        let (report, asked) = audited(options).await;
        let events = asked.iter().filter(|path| path.starts_with("/events/"));
        let events: BTreeSet<String> = events.cloned().collect();
        let all = ShopPartition::all(partitions).map(|partition| format!("/events/{partition}"));
        assert_eq!(events, all.collect());
        assert_eq!(report.events, u64::from(partitions));
        assert_eq!(report.entities, u64::from(partitions));
        let checks = report.checks.iter();
        // Without metrics nobody knows what is left.
        let mut checks = checks.filter(|check| check.name != "nothing_left");
        assert!(checks.all(|check| check.fell == 0), "{report:?}");
    }
}
