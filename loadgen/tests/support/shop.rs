//! The real shop on its own Redis, in which a test can plant faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::eventually;

#[path = "../../../testing/built_program.rs"]
mod built_program;

use built_program::built_program;

/// The program `ordershop` of this workspace.
pub fn ordershop() -> PathBuf {
    built_program("ordershop", "system", env!("CARGO_BIN_EXE_loadgen"))
}

/// A running shop.
pub struct Shop {
    redis: Child,
    redis_port: u16,
    system: Child,
    pub url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Shop {
    fn drop(&mut self) {
        for child in [&mut self.system, &mut self.redis] {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Shop {
    /// Starts the shop in one process.
    pub fn open() -> Self {
        Self::open_as(&[])
    }

    /// Starts the shop with one process for each service.
    pub fn open_processes() -> Self {
        Self::open_as(&["--processes"])
    }

    fn open_as(form: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let redis_port = free.local_addr().unwrap().port();
        drop(free);
        let redis = Command::new("redis-server")
            .args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("Redis listens", || {
            TcpStream::connect(("127.0.0.1", redis_port)).is_ok()
        });
        let mut system = Command::new(ordershop())
            .arg("up")
            .args(form)
            .args(["--listen", "127.0.0.1:0", "--redis-url"])
            .arg(format!("redis://127.0.0.1:{redis_port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(system.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| {
            let line = line.unwrap();
            let url = line.split_once("ready: ")?.1.split(' ').next()?;
            Some(url.to_owned())
        });
        Self {
            redis,
            redis_port,
            system,
            url: ready.unwrap(),
            _folder: folder,
        }
    }

    /// Runs one Redis command and returns its reply, which must not be an error.
    pub fn redis(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis_port)).unwrap();
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(command.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(!answer.starts_with('-'), "{words:?}: {answer}");
        answer
    }

    /// Writes an event behind the system's back.
    pub fn plant(
        &self,
        topic: &str,
        id: &str,
        version: u64,
        action: &str,
        event_id: &str,
        data: &Value,
    ) {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_us = since_epoch.unwrap().as_micros().to_string();
        let (version, data) = (version.to_string(), data.to_string());
        self.redis(&[
            "XADD",
            &format!("events:{{{topic}}}"),
            "*",
            "event_id",
            event_id,
            "event_action",
            action,
            "event_data",
            &data,
            "aggregate_id",
            id,
            "version",
            &version,
            "published_at",
            &now_us,
            "correlation_id",
            "planted",
            "causation_id",
            "planted",
        ]);
    }

    /// Writes an entity of the read model behind the system's back. The read model writes what it has applied a moment later; a list waits for
    /// that, so nothing of the system's comes after this.
    pub fn plant_shown(&self, topic: &str, plural: &str, id: &str, version: u64, data: &Value) {
        self.get(&format!("/{plural}"));
        let shown = format!("{version}|{data}");
        self.redis(&["HSET", &format!("entities:{{{topic}}}"), id, &shown]);
    }

    fn http(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if head.contains("transfer-encoding: chunked") {
            let parts: Vec<&str> = body.split("\r\n").collect();
            // Every second line is the length of a chunk; these bodies contain no line breaks.
            let whole: String = parts
                .chunks(2)
                .filter_map(|pair| pair.get(1))
                .copied()
                .collect();
            return serde_json::from_str(&whole).unwrap();
        }
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    pub fn get(&self, path: &str) -> Value {
        self.http("GET", path, "")["result"].clone()
    }

    pub fn create(&self, entity: &str, body: &Value) -> String {
        let answer = self.http("POST", &format!("/{entity}"), &body.to_string());
        let id = answer["result"][0].as_str();
        id.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Makes one sale: a customer orders two pieces, pays, and the order is shipped.
    pub fn sell(&self) -> Sale {
        let customer = self.create(
            "customer",
            &json!({"name": "Ada", "email": "ada@example.com"}),
        );
        let product = self.create("product", &json!({"name": "Tea", "price": 250}));
        let inventory = self.create("inventory", &json!({"product_id": product, "amount": 10}));
        let cart = json!({"customer_id": customer, "product_ids": [product, product]});
        let order = self.create("order", &json!({"cart_id": self.create("cart", &cart)}));
        let path = format!("/order/{order}");
        eventually("in stock", || self.get(&path)["status"] == "IN_STOCK");
        let billing = self.create("billing", &json!({"order_id": order, "amount": 500}));
        eventually("shipped", || self.get(&path)["status"] == "SHIPPED");
        eventually("four mails", || {
            self.get("/mails/sent").as_array().unwrap().len() == 4
        });
        Sale {
            product,
            inventory,
            order,
            billing,
        }
    }

    /// Tells that an order was delivered, and waits until it says so.
    pub fn deliver(&self, order: &str) {
        let shippings = self.get("/shippings");
        let mut shippings = shippings.as_array().unwrap().iter();
        let shipping = shippings.find(|s| s["order_id"] == order).unwrap();
        let path = format!("/shipping/{}", shipping["entity_id"].as_str().unwrap());
        let body = json!({"order_id": order, "delivered": 1_700_000_000});
        self.http("PUT", &path, &body.to_string());
        let path = format!("/order/{order}");
        eventually("delivered", || self.get(&path)["status"] == "DELIVERED");
    }

    /// Archives every finished order; returns the file's lines.
    pub fn archive(&self, file: &Path) -> Vec<String> {
        eventually("archived", || {
            // What the shop still acknowledges stays.
            std::fs::remove_file(file).ok();
            let output = Command::new(ordershop())
                .args(["archive", "--before", "0s", "--to"])
                .arg(file)
                .env(
                    "REDIS_URL",
                    format!("redis://127.0.0.1:{}", self.redis_port),
                )
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8_lossy(&output.stdout).contains("archived 1 orders")
        });
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The stream position of an event, by its aggregate and version.
    pub fn position(&self, topic: &str, id: &str, version: u64) -> String {
        let events = self.get(&format!("/events/{topic}?limit=1000"));
        let mut events = events.as_array().unwrap().iter();
        let event = events.find(|e| e["aggregate_id"] == id && e["version"] == version);
        event.unwrap()["position"].as_str().unwrap().to_owned()
    }
}

/// The ids of a sale.
pub struct Sale {
    pub product: String,
    pub inventory: String,
    pub order: String,
    pub billing: String,
}
