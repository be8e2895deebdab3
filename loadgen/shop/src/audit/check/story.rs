//! One correct sale, as events and as the lists that show it, in which a test can make one thing wrong.

use serde_json::{Value, json};

use super::super::event::AuditEvent;
use super::super::gauges::Gauges;
use super::super::history::History;
use super::super::topic::{ShopPartition, ShopTopic};
use super::*;
use crate::order_shop::OrderShop;
use loadgen_engine::record::ledger::{Change, Ledger, Meanings, Posted};
use loadgen_report::audit::CheckReport;

/// The events in the order of time, and the entities that the lists show.
#[derive(Clone)]
pub struct Story {
    pub events: Vec<(ShopTopic, Value)>,
    pub shown: Vec<(ShopTopic, Value)>,
    pub ledger: Ledger,
    /// How many each topic has; an event without a `partition` is in number 0.
    pub partitions: u32,
}

pub const CART: &str = "cart-1";
pub const ORDER: &str = "order-1";

/// A customer buys two pieces of tea and one cup, pays, and gets them.
pub fn right() -> Story {
    let mut story = Story {
        events: Vec::new(),
        shown: Vec::new(),
        ledger: Ledger::default(),
        partitions: 1,
    };
    let ada = json!({"entity_id": "ada", "name": "Ada", "email": "a@b"});
    story.asked(ShopTopic::Customer, "ada", ada);
    story.asked(
        ShopTopic::Product,
        "tea",
        json!({"entity_id": "tea", "name": "Tea", "price": 250}),
    );
    story.asked(
        ShopTopic::Product,
        "cup",
        json!({"entity_id": "cup", "name": "Cup", "price": 900}),
    );
    story.asked(ShopTopic::Inventory, "i-tea", stock("i-tea", "tea", 10));
    story.asked(ShopTopic::Inventory, "i-cup", stock("i-cup", "cup", 1));
    let cart =
        json!({"entity_id": CART, "customer_id": "ada", "product_ids": ["tea", "cup", "tea"]});
    story.asked(ShopTopic::Cart, CART, cart);
    story.asked(ShopTopic::Order, ORDER, order("CREATED"));
    story.add(
        ShopTopic::Inventory,
        "i-tea",
        2,
        "entity_updated",
        "order-1.stock_reserved.0",
        ORDER,
        stock("i-tea", "tea", 8),
    );
    story.add(
        ShopTopic::Inventory,
        "i-cup",
        2,
        "entity_updated",
        "order-1.stock_reserved.1",
        ORDER,
        stock("i-cup", "cup", 0),
    );
    story.add(
        ShopTopic::Inventory,
        ORDER,
        1,
        "stock_reserved",
        "order-1.stock_reserved",
        ORDER,
        reservation(),
    );
    story.add(
        ShopTopic::Order,
        ORDER,
        2,
        "entity_updated",
        "order-1.in_stock",
        ORDER,
        order("IN_STOCK"),
    );
    story.asked(
        ShopTopic::Billing,
        "bill",
        json!({"entity_id": "bill", "order_id": ORDER, "amount": 1400}),
    );
    story.add(
        ShopTopic::Order,
        ORDER,
        3,
        "entity_updated",
        "bill.cleared",
        "bill",
        order("CLEARED"),
    );
    let shipping =
        |delivered: u64| json!({"entity_id": "ship", "order_id": ORDER, "delivered": delivered});
    story.add(
        ShopTopic::Shipping,
        "ship",
        1,
        "entity_created",
        "bill.cleared.shipping",
        "bill.cleared",
        shipping(0),
    );
    story.add(
        ShopTopic::Order,
        ORDER,
        4,
        "entity_updated",
        "bill.cleared.shipping.shipped",
        "bill.cleared.shipping",
        order("SHIPPED"),
    );
    story.add(
        ShopTopic::Shipping,
        "ship",
        2,
        "entity_updated",
        "put-1",
        "put-1",
        shipping(1_700_000_000),
    );
    story.changed(("shipping", "ship"), "PUT", 200, None);
    story.add(
        ShopTopic::Order,
        ORDER,
        5,
        "entity_updated",
        "put-1.delivered",
        "put-1",
        order("DELIVERED"),
    );
    story.mail("ada", "Dear Ada, welcome to OrderShop!");
    story.mail(
        "order-1.in_stock",
        "Dear Ada, thank you for your order order-1. Please pay € 14.00.",
    );
    story.mail(
        "bill",
        "Dear Ada, we have received your payment of € 14.00 for order order-1.",
    );
    story.mail(
        "bill.cleared.shipping",
        "Dear Ada, your order order-1 is on its way.",
    );
    story.show();
    story
}

pub fn stock(id: &str, product: &str, amount: i64) -> Value {
    json!({"entity_id": id, "product_id": product, "amount": amount})
}

pub fn order(status: &str) -> Value {
    json!({
        "entity_id": ORDER, "cart_id": CART, "status": status, "customer_id": "ada", "total": 1400,
        "lines": [
            {"product_id": "tea", "quantity": 2, "price": 250},
            {"product_id": "cup", "quantity": 1, "price": 900},
        ],
    })
}

/// The same customer deletes the order at the moment of its payment: the payment comes to nothing, is returned, and the stock is back.
pub fn compensated() -> Story {
    let mut story = right();
    story.without_all([
        "bill.cleared",
        "bill.cleared.shipping",
        "bill.cleared.shipping.mail",
        "bill.cleared.shipping.shipped",
        "put-1",
        "put-1.delivered",
    ]);
    story.accepted_alone();
    story.delete_order("IN_STOCK");
    story.changed(("order", ORDER), "DELETE", 200, None);
    story.give_back();
    let bill = json!({"entity_id": "bill", "order_id": ORDER, "amount": 1400});
    story.add(
        ShopTopic::Billing,
        "bill",
        2,
        "entity_deleted",
        "bill.returned",
        "bill",
        bill,
    );
    story.mail(
        "bill.returned",
        "Dear Ada, we return your payment of € 14.00: order order-1 is gone.",
    );
    story.show();
    story
}

/// The same sale by services that know no lines of an order.
pub fn without_lines() -> Story {
    let mut story = right();
    for (_, event) in &mut story.events {
        strip(&mut event["data"]);
    }
    for (_, shown) in &mut story.shown {
        strip(shown);
    }
    story
}

fn strip(order: &mut Value) {
    if let Some(fields) = order.as_object_mut().filter(|f| f.contains_key("cart_id")) {
        for name in ["customer_id", "lines", "total"] {
            fields.remove(name);
        }
    }
}

pub fn reservation() -> Value {
    json!({"order_id": ORDER, "released": false, "lines": [
        {"inventory_id": "i-cup", "product_id": "cup", "quantity": 1},
        {"inventory_id": "i-tea", "product_id": "tea", "quantity": 2},
    ]})
}

impl Story {
    #[allow(clippy::too_many_arguments)] // an event has so many fields
    pub fn add(
        &mut self,
        topic: ShopTopic,
        id: &str,
        version: u64,
        action: &str,
        event_id: &str,
        cause: &str,
        data: Value,
    ) {
        let number = |(_, event): &(ShopTopic, Value)| event["published_at_us"].as_u64();
        let last = self.events.iter().filter_map(number).max();
        let number = last.unwrap_or(0) / 1_000 + 1;
        let event = json!({
            "position": format!("{number}-0"), "event_id": event_id, "action": action, "aggregate_id": id,
            "version": version, "data": data, "published_at_us": number * 1_000, "causation_id": cause,
        });
        self.events.push((topic, event));
    }

    /// Adds an entity that a request creates, with the response.
    pub fn asked(&mut self, topic: ShopTopic, id: &str, data: Value) {
        self.add(topic, id, 1, "entity_created", id, id, data);
        self.accepted(topic, id);
    }

    pub fn accepted(&mut self, topic: ShopTopic, id: &str) {
        let posted = OrderShop.posted(topic.name(), None).unwrap();
        self.answered(&posted, id);
    }

    /// Leaves of the run that its creations were answered as done.
    pub fn accepted_alone(&mut self) {
        self.ledger = Ledger::default();
        for (topic, event) in self.events.clone() {
            if event["action"] == "entity_created" {
                self.accepted(topic, event["event_id"].as_str().unwrap());
            }
        }
    }

    /// Notes the answer to a POST with a key.
    pub fn answered_to_key(&mut self, key: &str, topic: ShopTopic, id: &str) {
        let mut posted = OrderShop.posted(topic.name(), None).unwrap();
        posted.key = Some(key.to_owned());
        self.answered(&posted, id);
    }

    fn answered(&mut self, posted: &Posted, id: &str) {
        self.ledger.sent(posted);
        let answer = json!({"result": [id]}).to_string();
        let created = OrderShop.answered(posted, 200, answer.as_bytes());
        self.ledger.answered(posted, created);
    }

    /// Notes a change that a client of the run asked for, with the status of its answer.
    pub fn changed(
        &mut self,
        (kind, id): (&str, &str),
        method: &str,
        status: u16,
        body: Option<&Value>,
    ) {
        self.changed_if((kind, id), method, status, body, None);
    }

    pub fn changed_if(
        &mut self,
        (kind, id): (&str, &str),
        method: &str,
        status: u16,
        body: Option<&Value>,
        if_match: Option<u64>,
    ) {
        let entity = OrderShop.entity(&format!("/{kind}/{id}")).unwrap();
        let change = Change {
            content: body.and_then(|body| OrderShop.content(kind, &body.to_string())),
            removes: method == "DELETE",
            if_match,
        };
        self.ledger.changing(&entity, &change);
        self.ledger.changed(&entity, &change, status);
    }

    /// Deletes the order by a request.
    pub fn delete_order(&mut self, status: &str) {
        let versions = self
            .events
            .iter()
            .filter(|(topic, event)| *topic == ShopTopic::Order && event["aggregate_id"] == ORDER);
        let version = versions.count() as u64 + 1;
        let data = order(status);
        self.add(
            ShopTopic::Order,
            ORDER,
            version,
            "entity_deleted",
            "del",
            "del",
            data,
        );
    }

    /// Gives the order's stock back.
    pub fn give_back(&mut self) {
        let mut back = |id: &str, version, action: &str, suffix: &str, data| {
            let event_id = format!("del.{suffix}");
            self.add(
                ShopTopic::Inventory,
                id,
                version,
                action,
                &event_id,
                "del",
                data,
            );
        };
        back(
            "i-tea",
            3,
            "entity_updated",
            "stock_released.0",
            stock("i-tea", "tea", 10),
        );
        back(
            "i-cup",
            3,
            "entity_updated",
            "stock_released.1",
            stock("i-cup", "cup", 1),
        );
        back(ORDER, 2, "stock_released", "stock_released", reservation());
    }

    pub fn mail(&mut self, cause: &str, message: &str) {
        let id = format!("{cause}.mail");
        let data = json!({"recipient": "a@b", "message": message});
        self.add(ShopTopic::Mail, &id, 1, "mail_sent", &id, &id, data);
    }

    /// Fills the lists from the events.
    pub fn show(&mut self) {
        self.shown.clear();
        for (topic, event) in &self.events {
            let data = &event["data"];
            let action = event["action"].as_str().unwrap();
            if action == "mail_sent" {
                self.shown.push((*topic, data.clone()));
            } else if action.starts_with("entity") {
                self.shown
                    .retain(|(_, shown)| shown["entity_id"] != data["entity_id"]);
                if action != "entity_deleted" {
                    self.shown.push((*topic, data.clone()));
                }
            }
        }
    }

    pub fn event(&mut self, event_id: &str) -> &mut Value {
        let mut events = self.events.iter_mut();
        let found = events.find(|(_, event)| event["event_id"] == event_id);
        &mut found.unwrap().1
    }

    pub fn without_all<const N: usize>(&mut self, event_ids: [&str; N]) {
        for id in event_ids {
            self.without(id);
        }
    }

    pub fn without(&mut self, event_id: &str) {
        self.events
            .retain(|(_, event)| event["event_id"] != event_id);
    }

    pub fn checked(&self, since_us: u64, from_nothing: bool, gauges: &Gauges) -> Vec<CheckReport> {
        let (mut history, mut stock) = (History::new(since_us), Stock::new(self.partitions));
        let (mut versions, mut read_model) = (Versions::new(since_us), ReadModel::new(since_us));
        let mut clients = ClientHistories::new(Some(&self.ledger));
        for partition in ShopPartition::all(self.partitions) {
            let ShopPartition { topic, number } = partition;
            for (of, event) in &self.events {
                let is_of = event["partition"].as_u64().unwrap_or(0) == u64::from(number);
                if *of != topic || !is_of {
                    continue;
                }
                let text = event.to_string();
                let event: AuditEvent<'_> = serde_json::from_str(&text).unwrap();
                history.take(topic, &event);
                if topic == ShopTopic::Inventory {
                    stock.take(&mut history, number, &event);
                }
                versions.take(partition, &event);
                read_model.take(topic, &event);
                clients.take(topic, &event);
            }
        }
        self.shown
            .iter()
            .for_each(|(topic, entity)| read_model.shown(*topic, entity));
        vec![
            accepted_present(&history, Some(&self.ledger), Some(gauges), from_nothing),
            clients.finish(from_nothing),
            order_histories(&history),
            ordered(&history),
            paid_and_shipped(&history),
            stock.finish(&history),
            money(&history),
            mails(&history),
            read_model.finish(),
            versions.finish(&history.unreadable),
            nothing_left(Some(gauges), None),
        ]
    }

    pub fn fell(&self) -> Vec<CheckReport> {
        let checks = self.checked(0, true, &quiet());
        checks.into_iter().filter(|check| check.fell > 0).collect()
    }
}

pub fn quiet() -> Gauges {
    Gauges::parse("ordershop_group_backlog{group=\"crm-service\",topic=\"order\"} 0\n").unwrap()
}
