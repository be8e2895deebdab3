//! The page in a real browser. If no browser is installed, the tests print that they were skipped.

use serde_json::{Value, json};
use test_browser::Browser;

use crate::shop::Shop;

/// Markup in the place of a name.
const EVIL: &str = "<img src=x onerror=\"document.title='taken'\"><b id=\"evil\">Mallory</b>";

/// Opens the page and waits until it is live; `None` if there is no browser.
async fn page(shop: &Shop) -> Option<Browser> {
    let browser = Browser::open(&shop.customer.url).await?;
    browser.shows("#connection", "live").await;
    // From here on the page gets the feed: the read model's positions are shown.
    browser.shows("#topics", "appl").await;
    Some(browser)
}

/// Asserts that no value became an element or was executed, and that the browser logged no errors.
async fn is_clean(browser: &Browser) {
    assert_eq!(browser.title().await, "OrderShop");
    assert_eq!(
        browser.count("#evil, [onerror], main img, main b b").await,
        0
    );
    let complaints = browser.console().await;
    assert_eq!(complaints, Value::Array(Vec::new()), "the console");
}

async fn mallory(shop: &Shop) -> String {
    let body = json!({"name": EVIL, "email": "mallory@example.com"});
    shop.customer.post("/customer", &body).await.id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_events_as_they_happen_and_values_as_text_only() {
    let shop = Shop::open().await;
    let Some(browser) = page(&shop).await else {
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
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_holds_events_back_and_a_topic_can_be_hidden() {
    let shop = Shop::open().await;
    let Some(browser) = page(&shop).await else {
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
    is_clean(&browser).await;
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
    let Some(browser) = page(&shop).await else {
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
        browser.select("#collection", collection).await;
        browser.shows("#table", part).await;
    }
    browser.shows("#page", "50 shown, more follow").await;
    browser.click("#next").await;
    browser.shows("#page", "11 shown").await;
    browser.select("#collection", "billing").await;
    browser.shows("#page", "none").await;

    browser.select("#collection", "order").await;
    browser.shows("#table", &order).await;
    browser.click("#table td:nth-child(2) button").await;
    browser.shows("#entity", &customer).await;
    browser.click("#entity dd:nth-of-type(2) button").await;
    browser.shows("#entity", EVIL).await;
    browser.shows("#table", EVIL).await;
    is_clean(&browser).await;
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
    let Some(browser) = page(&shop).await else {
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
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}
