//! Sales with one fault each. Rows of the table in `table`.

use serde_json::json;

use super::super::topic::ShopTopic;
use super::story::{CART, ORDER, Story, compensated, order, reservation, without_lines};

/// The fault in words, the fault, the check that must report it, the offender's id, and words of the reason.
pub type FaultCase = (
    &'static str,
    fn(&mut Story),
    &'static str,
    &'static str,
    &'static str,
);

/// The order is OUT_OF_STOCK, and keeps what it has.
fn out_of_stock(story: &mut Story) {
    story.without_all([
        "bill.cleared",
        "bill.cleared.shipping",
        "bill.cleared.shipping.shipped",
        "put-1",
        "put-1.delivered",
    ]);
    story.event("order-1.in_stock")["data"] = order("OUT_OF_STOCK");
}

fn ship(story: &mut Story, id: &str, order: &str) {
    let data = json!({"entity_id": id, "order_id": order, "delivered": 0});
    story.asked(ShopTopic::Shipping, id, data);
}

pub const ROWS: &[FaultCase] = &[
    (
        "an accepted write is nowhere",
        |s| s.accepted(ShopTopic::Cart, "lost"),
        "accepted_present",
        "lost",
        "never created",
    ),
    (
        "an accepted write is there twice",
        |s| {
            let mut again = s.event("ada").clone();
            again["event_id"] = json!("again");
            s.events.push((ShopTopic::Customer, again));
        },
        "accepted_present",
        "ada",
        "created 2 times",
    ),
    (
        "something nobody asked for",
        |s| {
            s.add(
                ShopTopic::Product,
                "ghost",
                1,
                "entity_created",
                "ghost",
                "ghost",
                json!({"entity_id": "ghost", "price": 1}),
            );
            s.show();
        },
        "accepted_present",
        "ghost",
        "without a request",
    ),
    (
        "a step is left out",
        |s| s.without("bill.cleared"),
        "order_histories",
        ORDER,
        "IN_STOCK → SHIPPED",
    ),
    (
        "an order is made as paid",
        |s| s.event(ORDER)["data"]["status"] = json!("CLEARED"),
        "order_histories",
        ORDER,
        "began as CLEARED",
    ),
    (
        "an order is forgotten",
        |s| {
            s.without_all([
                "order-1.in_stock",
                "bill.cleared",
                "bill.cleared.shipping.shipped",
                "put-1.delivered",
            ]);
        },
        "order_histories",
        ORDER,
        "stuck in CREATED",
    ),
    (
        "a payment is forgotten",
        |s| {
            s.without_all([
                "bill.cleared",
                "bill.cleared.shipping.shipped",
                "put-1.delivered",
            ]);
        },
        "order_histories",
        ORDER,
        "stuck in IN_STOCK: it has a billing",
    ),
    (
        "a parcel is forgotten",
        |s| {
            s.without_all([
                "bill.cleared.shipping",
                "bill.cleared.shipping.shipped",
                "put-1",
                "put-1.delivered",
            ]);
        },
        "order_histories",
        ORDER,
        "stuck in CLEARED: it has no shipping",
    ),
    (
        "a delivery is forgotten",
        |s| s.without("put-1.delivered"),
        "order_histories",
        ORDER,
        "stuck in SHIPPED",
    ),
    (
        "a piece is lost",
        |s| s.event("order-1.stock_reserved.0")["data"]["amount"] = json!(7),
        "stock",
        "tea",
        "= 8, but its stock is 7",
    ),
    (
        "a piece is sold twice",
        |s| s.event("order-1.stock_reserved.1")["data"]["amount"] = json!(-1),
        "stock",
        "i-cup",
        "amount -1",
    ),
    (
        "a reservation is not what the cart holds",
        |s| {
            s.event("order-1.stock_reserved")["data"]["lines"][1]["quantity"] = json!(3);
        },
        "stock",
        ORDER,
        "not the lines of its order",
    ),
    (
        "a reservation is made twice",
        |s| {
            s.add(
                ShopTopic::Inventory,
                ORDER,
                2,
                "stock_reserved",
                "again",
                ORDER,
                reservation(),
            );
        },
        "stock",
        ORDER,
        "reserved 2 times",
    ),
    (
        "a reservation is missing",
        |s| s.without("order-1.stock_reserved"),
        "stock",
        ORDER,
        "without a reservation",
    ),
    (
        "shipped stock is given back",
        |s| {
            s.add(
                ShopTopic::Inventory,
                ORDER,
                2,
                "stock_released",
                "back",
                "x",
                reservation(),
            );
        },
        "stock",
        ORDER,
        "still needs it or was shipped",
    ),
    (
        "an order is deleted and its stock kept",
        |s| {
            *s = compensated();
            s.without_all([
                "del.stock_released.0",
                "del.stock_released.1",
                "del.stock_released",
            ]);
        },
        "stock",
        ORDER,
        "not given back",
    ),
    (
        "a payment is a cent short",
        |s| s.event("bill")["data"]["amount"] = json!(1399),
        "money",
        "bill",
        "order-1 cost 1400",
    ),
    (
        "an order is billed twice",
        |s| {
            s.asked(
                ShopTopic::Billing,
                "bill-2",
                json!({"entity_id": "bill-2", "order_id": ORDER, "amount": 1400}),
            );
        },
        "money",
        "bill-2",
        "already had a billing",
    ),
    (
        "a mail is missing",
        |s| s.without("bill.mail"),
        "mails",
        ORDER,
        "no mail for a billing",
    ),
    (
        "a mail is sent twice",
        |s| {
            s.mail(
                "bill",
                "Dear Ada, we have received your payment of € 14.00 for order order-1.",
            )
        },
        "mails",
        ORDER,
        "2 mails",
    ),
    (
        "a mail without a reason",
        |s| s.mail("nothing", "Dear Ada, hello."),
        "mails",
        "nothing",
        "no event requires",
    ),
    (
        "a mail says a wrong sum",
        |s| {
            s.event("order-1.in_stock.mail")["data"]["message"] =
                json!("Dear Ada, thank you for your order order-1. Please pay € 1.00.");
        },
        "mails",
        ORDER,
        "wrong text",
    ),
    (
        "a mail goes to somebody else",
        |s| s.event("ada.mail")["data"]["recipient"] = json!("e@ve"),
        "mails",
        "ada",
        "wrong text or recipient",
    ),
    (
        "an entity is shown stale",
        |s| {
            let shown = s
                .shown
                .iter_mut()
                .find(|(topic, _)| *topic == ShopTopic::Order)
                .unwrap();
            shown.1["status"] = json!("SHIPPED");
        },
        "read_model",
        ORDER,
        "differs from its events",
    ),
    (
        "an entity is not shown",
        |s| s.shown.retain(|(topic, _)| *topic != ShopTopic::Cart),
        "read_model",
        CART,
        "not shown",
    ),
    (
        "an entity is shown that is not there",
        |s| s.shown.push((ShopTopic::Cart, json!({"entity_id": "x"}))),
        "read_model",
        "x",
        "does not exist",
    ),
    (
        "a mail is not shown",
        |s| drop(s.shown.pop()),
        "read_model",
        "mail",
        "1 sent, but not shown",
    ),
    (
        "a version is missing",
        |s| s.event("put-1.delivered")["version"] = json!(6),
        "versions",
        ORDER,
        "version 5 is missing",
    ),
    (
        "a version comes again",
        |s| s.event("put-1.delivered")["version"] = json!(4),
        "versions",
        ORDER,
        "version 4 is repeated",
    ),
    (
        "an event id comes again",
        |s| s.event("put-1.delivered")["event_id"] = json!("bill.cleared"),
        "versions",
        ORDER,
        "is not unique",
    ),
    (
        "a position goes back",
        |s| s.event("put-1.delivered")["position"] = json!("3-0"),
        "versions",
        ORDER,
        "not above",
    ),
    (
        "data that is no entity",
        |s| s.event("bill")["data"] = json!({"sum": 1}),
        "versions",
        "bill",
        "can't be read",
    ),
    (
        "stock that nobody reserved is given back",
        |s| {
            *s = compensated();
            s.without("order-1.stock_reserved");
        },
        "stock",
        ORDER,
        "given back without a reservation",
    ),
    (
        "other stock is given back than was reserved",
        |s| {
            *s = compensated();
            s.event("del.stock_released")["data"]["lines"][1]["quantity"] = json!(3);
        },
        "stock",
        ORDER,
        "is not the stock reserved",
    ),
    (
        "stock is given back twice",
        |s| {
            *s = compensated();
            s.add(
                ShopTopic::Inventory,
                ORDER,
                3,
                "stock_released",
                "again",
                "del",
                reservation(),
            );
        },
        "stock",
        ORDER,
        "given back 2 times",
    ),
    (
        "stock is reserved for no order",
        |s| {
            s.add(
                ShopTopic::Inventory,
                "none",
                1,
                "stock_reserved",
                "none",
                "none",
                reservation(),
            )
        },
        "stock",
        "none",
        "an order that never existed",
    ),
    (
        "an order without stock keeps what was reserved",
        out_of_stock,
        "stock",
        ORDER,
        "not given back",
    ),
    (
        "an order without stock keeps its payment",
        out_of_stock,
        "order_histories",
        ORDER,
        "its payment was not returned",
    ),
    (
        "a reservation can't be read",
        |s| s.event("order-1.stock_reserved")["data"] = json!({}),
        "stock",
        ORDER,
        "can't be read",
    ),
    (
        "an order does not learn of its shipping",
        |s| {
            s.without_all(["bill.cleared.shipping.shipped", "put-1", "put-1.delivered"]);
        },
        "order_histories",
        ORDER,
        "stuck in CLEARED: it has a shipping",
    ),
    (
        "an order that was delivered is deleted",
        |s| s.delete_order("DELIVERED"),
        "order_histories",
        ORDER,
        "deleted as DELIVERED",
    ),
    (
        "an order is shipped twice",
        |s| ship(s, "ship-2", ORDER),
        "paid_and_shipped",
        ORDER,
        "it has 2 shippings",
    ),
    (
        "an order that never existed is shipped",
        |s| ship(s, "ship-2", "none"),
        "paid_and_shipped",
        "none",
        "its shipping was not withdrawn",
    ),
    (
        "an order that never existed is paid",
        |s| s.event("bill")["data"]["order_id"] = json!("none"),
        "money",
        "bill",
        "which never existed",
    ),
    (
        "an order is paid whose sum nobody knows",
        |s| {
            *s = without_lines();
            s.without("tea");
        },
        "money",
        "bill",
        "is unknown",
    ),
];
