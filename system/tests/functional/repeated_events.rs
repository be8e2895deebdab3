//! Events that come again, or late, or against each other.

use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use serde_json::{Value, json};

use crate::foreign_service::ForeignService;
use crate::held_shop::HeldShop;
use crate::shop::Shop;

fn shipping(id: &str, order: &str) -> Value {
    json!({"entity_id": id, "order_id": order, "delivered": 0})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_comes_again_after_its_deletion_holds_no_stock() {
    let mut shop = HeldShop::open(None).await;
    let http = shop.http().clone();
    let (customer, product) = (http.customer().await, http.product(300, 1).await);
    let (order, _) = http.comes_too_late(&customer, &product).await;
    http.delete(&format!("/order/{order}")).await.result();
    let path = format!("/inventory/{}", http.inventory().await);
    let stock = json!({"product_id": product, "amount": 5});
    http.put(&path, &stock).await.result();

    let created = shop.history(Topic::Order, &order).await.remove(0);
    shop.comes_again(&created, "inventory-service").await;

    let reservation = shop.history(Topic::Inventory, &order).await;
    let actions: Vec<&str> = reservation.iter().map(|event| &*event.action).collect();
    assert_eq!(actions, [action::STOCK_RESERVED, action::STOCK_RELEASED]);
    http.eventually(&path, |inventory| inventory["amount"] == 5)
        .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_order_whose_pieces_were_reserved_before_is_in_stock_although_its_product_is_gone()
 {
    let (topic, group) = (Topic::Order, "inventory-service");
    let mut shop = HeldShop::open(Some((topic, group))).await;
    let http = shop.http().clone();
    let product = http.product(300, 4).await;
    let cart = http.cart(&http.customer().await, &[&product]).await;
    let inventory = http.inventory().await;
    let order = json!({"entity_id": "o", "cart_id": cart, "status": "CREATED"});
    shop.foreign
        .writes(topic, "o", 1, action::CREATED, &order, Vec::new())
        .await;
    // The earlier attempt, which got no further.
    let line = json!({"inventory_id": inventory, "product_id": product, "quantity": 1});
    let reserved = json!({"order_id": "o", "lines": [line]});
    shop.foreign
        .writes(
            Topic::Inventory,
            "o",
            1,
            action::STOCK_RESERVED,
            &reserved,
            Vec::new(),
        )
        .await;
    http.eventually("/order/o", Value::is_object).await;
    http.delete(&format!("/product/{product}")).await.result();

    shop.let_go(topic, group).await;

    http.order_becomes("o", "IN_STOCK").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_payment_that_comes_before_the_stock_is_reserved_is_returned() {
    let (topic, group) = (Topic::Order, "inventory-service");
    let mut shop = HeldShop::open(Some((topic, group))).await;
    let order = shop.order().await;
    let billing = json!({"entity_id": "early", "order_id": order, "amount": 300});
    shop.foreign.creates(Topic::Billing, &billing).await;
    let http = shop.http().clone();
    http.is_told_of_the_return(&order).await;
    http.eventually("/billing/early", Value::is_null).await;

    shop.let_go(topic, group).await;

    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_shipping_is_withdrawn_as_it_is_paid_anew_is_shipped_again() {
    let shop = HeldShop::open(None).await;
    let order = shop.order().await;
    let http = shop.http();
    http.order_becomes(&order, "IN_STOCK").await;
    http.billing(&order, 300).await;
    http.order_becomes(&order, "SHIPPED").await;

    // As by a service that stood still between its look at an order that was UNCLEARED and this.
    let id = format!("{order}-shipping");
    shop.foreign
        .deletes(Topic::Shipping, &shipping(&id, &order))
        .await;

    let again = shipping(&format!("{id}-again"), &order);
    http.eventually("/shippings", |all| *all == json!([again]))
        .await;
    http.order_becomes(&order, "SHIPPED").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_own_shippings_were_withdrawn_leaves_the_order_to_the_next_payment() {
    let (topic, group) = (Topic::Order, "shipping-service");
    let mut shop = HeldShop::open(Some((topic, group))).await;
    let order = shop.order().await;
    let http = shop.http().clone();
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;
    http.delete(&format!("/billing/{billing}")).await.result();
    http.order_becomes(&order, "UNCLEARED").await;
    // What the first payment's event (the order's third) made before it comes again: its shipping, and the one after that was withdrawn.
    for id in [format!("{order}-shipping"), format!("{order}-shipping-3")] {
        let shipping = shipping(&id, &order);
        shop.foreign.creates(Topic::Shipping, &shipping).await;
        http.eventually("/shippings", |all| *all == json!([])).await;
        shop.becomes_idle("order-service").await;
    }
    http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;

    shop.let_go(topic, group).await;

    http.order_becomes(&order, "SHIPPED").await;
    let last = shipping(&format!("{order}-shipping-5"), &order);
    http.eventually("/shippings", |all| *all == json!([last]))
        .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_is_being_taken_back_does_not_clear_its_order_again() {
    let mut shop = HeldShop::open(Some((Topic::Order, "shipping-service"))).await;
    let order = shop.order().await;
    let http = shop.http().clone();
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 300).await;
    http.order_becomes(&order, "CLEARED").await;
    // The first of the two steps in which a payment is taken back.
    let order_now = http.get(&format!("/order/{order}")).await.result().clone();
    let mut uncleared = order_now.as_object().unwrap().clone();
    uncleared.insert("status".to_owned(), json!("UNCLEARED"));
    shop.foreign
        .writes(
            Topic::Order,
            &order,
            4,
            action::UPDATED,
            &json!(uncleared),
            Vec::new(),
        )
        .await;

    let paid = shop.history(Topic::Billing, &billing).await.remove(0);
    shop.comes_again(&paid, "order-service").await;

    let last = shop.history(Topic::Order, &order).await.pop().unwrap();
    assert!(last.data.get().contains("UNCLEARED"), "{last:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_payment_of_an_order_that_is_out_of_stock_is_returned_and_its_customer_told() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let (customer, product) = (http.customer().await, http.product(300, 1).await);
    let (order, _) = http.comes_too_late(&customer, &product).await;

    let billing = json!({"entity_id": "b", "order_id": order, "amount": 300});
    let foreign = ForeignService::on(&shop.redis_url());
    foreign.creates(Topic::Billing, &billing).await;

    http.is_told_of_the_return(&order).await;
    http.eventually("/billing/b", serde_json::Value::is_null)
        .await;
    shop.close().await;
}
