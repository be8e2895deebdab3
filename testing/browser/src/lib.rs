//! A real browser (Chromium, through chromedriver) for tests of a page. If none is installed, the tests print that they were skipped, or
//! fail where every tool must be there.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

#[path = "../../not_tested.rs"]
mod not_tested;

use not_tested::not_tested;

/// The timeout for the driver to start, and to end.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(20);

/// The timeout for a page's content to change.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// Width in pixels and colour scheme of the screens on which a page is tested.
const SCREENS: [(u32, &str); 4] = [
    (1280, "light"),
    (1280, "dark"),
    (700, "light"),
    (390, "dark"),
];

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// Sends a request; returns the body of the answer, empty if it has none.
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
    // The driver keeps connections open in any case: only the content length shows where the answer ends.
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
    /// Runs also after a failed test: a killed driver would leave its browser running; a driver that is asked to quit ends it.
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

/// A browser with an open page.
pub struct Browser {
    client: Client,
    // Declared last, so that it ends after its browser.
    driver: Driver,
}

impl Browser {
    /// Opens an address; `None` if no browser is installed.
    pub async fn open(url: &str) -> Option<Self> {
        let Some(driver) = driver() else {
            not_tested(&format!(
                "{url}: no chromedriver found (Debian: apt install chromium chromium-driver)"
            ));
            return None;
        };
        let client = connect(&driver).await;
        client.goto(url).await.unwrap();
        Some(Self { client, driver })
    }

    /// Opens a file; `None` if no browser is installed.
    pub async fn open_file(file: &Path) -> Option<Self> {
        Self::open(&format!("file://{}", file.display())).await
    }

    /// The visible text of an element; empty if there is none.
    pub async fn text(&self, css: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]); return found?.checkVisibility() ? found.innerText : ''";
        let text = self.client.execute(script, vec![json!(css)]).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// The number of elements that match.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// Waits until an element's visible text fits; panics with the last text if it never does.
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

    /// Waits until an element's visible text contains `part`.
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

    /// The result of a script.
    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// The page's title.
    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// The errors and warnings that the browser logged.
    pub async fn console(&self) -> Value {
        self.command("se/log", json!({"type": "browser"})).await
    }

    /// Shows the page on each screen in turn and calls `look`; the page must not be wider than the screen.
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

    /// Asserts that the page loads nothing else and that the browser logs no errors.
    pub async fn is_quiet(&self) {
        let asked = "return performance.getEntriesByType('resource').map((e) => e.name)";
        assert_eq!(self.script(asked).await, json!([]));
        assert_eq!(self.console().await, json!([]));
    }

    /// Emulates a screen of this width, light or dark.
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

    /// Sends one of chromedriver's own commands.
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
