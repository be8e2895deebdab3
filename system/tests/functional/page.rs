//! The page in a real browser. If no browser is installed, the tests print that they were skipped.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use test_browser::Browser;

use crate::dead_letters::poison;
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
    browser
        .shows(
            "#orders-body",
            "total 900 cents = € 9.00 · paid 900 cents = € 9.00 · on its way",
        )
        .await;
    browser.click("#orders-body summary").await;
    browser.shows("#orders-body pre", &cart).await;
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_begins_with_the_last_events_and_says_units() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    mallory(&shop).await;
    // Her welcome is an event, too, and not one of the last.
    http.eventually("/mails/sent", |mails| !mails.as_array().unwrap().is_empty())
        .await;
    let prices: Vec<Value> = (0..60)
        .map(|n| json!({"name": format!("Product {n}"), "price": 1200 + n}))
        .collect();
    http.post("/product", &json!(prices)).await.result();
    http.product(1305, 7).await;
    let Some(browser) = page(&shop).await else {
        return shop.close().await;
    };

    browser.shows("#shown", "0 events since").await;
    browser.shows("#shown", "50 from before").await;
    assert_eq!(browser.count("#events li").await, 50);
    browser
        .shows("#events li:nth-child(1)", "amount 7 pieces")
        .await;
    browser
        .shows("#events li:nth-child(2)", "price 1305 cents = € 13.05")
        .await;
    browser.shows("#events li:nth-child(3)", "Product 59").await;
    assert_eq!(browser.text("#none").await, "");

    mallory(&shop).await;
    browser.shows("#shown", "2 events since").await;
    browser.shows("#events li:nth-child(-n+2)", EVIL).await;
    assert_eq!(browser.count("#events li").await, 52);

    browser.click("nav a[href='#browse']").await;
    browser.select("#collection", "inventory").await;
    browser
        .shows("#table th:nth-child(3)", "amount (pieces)")
        .await;
    browser.shows("#table td:nth-child(3)", "7").await;
    browser.select("#collection", "product").await;
    browser
        .shows("#table th:nth-child(3)", "price (cents)")
        .await;
    browser
        .shows("#table td:nth-child(3)", "1200 = € 12.00")
        .await;
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_shown_with_its_history() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = mallory(&shop).await;
    let product = http.product(900, 9).await;
    let cart = http.cart(&customer, &[&product, &product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    // Another order, whose events don't belong there.
    let other = http.cart(&customer, &[&product]).await;
    let other = http.order(&other).await;
    http.order_becomes(&other, "IN_STOCK").await;
    http.billing(&order, 1800).await;
    http.order_becomes(&order, "SHIPPED").await;
    let arrived = json!({"order_id": order, "delivered": 1_764_288_000});
    http.put(&format!("/shipping/{order}-shipping"), &arrived)
        .await
        .result();
    http.order_becomes(&order, "DELIVERED").await;
    // A welcome, three about this order, one about the other.
    let all = |mails: &Value| mails.as_array().is_some_and(|all| all.len() == 5);
    http.eventually("/mails/sent", all).await;
    let Some(browser) = page(&shop).await else {
        return shop.close().await;
    };

    let open = format!("#orders-body button[title='{order}']");
    browser.click("nav a[href='#orders']").await;
    browser.shows("#orders-body", &order).await;
    browser.click(&open).await;
    browser.shows("#history", "after creation").await;
    browser
        .shows("#entity", "total (cents)\n1800 = € 18.00")
        .await;
    browser.shows("#entity", "at 900 cents = € 9.00").await;
    for part in [
        "order created",
        "inventory stock reserved",
        "IN_STOCK",
        "amount 1800 cents = € 18.00",
        "shipping updated",
        "DELIVERED",
        EVIL,
    ] {
        browser.shows("#history", part).await;
    }
    // Each row: after creation in ms or s, the event, the x and width of its bar.
    let rows = "return [...document.querySelectorAll('#history tbody tr')].map((row) => [row.querySelector('time').dateTime, \
                ...[...row.querySelectorAll('rect')].map((rect) => Number(rect.getAttribute('x'))), row.querySelector('.at').innerText])";
    let rows = browser.script(rows).await;
    let rows = rows.as_array().unwrap();
    // Five of the order, two of its stock, one billing, two of its shipping, three mails; none of the other order.
    assert_eq!(rows.len(), 13, "{rows:?}");
    assert_eq!(rows[0][3].as_str().unwrap().trim(), "+0.0 ms");
    assert_eq!(rows[0][1], 0);
    for pair in rows.windows(2) {
        // A bar begins where the one before ends, but for the width of its mark.
        let (end, start) = (pair[0][2].as_f64(), pair[1][1].as_f64());
        assert!((end.unwrap() - start.unwrap()).abs() <= 1.3, "{pair:?}");
        assert!(pair[0][0].as_str() <= pair[1][0].as_str(), "{pair:?}");
    }
    assert!(rows[rows.len() - 1][2].as_f64().unwrap() > 98.0);

    let elsewhere = "return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith(location.origin))";
    assert_eq!(browser.script(elsewhere).await, json!([]));
    browser
        .on_every_screen(async |on| {
            let text = browser.text("#history").await;
            assert!(text.contains("DELIVERED"), "{on}: {text}");
        })
        .await;
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_as_text() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let Some(browser) = page(&shop).await else {
        return shop.close().await;
    };
    browser.click("nav a[href='#letters']").await;
    browser.shows("#letters-body", "no dead letters").await;

    poison(&shop, EVIL).await;
    let letters = http.eventually("/dead-letters", |letters| letters[0].is_object());
    let id = letters.await[0]["id"].as_str().unwrap().to_owned();
    browser.click("[data-load=letters]").await;
    browser
        .shows("#letters-body", "1 shown; ordershop dead-letters")
        .await;
    browser.shows("#letters-body", "not a message").await;
    browser.shows("#letters-body code", &id).await;
    browser.click("#letters-body summary").await;
    browser.shows("#letters-body pre", EVIL).await;

    for n in 0..50 {
        poison(&shop, &format!("poison {n}")).await;
    }
    let all = |letters: &Value| letters.as_array().is_some_and(|all| all.len() == 51);
    http.eventually("/dead-letters?limit=100", all).await;
    browser.click("[data-load=letters]").await;
    browser
        .shows("#letters-body", "50 shown, more follow")
        .await;
    browser.click("#letters-body > button").await;
    browser.shows("#letters-body", "from number 51 on: 1").await;
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_at_one_moment_hide_neither_the_last_events_nor_an_orders_history() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(900, 9).await;
    let cart = http.cart(&customer, &[&product]).await;
    // Its id tells no time: its history is looked for from the start.
    let request = Request::post(format!("{}/order", http.url))
        .header("content-type", "application/json")
        .header("idempotency-key", "once");
    let body = json!({"cart_id": cart, "status": "CREATED"}).to_string();
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let order = http.send(request).await.unwrap().id();
    http.order_becomes(&order, "IN_STOCK").await;
    let many: Vec<Value> = (0..2100)
        .map(|n| json!({"product_id": product, "amount": 5000 + n}))
        .collect();
    http.post("/inventory", &json!(many)).await.result();
    http.billing(&order, 900).await;
    http.order_becomes(&order, "SHIPPED").await;
    let Some(browser) = page(&shop).await else {
        return shop.close().await;
    };

    browser.shows("#shown", "50 from before").await;
    browser.shows("#events", "amount 7099 pieces").await;

    browser.click("#events button[title$='-shipping']").await;
    browser.shows("#entity", &order).await;
    browser.click("#entity dd:nth-of-type(2) button").await;
    browser
        .shows("#history", "only 2000 events were read of: inventory")
        .await;
    browser.shows("#history", "inventory").await;
    browser.shows("#history", "SHIPPED").await;
    browser.click("#history button:nth-of-type(2)").await;
    browser
        .until("#history", "complete", |text| {
            text.contains("SHIPPED") && !text.contains("events were read of")
        })
        .await;
    is_clean(&browser).await;
    browser.close().await;
    shop.close().await;
}
