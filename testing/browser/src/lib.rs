//! A real browser (Chromium, through its driver) for tests that look at a page. Where none is installed it says so aloud.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

/// For the driver to start, and to end.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(20);

/// For what a page shows to change.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// Width in pixels and colour scheme of the screens that a page is looked at on.
const SCREENS: [(u32, &str); 4] = [
    (1280, "light"),
    (1280, "dark"),
    (700, "light"),
    (390, "dark"),
];

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// The answer's body; empty when there is none.
fn ask(url: &str, method: &str, path: &str, body: &str) -> String {
    let (address, length) = (address(url), body.len());
    let Ok(mut stream) = TcpStream::connect(address) else {
        return String::new();
    };
    let _ = stream.set_read_timeout(Some(DRIVER_TIMEOUT));
    let _ = write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut answer = BufReader::new(stream);
    // The driver keeps connections open whatever it is asked: only the length says where the answer ends.
    let mut length = 0;
    let mut line = String::new();
    while answer.read_line(&mut line).is_ok_and(|n| n > 2) {
        let header = line.to_ascii_lowercase();
        if let Some(number) = header.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    let read = answer.read_exact(&mut body);
    read.map_or_else(|_| String::new(), |()| String::from_utf8(body).unwrap())
}

struct Driver {
    process: Child,
    url: String,
}

impl Drop for Driver {
    /// Also after a failed test: a driver that is killed leaves its browser running, one that is asked to go takes it along.
    fn drop(&mut self) {
        if TcpStream::connect(address(&self.url)).is_ok() {
            ask(&self.url, "GET", "/shutdown", "");
            let deadline = Instant::now() + DRIVER_TIMEOUT;
            while let Ok(None) = self.process.try_wait()
                && Instant::now() < deadline
            {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn driver() -> Option<Driver> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
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

/// A browser with a page open.
pub struct Browser {
    client: Client,
    // Ends after its browser.
    driver: Driver,
}

impl Browser {
    /// At an address; `None` where there is no browser.
    pub async fn open(url: &str) -> Option<Self> {
        let Some(driver) = driver() else {
            // Past the harness, which shows nothing of what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "NOT TESTED: {url}, for want of chromedriver (Debian: apt install chromium chromium-driver)"
            );
            return None;
        };
        let client = connect(&driver).await;
        client.goto(url).await.unwrap();
        Some(Self { client, driver })
    }

    /// With a file; `None` where there is no browser.
    pub async fn open_file(file: &Path) -> Option<Self> {
        Self::open(&format!("file://{}", file.display())).await
    }

    /// The visible text of an element; empty when there is none.
    pub async fn text(&self, css: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]); return found?.checkVisibility() ? found.innerText : ''";
        let text = self.client.execute(script, vec![json!(css)]).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// How many elements there are.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// Waits until an element's visible text fits; panics with the last one when it never does.
    pub async fn until(&self, css: &str, what: &str, fits: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + SHOWN_TIMEOUT;
        loop {
            let text = self.text(css).await;
            if fits(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "{css} is not {what:?}: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an element's visible text contains something.
    pub async fn shows(&self, css: &str, part: &str) {
        self.until(css, part, |text| text.contains(part)).await;
    }

    /// Clicks an element.
    pub async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap();
        element.click().await.unwrap();
    }

    /// Chooses an option by its value.
    pub async fn select(&self, css: &str, value: &str) {
        let select = self.client.find(Locator::Css(css)).await.unwrap();
        select.select_by_value(value).await.unwrap();
    }

    /// What a script returns.
    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// The page's title.
    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// What the browser had to complain about.
    pub async fn console(&self) -> Value {
        self.command("se/log", json!({"type": "browser"})).await
    }

    /// Shows the page on each screen in turn and has a look at it; it must not be wider than the screen.
    pub async fn on_every_screen(&self, mut look: impl AsyncFnMut(&str)) {
        for (width_px, scheme) in SCREENS {
            self.screen(width_px, scheme).await;
            let on = format!("{width_px} px, {scheme}");
            let beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(
                self.script(beyond).await,
                json!(0),
                "{on}: scrolls sideways"
            );
            look(&on).await;
        }
    }

    /// The page had nothing to load and nothing to complain about.
    pub async fn is_quiet(&self) {
        let asked = "return performance.getEntriesByType('resource').map((e) => e.name)";
        assert_eq!(self.script(asked).await, json!([]));
        assert_eq!(self.console().await, json!([]));
    }

    /// Shows the page as on a screen of this width, light or dark.
    async fn screen(&self, width_px: u32, scheme: &str) {
        let size = json!({"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({"media": "screen", "features": features}),
        )
        .await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.command("goog/cdp/execute", body).await;
    }

    /// A command of chromedriver's own.
    async fn command(&self, path: &str, body: Value) -> Value {
        let session = self.client.session_id().await.unwrap().unwrap();
        let path = format!("/session/{session}/{path}");
        let answer = ask(&self.driver.url, "POST", &path, &body.to_string());
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        answer["value"].take()
    }

    /// Ends the browser.
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}

async fn connect(driver: &Driver) -> Client {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
    ];
    let capabilities = serde_json::Map::from_iter([
        ("goog:chromeOptions".to_owned(), json!({"args": arguments})),
        ("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"})),
    ]);
    let deadline = Instant::now() + DRIVER_TIMEOUT;
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
