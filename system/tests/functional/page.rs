//! The page in a real browser. Where no browser is installed it says so aloud.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::shop::{Customer, EVENTUALLY_MS, Shop};

struct Driver {
    process: Child,
    url: String,
}

impl Drop for Driver {
    /// Also after a failed test: a driver that is killed leaves its browser running, one that is asked to go takes it along.
    fn drop(&mut self) {
        let address = self.url.trim_start_matches("http://");
        if let Ok(mut stream) = TcpStream::connect(address) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = write!(
                stream,
                "GET /shutdown HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.read_to_end(&mut Vec::new());
            let deadline = Instant::now() + Duration::from_secs(5);
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

/// Markup where a name belongs.
const EVIL: &str = "<img src=x onerror=\"document.title='taken'\"><b id=\"evil\">Mallory</b>";

/// A browser with the page open.
struct Browser {
    client: Client,
    // Ends after its browser.
    driver: Driver,
}

impl Browser {
    /// `None` where there is none.
    async fn open(shop: &Shop) -> Option<Self> {
        let Some(driver) = driver() else {
            // Past the harness, which shows nothing of what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "NOT TESTED: the page, for want of chromedriver (Debian: apt install chromium chromium-driver)"
            );
            return None;
        };
        let client = connect(&driver).await;
        client.goto(&shop.customer.url).await.unwrap();
        let browser = Self { client, driver };
        browser.shows("#connection", "live").await;
        // From here on the feed is heard: the read model has said how far it is.
        browser.shows("#topics", "appl").await;
        Some(browser)
    }

    /// The visible text of an element.
    async fn text(&self, css: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]); return found?.checkVisibility() ? found.innerText : ''";
        let text = self.client.execute(script, vec![json!(css)]).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// How many elements there are.
    async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// Waits until an element's visible text fits; panics with the last one when it never does.
    async fn until(&self, css: &str, what: &str, fits: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
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
    async fn shows(&self, css: &str, part: &str) {
        self.until(css, part, |text| text.contains(part)).await;
    }

    async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap();
        element.click().await.unwrap();
    }

    /// Chooses a collection to browse.
    async fn browse(&self, collection: &str) {
        let select = self.client.find(Locator::Id("collection")).await.unwrap();
        select.select_by_value(collection).await.unwrap();
    }

    /// Asserts that no value became an element or ran, and that the browser had nothing to complain about.
    async fn is_clean(&self) {
        assert_eq!(self.client.title().await.unwrap(), "OrderShop");
        assert_eq!(self.count("#evil, [onerror], main img, main b b").await, 0);
        let session = self.client.session_id().await.unwrap().unwrap();
        let log = Customer::new(&self.driver.url)
            .post(
                &format!("/session/{session}/se/log"),
                &json!({"type": "browser"}),
            )
            .await;
        assert_eq!(log.body["value"], Value::Array(Vec::new()), "the console");
    }

    async fn close(self) {
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

async fn mallory(shop: &Shop) -> String {
    let body = json!({"name": EVIL, "email": "mallory@example.com"});
    shop.customer.post("/customer", &body).await.id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_events_as_they_happen_and_values_as_text_only() {
    let shop = Shop::open().await;
    let Some(browser) = Browser::open(&shop).await else {
        return shop.close().await;
    };
    browser.shows("#none", "No events yet").await;

    let id = mallory(&shop).await;

    browser.shows("#events", EVIL).await;
    browser.shows("#events", &id).await;
    browser.shows("#events", "mail sent").await;
    browser.shows("#shown", "2 events").await;
    browser.shows("#topics button:nth-child(1)", "1").await;
    browser
        .shows("#topics button:nth-child(1)", "applied to")
        .await;
    browser
        .until("#none", "hidden", |text| text.is_empty())
        .await;
    assert_eq!(browser.count("#events li").await, 2);
    browser.is_clean().await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_holds_events_back_and_a_topic_can_be_hidden() {
    let shop = Shop::open().await;
    let Some(browser) = Browser::open(&shop).await else {
        return shop.close().await;
    };

    browser.click("#pause").await;
    shop.customer.customer().await;
    browser.shows("#shown", "2 held back").await;
    assert_eq!(browser.count("#events li").await, 0);
    browser.click("#pause").await;
    browser.shows("#events", "ada@example.com").await;
    assert_eq!(browser.count("#events li").await, 2);

    browser.click("#topics button:nth-child(1)").await;
    browser
        .until("#events", "without customers", |text| {
            text.contains("mail sent") && !text.contains("created")
        })
        .await;
    browser.click("#topics button:nth-child(1)").await;
    browser.shows("#events", "created").await;
    browser.is_clean().await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_collection_can_be_browsed_page_by_page_and_an_id_leads_to_its_entity() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = mallory(&shop).await;
    let product = http.product(900, 3).await;
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let more: Vec<Value> = (0..60)
        .map(|n| json!({"name": format!("Product {n}"), "price": n}))
        .collect();
    http.post("/product", &json!(more)).await.result();
    let Some(browser) = Browser::open(&shop).await else {
        return shop.close().await;
    };

    browser.click("nav a[href='#browse']").await;
    browser.shows("#table .badge", "IN_STOCK").await;
    for (collection, part) in [
        ("customer", EVIL),
        ("inventory", product.as_str()),
        ("cart", product.as_str()),
        ("mail", "Dear <img"),
        ("product", "Tea"),
    ] {
        browser.browse(collection).await;
        browser.shows("#table", part).await;
    }
    browser.shows("#page", "50 here, more follow").await;
    browser.click("#next").await;
    browser.shows("#page", "11 here").await;
    browser.browse("billing").await;
    browser.shows("#page", "nothing here").await;

    browser.browse("order").await;
    browser.shows("#table", &order).await;
    browser.click("#table td:nth-child(2) button").await;
    browser.shows("#entity", &customer).await;
    browser.click("#entity dd:nth-of-type(2) button").await;
    browser.shows("#entity", EVIL).await;
    browser.shows("#table", EVIL).await;
    browser.is_clean().await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reports_count_what_there_is_and_show_orders_whole() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = mallory(&shop).await;
    let product = http.product(900, 3).await;
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 900).await;
    http.order_becomes(&order, "SHIPPED").await;
    let Some(browser) = Browser::open(&shop).await else {
        return shop.close().await;
    };

    browser.click("nav a[href='#report']").await;
    browser.shows("#report-body", "1\norders").await;
    browser.shows("#report-body", "1\nshippings").await;
    browser.shows("#report-body .badge", "SHIPPED").await;

    browser.click("nav a[href='#orders']").await;
    browser.shows("#orders-body", EVIL).await;
    browser.shows("#orders-body", "Tea").await;
    browser.shows("#orders-body", "paid 900 · on its way").await;
    browser.click("#orders-body summary").await;
    browser.shows("#orders-body pre", &cart).await;
    browser.is_clean().await;
    browser.close().await;
    shop.close().await;
}
