//! Faults of a shop in which two requests, or a request and a saga, decided against each other. Rows of the table in `table`.

use serde_json::json;

use super::super::topic::ShopTopic;
use super::faults::FaultCase;
use super::story::{CART, ORDER, Story, compensated, order, stock, without_lines};

/// A UUID of version 7 whose time is 3 ms after the epoch, before every reaction of the story.
const EARLY: &str = "00000000000370008000000000000000";
/// One whose time is after them.
pub const LATE: &str = "0000000000ff70008000000000000000";

/// A client sets the stock of tea.
pub fn restock(story: &mut Story, request: &str, amount: i64) {
    let data = stock("i-tea", "tea", amount);
    story.add(
        ShopTopic::Inventory,
        "i-tea",
        3,
        "entity_updated",
        request,
        request,
        data,
    );
    story.show();
}

/// A second order of the cart.
pub fn second_order(story: &mut Story, status: &str) {
    let mut data = order(status);
    data["entity_id"] = json!("order-2");
    story.asked(ShopTopic::Order, "order-2", data);
}

/// Changes a field of every event of the order from this one on.
fn reword(story: &mut Story, from: usize, field: &str, value: &serde_json::Value) {
    let orders = story
        .events
        .iter_mut()
        .filter(|(topic, _)| *topic == ShopTopic::Order);
    for (_, event) in orders.skip(from) {
        event["data"][field] = value.clone();
    }
}

/// The order is deleted although it is paid, its stock is given back, and it is shipped all the same.
fn deleted_while_it_is_shipped(story: &mut Story) {
    story.without_all(["bill.cleared.shipping.shipped", "put-1", "put-1.delivered"]);
    story.delete_order("CLEARED");
    story.give_back();
}

fn bill() -> serde_json::Value {
    json!({"entity_id": "bill", "order_id": ORDER, "amount": 1400})
}

/// A request deletes the payment.
fn take_payment_back(story: &mut Story) {
    story.add(
        ShopTopic::Billing,
        "bill",
        2,
        "entity_deleted",
        "late",
        "late",
        bill(),
    );
}

pub const ROWS: &[FaultCase] = &[
    (
        "a cart without lines in its order is changed, and the reservation follows the cart",
        |s| {
            *s = without_lines();
            let data = json!({"entity_id": CART, "customer_id": "ada", "product_ids": ["tea"]});
            s.add(
                ShopTopic::Cart,
                CART,
                2,
                "entity_updated",
                "put-2",
                "put-2",
                data,
            );
            let lines = &mut s.event("order-1.stock_reserved")["data"]["lines"];
            *lines = json!([{"inventory_id": "i-tea", "product_id": "tea", "quantity": 1}]);
        },
        "stock",
        ORDER,
        "not the pieces that cart cart-1 held when it was ordered",
    ),
    (
        "a client clears an order",
        |s| {
            let cleared = s.event("bill.cleared");
            cleared["event_id"] = json!("put-2");
            cleared["causation_id"] = json!("put-2");
        },
        "order_histories",
        ORDER,
        "a client's request made it CLEARED",
    ),
    (
        "an order is shipped that nobody paid",
        |s| s.without("bill"),
        "paid_and_shipped",
        ORDER,
        "DELIVERED, but has 0 billings",
    ),
    (
        "a billing is deleted after the order was delivered",
        take_payment_back,
        "paid_and_shipped",
        ORDER,
        "DELIVERED, but has 0 billings",
    ),
    (
        "an order is paid twice",
        |s| s.asked(ShopTopic::Billing, "bill-2", bill()),
        "paid_and_shipped",
        ORDER,
        "has 2 billings",
    ),
    (
        "an order is delivered that was paid in part",
        |s| s.event("bill")["data"]["amount"] = json!(400),
        "paid_and_shipped",
        ORDER,
        "costs 1400, but was paid 400",
    ),
    (
        "an order is shipped without a shipping",
        |s| {
            s.without("bill.cleared.shipping");
            s.without("put-1");
        },
        "paid_and_shipped",
        ORDER,
        "was never shipped",
    ),
    (
        "an order is delivered whose shipping was withdrawn",
        |s| {
            let data = s.event("bill.cleared.shipping")["data"].clone();
            let id = data["entity_id"].as_str().expect("a string").to_owned();
            s.add(
                ShopTopic::Shipping,
                &id,
                3,
                "entity_deleted",
                "late.withdrawn",
                "late",
                data,
            );
            s.show();
        },
        "paid_and_shipped",
        ORDER,
        "DELIVERED, but its shipping was withdrawn",
    ),
    (
        "a paid order is deleted",
        deleted_while_it_is_shipped,
        "order_histories",
        ORDER,
        "deleted as CLEARED",
    ),
    (
        "an order is shipped whose stock was given back",
        deleted_while_it_is_shipped,
        "stock",
        ORDER,
        "was given back, but the order still needs it or was shipped",
    ),
    (
        "a deleted order is shipped",
        deleted_while_it_is_shipped,
        "paid_and_shipped",
        ORDER,
        "its shipping was not withdrawn",
    ),
    (
        "an order that is not paid any more is shipped",
        |s| {
            s.without_all(["bill.cleared.shipping.shipped", "put-1", "put-1.delivered"]);
            let data = order("UNCLEARED");
            s.add(
                ShopTopic::Order,
                ORDER,
                4,
                "entity_updated",
                "late.uncleared",
                "late",
                data,
            );
            take_payment_back(s);
        },
        "paid_and_shipped",
        ORDER,
        "it is UNCLEARED, but its shipping was not withdrawn",
    ),
    (
        "an order is paid and gone",
        |s| {
            *s = compensated();
            s.without("bill.returned");
        },
        "paid_and_shipped",
        "bill",
        "was not returned",
    ),
    (
        "a payment is returned, and the customer isn't told",
        |s| {
            *s = compensated();
            s.without("bill.returned.mail");
        },
        "mails",
        ORDER,
        "no mail for a returned payment",
    ),
    (
        "a payment is returned, and somebody else is told",
        |s| {
            *s = compensated();
            s.event("bill.returned.mail")["data"]["recipient"] = json!("e@ve");
        },
        "mails",
        ORDER,
        "wrong text or recipient",
    ),
    (
        "a payment is returned, and the mail doesn't say for what",
        |s| {
            *s = compensated();
            s.event("bill.returned.mail")["data"]["message"] = json!("Dear Ada, sorry.");
        },
        "mails",
        ORDER,
        "wrong text or recipient",
    ),
    (
        "a client that could not know a reservation writes over it",
        |s| restock(s, EARLY, 10),
        "stock",
        "i-tea",
        "version 3 writes over the reservation in version 2",
    ),
    (
        "a cart is ordered twice",
        |s| second_order(s, "CREATED"),
        "ordered",
        "order-2",
        "already has order order-1",
    ),
    (
        "an order was never made, and its cart is kept for it",
        |s| s.event(CART)["data"]["order_id"] = json!("order-0"),
        "ordered",
        CART,
        "kept for order order-0, which is not there",
    ),
    (
        "an order's lines change",
        |s| {
            reword(
                s,
                2,
                "lines",
                &json!([{"product_id": "tea", "quantity": 3, "price": 250}]),
            )
        },
        "ordered",
        ORDER,
        "changed after its creation",
    ),
    (
        "an order's total is not what its lines cost",
        |s| reword(s, 0, "total", &json!(1399)),
        "ordered",
        ORDER,
        "total is 1399, but its lines cost 1400",
    ),
    (
        "an order is not what its cart held",
        |s| {
            let lines = json!([{"product_id": "tea", "quantity": 1, "price": 1400}]);
            reword(s, 0, "lines", &lines);
        },
        "ordered",
        ORDER,
        "not what cart cart-1 held",
    ),
    (
        "an order's price was never a price",
        |s| {
            s.event("tea")["data"]["price"] = json!(249);
            s.event("cup")["data"]["price"] = json!(902);
        },
        "ordered",
        ORDER,
        "didn't cost",
    ),
];
