//! Customers who are made without an end, and what must be there of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::customer::Customer;
use crate::program::PATIENCE;

/// A load that goes on until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    making: JoinHandle<Vec<String>>,
}

impl Load {
    pub fn start(http: &Customer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let making = tokio::spawn(make(http.clone(), Arc::clone(&stop)));
        Self { stop, making }
    }

    /// Ends the load. All whose request was answered must be there, and each once.
    pub async fn end(self, http: &Customer) {
        self.stop.store(true, Ordering::Relaxed);
        let ids = self.making.await.unwrap();
        for id in &ids {
            http.eventually(&format!("/customer/{id}"), Value::is_object)
                .await;
        }
        let all = http.get("/customers").await;
        let all = all.result().as_array().unwrap().clone();
        let names = all.iter().filter_map(|one| one["name"].as_str());
        let mut names: Vec<&str> = names.filter(|name| name.starts_with("key-")).collect();
        names.sort_unstable();
        names.dedup();
        let made = all.iter().filter(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            name.starts_with("key-")
        });
        assert_eq!(names.len(), made.count(), "a key made two customers");
        assert!(names.len() >= ids.len());
    }
}

/// Makes customers, each with a key, repeating each until it is answered; returns their ids.
async fn make(http: Customer, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("key-{}", ids.len());
        let (path, is_later) = match ids.len() % 2 {
            0 => ("/customer", false),
            _ => ("/customers", true),
        };
        let body = json!({"name": &key, "email": "ada@example.com"}).to_string();
        let deadline = std::time::Instant::now() + PATIENCE;
        let answer = loop {
            let headers = [("idempotency-key", key.as_str())];
            let answer = http.with(&headers, Method::POST, path, body.clone()).await;
            if answer.status == 200 {
                break answer;
            }
            let is_open = matches!(answer.status, 503 | 504);
            assert!(is_open, "{}: {}", answer.status, answer.body);
            assert!(std::time::Instant::now() < deadline, "{}", answer.body);
        };
        ids.push(match is_later {
            true => answer.result().as_str().unwrap().to_owned(),
            false => answer.id(),
        });
    }
    ids
}
