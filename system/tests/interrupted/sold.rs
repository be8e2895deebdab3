//! A shop with finished orders, and the program that archives and restores them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use ordershop_contract::failpoint::Failpoint;
use serde_json::Value;
use tempfile::TempDir;

use crate::audit;
use crate::buyers::{Answered, Buyers, Expected};
use crate::customer::Customer;
use crate::process::{LOOK, LOOKS_MAX, ShopProcess};
use crate::stage::Stage;

/// A shop with finished orders, all older than `before`.
pub struct Sold {
    pub stage: Stage,
    shop: Option<ShopProcess>,
    pub answered: Answered,
    pub before: String,
    dir: TempDir,
}

impl Sold {
    pub async fn something() -> Self {
        let mut sold = Self {
            stage: Stage::set_up("-TERM").await,
            shop: None,
            answered: Answered::new(),
            before: String::new(),
            dir: TempDir::new().unwrap(),
        };
        sold.open().await;
        sold.answered = sold.buyers().finish().await;
        // What the sagas still do about these orders, such as mails, is over then.
        sold.audited(&[]).await.unwrap();
        sold.now_all_old()
    }

    pub fn now_all_old(mut self) -> Self {
        let now = std::process::Command::new("date")
            .args(["-u", "+%FT%T.%NZ"])
            .output();
        let now = String::from_utf8(now.unwrap().stdout).unwrap();
        now.trim().clone_into(&mut self.before);
        self
    }

    pub async fn open(&mut self) {
        self.shop.insert(self.stage.start(None)).ready().await;
    }

    pub async fn close(&mut self) {
        self.shop.take().unwrap().end("-TERM").await;
    }

    pub fn http(&self) -> Customer {
        self.shop.as_ref().unwrap().customer()
    }

    pub fn buyers(&self) -> Buyers {
        Buyers::start(&self.http(), self.stage.redis_url())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub async fn archive(&self, to: &Path, killed_at: Option<Failpoint>) -> Output {
        let before = self.before.clone();
        let args = ["archive", "--before", &before, "--to", to.to_str().unwrap()];
        self.program(&args, killed_at).await
    }

    pub async fn restore(&self, from: &Path, killed_at: Option<Failpoint>) -> Output {
        self.program(&["restore", from.to_str().unwrap()], killed_at)
            .await
    }

    pub async fn program(&self, args: &[&str], killed_at: Option<Failpoint>) -> Output {
        program(&self.stage, args, killed_at).await
    }

    pub async fn audited(&self, files: &[PathBuf]) -> Result<(), String> {
        audit::passes_with(&self.http(), self.stage.redis_url(), files).await
    }

    /// The paths of the orders that were delivered.
    pub fn delivered(&self) -> Vec<&str> {
        let delivered = Expected::With("status", "DELIVERED".into());
        let orders = self
            .answered
            .iter()
            .filter(|(_, expected)| *expected == delivered);
        orders.map(|(path, _)| path.as_str()).collect()
    }

    /// Whether nothing of the archived orders is left.
    pub async fn has_none_of_them(&self) -> Result<(), String> {
        let http = self.http();
        for path in self.delivered() {
            let shown = http.get(path).await;
            if !shown.result().is_null() {
                return Err(format!("{path} is shown: {}", shown.body));
            }
            let id = path.strip_prefix("/order/").unwrap();
            for topic in ["order", "billing", "shipping", "cart", "inventory", "mail"] {
                let left = events_about(&http, topic, id).await;
                if !left.is_empty() {
                    return Err(format!("{topic} has {left:?}"));
                }
            }
        }
        Ok(())
    }
}

pub async fn program(stage: &Stage, args: &[&str], killed_at: Option<Failpoint>) -> Output {
    let armed = killed_at.map(|point| ("FAILPOINTS", format!("{}=return(kill)", point.name())));
    tokio::process::Command::new(env!("CARGO_BIN_EXE_ordershop"))
        .args(args)
        .env("REDIS_URL", stage.redis_url())
        .envs(armed)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// The events of a topic whose data or aggregate names an order, but for those that hide something.
pub async fn events_about(http: &Customer, topic: &str, order: &str) -> Vec<Value> {
    let (mut after, mut found) = ("0-0".to_owned(), Vec::new());
    loop {
        let page = http
            .get(&format!("/events/{topic}?after={after}&limit=1000"))
            .await;
        let events = page.result().as_array().unwrap();
        found.extend(
            events
                .iter()
                .filter(|event| is_about(event, order))
                .cloned(),
        );
        match page.body["cursor"].as_str() {
            Some(cursor) => after = cursor.to_owned(),
            None => return found,
        }
    }
}

fn is_about(event: &Value, order: &str) -> bool {
    // Notes are the foreign service's own.
    let hides = ["entity_archived", "noted"]
        .iter()
        .any(|action| event["action"] == *action);
    !hides && (event["aggregate_id"] == order || event["data"].to_string().contains(order))
}

pub fn succeeded(output: &Output) -> Result<(), String> {
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{output:?}")),
    }
}

impl Sold {
    /// Restores once the leases of a killed one have run out.
    pub async fn restore_once_free(&self, file: &Path) -> Output {
        let mut looks = 0;
        loop {
            let output = self.restore(file, None).await;
            if !String::from_utf8_lossy(&output.stderr).contains("a shop runs") {
                return output;
            }
            looks += 1;
            assert!(looks < LOOKS_MAX);
            tokio::time::sleep(LOOK).await;
        }
    }
}

pub async fn lists(http: &Customer) -> Vec<Value> {
    let mut lists = Vec::new();
    for path in [
        "/orders",
        "/billings",
        "/shippings",
        "/carts",
        "/mails/sent",
        "/inventories",
    ] {
        lists.push(http.get(path).await.body);
    }
    lists
}

pub async fn forget_the_cache(redis_url: &str) {
    let link = ordershop_redis::connection::RedisLink::new(redis_url).unwrap();
    let mut connection = link.dedicated().await.unwrap();
    for pattern in [
        "entities:*",
        "ids:*",
        "index:*",
        "reservations:*",
        "position:*",
    ] {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut connection)
            .await
            .unwrap();
        redis::cmd("DEL")
            .arg(keys)
            .exec_async(&mut connection)
            .await
            .unwrap();
    }
}
