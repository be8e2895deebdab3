//! An order is decided once and carries what it was decided on; what two requests decide at the same moment is decided by one of them, and
//! what can't be is taken back.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};

use crate::customer::tells_of_the_return;
use crate::shop::{Customer, Shop};

/// An order that is in stock, of one piece of this product.
async fn ordered(http: &Customer, customer: &str, product: &str) -> (String, String) {
    let cart = http.cart(customer, &[product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    (cart, order)
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Races that are under way at one time.
const RACES_AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_carries_what_it_was_decided_on_whatever_becomes_of_its_products() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let (tea, cup) = (http.product(100, 10).await, http.product(250, 10).await);
    let cart = http.cart(&customer, &[&tea, &cup, &tea]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let path = format!("/order/{order}");
    let shown = http.get(&path).await.result().clone();
    let mut lines = list(&shown["lines"]).clone();
    lines.sort_by_key(|line| line["price"].as_u64());
    assert_eq!(
        lines,
        [
            json!({"product_id": tea, "quantity": 2, "price": 100}),
            json!({"product_id": cup, "quantity": 1, "price": 250}),
        ]
    );
    assert_eq!(
        [&shown["customer_id"], &shown["total"]],
        [&json!(customer), &json!(450)]
    );
    // What a GET shows can be put back; other values can't.
    assert_eq!(http.put(&path, &shown).await.result(), &json!(true));
    for (field, value) in [
        ("total", json!(1)),
        ("lines", json!([])),
        ("customer_id", json!("x")),
    ] {
        let mut changed = shown.clone();
        changed[field] = value;
        http.put(&path, &changed).await.refused(409, field);
        let mut new = json!({"cart_id": cart});
        new[field] = changed[field].clone();
        http.post("/order", &new).await.refused(400, field);
    }

    let dearer = json!({"name": "Tea", "price": 999});
    http.put(&format!("/product/{tea}"), &dearer).await.result();
    http.delete(&format!("/product/{cup}")).await.result();
    let wrong = json!({"order_id": order, "amount": 2_248});
    http.post("/billing", &wrong).await.refused(422, "cost 450");
    http.billing(&order, 450).await;
    http.order_becomes(&order, "SHIPPED").await;
    let mails = http
        .eventually("/mails/sent", |mails| list(mails).len() == 4)
        .await;
    assert!(mails.to_string().contains("Please pay € 4.50"), "{mails}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_what_no_longer_exists_is_refused() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (leaver, customer) = (http.customer().await, http.customer().await);
    let product = http.product(5, 5).await;
    let of_leaver = http.cart(&leaver, &[&product]).await;
    let cart = http.cart(&customer, &[&product]).await;
    http.delete(&format!("/customer/{leaver}")).await.result();
    http.delete(&format!("/product/{product}")).await.result();
    for (cart, missing) in [(&of_leaver, &leaver), (&cart, &product)] {
        let body = json!({"cart_id": cart});
        http.post("/order", &body).await.refused(422, missing);
    }
    assert_eq!(http.get("/orders").await.result(), &json!([]));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_has_one_living_order_and_stays_as_it_was_ordered() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(100, 1).await;
    let (cart, order) = ordered(http, &customer, &product).await;
    let cart_path = format!("/cart/{cart}");
    let again = json!({"cart_id": cart});
    http.post("/order", &again).await.refused(409, &order);
    let emptied = json!({"customer_id": customer, "product_ids": []});
    http.put(&cart_path, &emptied).await.refused(409, &order);
    http.delete(&cart_path).await.refused(409, &order);
    let shown = http.get(&cart_path).await.result().clone();
    assert_eq!(shown["order_id"], json!(order));
    assert_eq!(http.put(&cart_path, &shown).await.result(), &json!(true));
    let two = json!([{"cart_id": cart}, {"cart_id": cart}]);
    http.post("/order", &two).await.refused(409, &cart);

    // A deleted order frees its cart at once.
    http.delete(&format!("/order/{order}")).await.result();
    let second = http.order(&cart).await;
    http.order_becomes(&second, "IN_STOCK").await;
    http.delete(&format!("/order/{second}")).await.result();
    http.put(&cart_path, &emptied).await.result();
    assert_eq!(http.get(&cart_path).await.result().get("order_id"), None);
    http.delete(&cart_path).await.result();

    // So does one that is out of stock.
    http.eventually("/inventories", |all| all[0]["amount"] == 1)
        .await;
    let (_, cart) = http.comes_too_late(&customer, &product).await;
    let third = http.order(&cart).await;
    http.order_becomes(&third, "OUT_OF_STOCK").await;
    http.delete(&format!("/cart/{cart}")).await.result();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_and_a_change_of_its_cart_at_one_moment_are_decided_by_one_of_them() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let (tea, cup) = (http.product(100, 999).await, http.product(250, 999).await);
    let races = (0..60).map(|n| {
        let (http, customer) = (http.clone(), customer.clone());
        let (tea, cup) = (tea.clone(), cup.clone());
        tokio::spawn(async move {
            let cart = json!({"customer_id": customer, "product_ids": [tea]});
            let cart = http.posted("/cart", &cart).await;
            let (ordering, changing) = (http.clone(), http.clone());
            let body = json!({"cart_id": cart});
            let order = tokio::spawn(async move { ordering.post("/order", &body).await });
            tokio::time::sleep(Duration::from_micros(n * 100)).await;
            let body = json!({"customer_id": customer, "product_ids": [cup, cup]});
            let changed = changing.put(&format!("/cart/{cart}"), &body).await.status;
            assert!([200, 409].contains(&changed), "{changed}");
            let order = order.await.unwrap().id();
            http.order_becomes(&order, "IN_STOCK").await;
            let content = http.get(&format!("/cart/{cart}")).await.result().clone();
            let order = http.get(&format!("/order/{order}")).await.result().clone();
            let pieces = list(&content["product_ids"]).len();
            assert_eq!(order["lines"][0]["product_id"], content["product_ids"][0]);
            assert_eq!(order["lines"][0]["quantity"], json!(pieces));
            pieces
        })
    });
    // All at once would be more than unoptimised processes on a busy machine answer in time.
    let races = stream::iter(races).buffer_unordered(RACES_AT_ONCE);
    let pieces: Vec<usize> = races.map(Result::unwrap).collect().await;
    let (teas, cups) = (
        pieces.iter().filter(|pieces| **pieces == 1).count() as u64,
        pieces.iter().filter(|pieces| **pieces == 2).count() as u64,
    );
    assert_eq!(http.stock_of(&tea).await, 999 - teas);
    assert_eq!(http.stock_of(&cup).await, 999 - 2 * cups);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_orders_of_a_cart_at_one_moment_one_is_made_and_the_other_is_told_which() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(100, 999).await;
    let races = (0..30).map(async |_| {
        let cart = http.cart(&customer, &[&product]).await;
        let body = json!({"cart_id": cart});
        let (one, other) = tokio::join!(http.post("/order", &body), http.post("/order", &body));
        let (made, refused) = match one.status {
            200 => (one, other),
            _ => (other, one),
        };
        let order = made.id();
        refused.refused(409, &order);
        let cart = http.get(&format!("/cart/{cart}")).await;
        assert_eq!(cart.result()["order_id"], json!(order));
    });
    join_all(races).await;
    assert_eq!(list(http.get("/orders").await.result()).len(), 30);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_on_without_mails_when_its_customer_is_gone() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (leaver, customer) = (http.customer().await, http.customer().await);
    let product = http.product(300, 5).await;
    let (_, left) = ordered(http, &leaver, &product).await;
    let (_, order) = ordered(http, &customer, &product).await;
    // Two are welcomed and asked to pay, one is told good-bye.
    let mails = |n| move |mails: &Value| list(mails).len() == n;
    http.eventually("/mails/sent", mails(4)).await;
    http.delete(&format!("/customer/{leaver}")).await.result();
    http.eventually("/mails/sent", mails(5)).await;

    for order in [&left, &order] {
        http.billing(order, 300).await;
        http.order_becomes(order, "SHIPPED").await;
    }

    // Payment and shipping of the second order: what comes of the first one came before.
    let told = http.eventually("/mails/sent", mails(7)).await;
    let of = |order: &String| told.to_string().matches(order.as_str()).count();
    assert_eq!((of(&left), of(&order)), (1, 3), "{told}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_sagas_change_a_status_and_nothing_paid_can_be_deleted() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(300, 5).await;
    let (cart, order) = ordered(http, &customer, &product).await;
    let path = format!("/order/{order}");
    for status in ["CLEARED", "SHIPPED", "DELIVERED", "CREATED", "OUT_OF_STOCK"] {
        let body = json!({"cart_id": cart, "status": status});
        http.put(&path, &body).await.refused(409, "status");
    }
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;
    http.delete(&path).await.refused(409, "SHIPPED");
    let refused = http.delete(&format!("/billing/{billing}")).await;
    refused.refused(409, "SHIPPED");
    let shipping = format!("/shipping/{order}-shipping");
    http.delete(&shipping).await.refused(409, "SHIPPED");
    let delivered = json!({"order_id": order, "delivered": 1_700_000_000});
    http.put(&shipping, &delivered).await.result();
    http.order_becomes(&order, "DELIVERED").await;
    http.delete(&path).await.refused(409, "DELIVERED");
    assert_eq!(http.stock_of(&product).await, 4);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_bills_an_order_once() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(100, 10).await;
    let (_, order) = ordered(http, &customer, &product).await;
    let billing = json!({"order_id": order, "amount": 100});
    let twice = json!([billing, billing]);

    http.post("/billing", &twice).await.refused(409, &order);
    let accepted = http.post("/billings", &twice).await;
    let path = format!("/requests/{}", accepted.result().as_str().unwrap());
    http.eventually(&path, |found| found["state"] == "refused")
        .await;
    http.billing(&order, 100).await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_of_an_order_that_is_deleted_at_the_same_moment_is_returned() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(300, 100).await;
    let races = (0..60).map(|n| {
        let (http, customer, product) = (http.clone(), customer.clone(), product.clone());
        tokio::spawn(async move {
            let (_, order) = ordered(&http, &customer, &product).await;
            let paying = http.clone();
            let body = json!({"order_id": order, "amount": 300});
            let paid = tokio::spawn(async move { paying.post("/billing", &body).await.status });
            tokio::time::sleep(Duration::from_micros(n * 50)).await;
            let deleted = http.delete(&format!("/order/{order}")).await.status;
            assert!([200, 409].contains(&deleted), "{deleted}");
            (order, deleted == 200, paid.await.unwrap() == 200)
        })
    });
    let outcomes: Vec<(String, bool, bool)> = join_all(races)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let kept = outcomes.iter().filter(|(_, deleted, _)| !deleted).count();
    let returned = outcomes
        .iter()
        .filter(|(_, deleted, paid)| *deleted && *paid);
    let returned: Vec<&str> = returned.map(|(order, ..)| &**order).collect();
    // Every order that is left is paid and shipped; nothing is left of the others.
    http.eventually("/billings", |all| list(all).len() == kept)
        .await;
    http.eventually("/shippings", |all| list(all).len() == kept)
        .await;
    http.eventually("/orders", |all| {
        list(all).len() == kept && list(all).iter().all(|order| order["status"] == "SHIPPED")
    })
    .await;
    http.eventually("/inventories", |all| all[0]["amount"] == json!(100 - kept))
        .await;
    http.eventually("/mails/sent", |mails| {
        let told = |order: &&str| {
            let mails = list(mails).iter();
            mails
                .filter(|mail| tells_of_the_return(mail, order))
                .count()
                == 1
        };
        returned.iter().all(told)
    })
    .await;
    shop.close().await;
}

/// Deletes a billing, or is told that it can't be any more. On a busy machine an answer may be late: then it asks again, and what is gone was
/// deleted by the request before.
async fn taken_back(http: &Customer, billing: &str) -> bool {
    let mut unanswered = false;
    loop {
        let deleted = http.delete(&format!("/billing/{billing}")).await;
        match deleted.status {
            200 => return true,
            404 if unanswered => return true,
            409 => return false,
            503 | 504 => unanswered = true,
            status => panic!("{status} {}", deleted.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_taken_back_or_its_order_is_shipped_and_never_both() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(300, 100).await;
    let races = (0..60).map(|n| {
        let (http, customer, product) = (http.clone(), customer.clone(), product.clone());
        tokio::spawn(async move {
            let (_, order) = ordered(&http, &customer, &product).await;
            let billing = http.billing(&order, 300).await;
            tokio::time::sleep(Duration::from_micros(n * 100)).await;
            let taken_back = taken_back(&http, &billing).await;
            let status = if taken_back { "UNCLEARED" } else { "SHIPPED" };
            http.order_becomes(&order, status).await;
            taken_back
        })
    });
    let taken_back = join_all(races)
        .await
        .into_iter()
        .filter(|taken_back| *taken_back.as_ref().unwrap())
        .count();
    let shipped = 60 - taken_back;
    http.eventually("/billings", |all| list(all).len() == shipped)
        .await;
    http.eventually("/shippings", |all| list(all).len() == shipped)
        .await;

    // What was taken back can be paid again, and is shipped then.
    let orders = http.get("/orders").await.result().clone();
    for order in list(&orders)
        .iter()
        .filter(|order| order["status"] == "UNCLEARED")
    {
        http.billing(order["entity_id"].as_str().unwrap(), 300)
            .await;
    }
    http.eventually("/orders", |all| {
        list(all).iter().all(|order| order["status"] == "SHIPPED")
    })
    .await;
    http.eventually("/shippings", |all| list(all).len() == 60)
        .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_products_than_an_order_can_carry_are_refused_with_the_limit() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let many: Vec<Value> = (0..1_001)
        .map(|n| json!({"name": n.to_string(), "price": 1}))
        .collect();
    let products = http.post("/product", &json!(many)).await.result().clone();
    let stock: Vec<Value> = list(&products)
        .iter()
        .map(|id| json!({"product_id": id, "amount": 1}))
        .collect();
    http.post("/inventory", &json!(stock)).await.result();
    let cart = json!({"customer_id": customer, "product_ids": products});
    http.post("/cart", &cart).await.refused(400, "at most 1000");
    let cart = json!({"customer_id": customer, "product_ids": list(&products)[..1_000]});
    let cart = http.post("/cart", &cart).await.id();
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 1_000).await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}
