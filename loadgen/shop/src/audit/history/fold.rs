//! Folds events into records, topic by topic. The only file that knows what an event of a topic means.

use serde::Deserialize;

use super::super::event::{AuditEvent, EventAction};
use super::super::fingerprint::fingerprint_text;
use super::super::topic::ShopTopic;
use super::data::{
    BillingData, CartData, CustomerData, LineData, MailData, OrderData, ProductData, ShippingData,
};
use super::order::Line;
use super::{
    BillingRecord, Bought, CartState, Creations, History, Id, Occasion, OrderRecord, Payment,
    Person, Status,
};
use loadgen_report::audit::Offender;

/// What the mails say whose exact text is known.
const KNOWN_TEXTS: [&str; 5] = [
    "welcome to OrderShop!",
    "your account is closed.",
    "thank you for your order",
    "we have received your payment",
    "is on its way.",
];

impl History {
    /// Folds one event; events of a partition must come in order.
    pub fn take(&mut self, topic: ShopTopic, event: &AuditEvent<'_>) {
        if event.action() == EventAction::Created {
            let id = self.id(&event.aggregate_id);
            // A shipping is the only entity that an event creates: the payment of an order causes it.
            if topic == ShopTopic::Shipping && event.is_reaction() {
                self.reactions.insert(id.clone());
            }
            let trace = event.trace();
            let created = self.created.entry((topic, id));
            created.or_insert(Creations { times: 0, trace }).times += 1;
        }
        let folded = match topic {
            ShopTopic::Customer => self.customer(event),
            ShopTopic::Product => self.product(event),
            ShopTopic::Cart => self.cart(event),
            ShopTopic::Order => self.order(event),
            ShopTopic::Billing => self.billing(event),
            ShopTopic::Shipping => self.shipping(event),
            ShopTopic::Mail => self.mail(event),
            // `Stock` folds the inventory.
            ShopTopic::Inventory => Ok(()),
        };
        if let Err(error) = folded {
            self.unreadable.push(Offender {
                id: event.aggregate_id.clone().into_owned(),
                reason: format!("{topic} event {} can't be read: {error}", event.event_id),
            });
        }
    }

    fn customer(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: CustomerData<'_> = read(event)?;
        let person = Person {
            name: data.name.into(),
            email: data.email.into(),
        };
        match event.action() {
            EventAction::Created => self.occasion(event, Occasion::Welcome(person.clone())),
            EventAction::Deleted => self.occasion(event, Occasion::GoodBye(person.clone())),
            _ => {}
        }
        let id = self.id(&event.aggregate_id);
        self.customers.entry(id).or_default().take(event, person);
        Ok(())
    }

    fn product(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: ProductData = read(event)?;
        let id = self.id(&event.aggregate_id);
        self.prices.entry(id).or_default().take(event, data.price);
        Ok(())
    }

    fn cart(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: CartData<'_> = read(event)?;
        let state = CartState {
            customer: self.id(&data.customer_id),
            pieces: self.cart_pieces(&data),
            order: data.order_id.as_deref().map(|order| self.id(order)),
        };
        let id = self.id(&event.aggregate_id);
        self.carts.entry(id).or_default().take(event, state);
        Ok(())
    }

    fn cart_pieces(&mut self, data: &CartData<'_>) -> Vec<(Id, u64)> {
        let mut names: Vec<&str> = data.product_ids.iter().map(AsRef::as_ref).collect();
        names.sort_unstable();
        let mut pieces: Vec<(Id, u64)> = Vec::new();
        for name in names {
            match pieces.last_mut() {
                Some((last, count)) if last.as_ref() == name => *count += 1,
                _ => pieces.push((self.id(name), 1)),
            }
        }
        pieces
    }

    fn order(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: OrderData<'_> = read(event)?;
        let (id, cart) = (self.id(&event.aggregate_id), self.id(&data.cart_id));
        if event.action() == EventAction::Updated && data.status == Status::InStock {
            self.occasion(event, Occasion::PleasePay(id.clone()));
        }
        let bought = match (&data.customer_id, &data.lines, data.total) {
            (Some(customer), Some(lines), Some(total)) => Some(self.bought(customer, lines, total)),
            _ => None,
        };
        let began = || OrderRecord::new(cart.clone(), event.published_at_us);
        let record = self.orders.entry(id).or_insert_with(began);
        record.take(event, &cart, data.status, bought);
        Ok(())
    }

    fn bought(&mut self, customer: &str, lines: &[LineData<'_>], total: i64) -> Bought {
        let lines = lines.iter().map(|line| Line {
            product: self.id(&line.product_id),
            price: line.price,
            quantity: line.quantity,
        });
        let mut lines: Vec<Line> = lines.collect();
        lines.sort_unstable();
        Bought {
            customer: self.id(customer),
            lines,
            total,
        }
    }

    fn billing(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: BillingData<'_> = read(event)?;
        let (billing, order) = (self.id(&event.aggregate_id), self.id(&data.order_id));
        if let Some(before) = self.billings.get(&billing).filter(|before| before.living) {
            let paid = self.paid.entry(before.order.clone()).or_default();
            paid.billings = paid.billings.saturating_sub(1);
            paid.amount -= i128::from(before.amount);
        }
        let living = event.action() != EventAction::Deleted;
        let created_by = match (event.action(), self.billings.get(&billing)) {
            (EventAction::Created, _) => self.id(&event.event_id),
            (_, Some(before)) => before.created_by.clone(),
            (_, None) => billing.clone(),
        };
        let record = BillingRecord {
            created_by: created_by.clone(),
            order: order.clone(),
            amount: data.amount,
            living,
            at_us: event.published_at_us,
        };
        self.billings.insert(billing.clone(), record);
        if !living {
            let by_saga = !event.is_request();
            if !by_saga {
                // A saga that comes later finds the payment of a gone order gone, and can't know who took it back. It tells the customer.
                let cause = self.id(&format!("{created_by}.returned"));
                let told = Occasion::Returned {
                    order: order.clone(),
                    by_saga,
                };
                self.occasions.insert(cause, (told, event.published_at_us));
            }
            self.occasion(event, Occasion::Returned { order, by_saga });
            return Ok(());
        }
        let paid = self.paid.entry(order.clone()).or_default();
        paid.billings += 1;
        paid.amount += i128::from(data.amount);
        if event.action() == EventAction::Created {
            if paid.billings > 1 {
                self.billed_twice.push((billing.clone(), order.clone()));
            }
            self.occasion(event, Occasion::Paid(order.clone(), data.amount));
        }
        self.payments.push(Payment {
            billing,
            order,
            amount: data.amount,
            at_us: event.published_at_us,
        });
        Ok(())
    }

    fn shipping(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: ShippingData<'_> = read(event)?;
        let order = self.id(&data.order_id);
        if event.action() == EventAction::Created {
            self.occasion(event, Occasion::Shipped(order.clone()));
        }
        let shipment = self.shipments.entry(order).or_default();
        shipment.at_us = event.published_at_us;
        match event.action() {
            EventAction::Created => {
                shipment.living += 1;
                shipment.delivered = data.delivered > 0.0;
            }
            EventAction::Deleted => {
                shipment.living = shipment.living.saturating_sub(1);
                shipment.delivered = false;
            }
            _ => shipment.delivered = data.delivered > 0.0,
        }
        Ok(())
    }

    fn mail(&mut self, event: &AuditEvent<'_>) -> serde_json::Result<()> {
        let data: MailData<'_> = read(event)?;
        // The id of a mail is its cause's id and `.mail`; a mail with any other id has no cause.
        let cause = event.event_id.strip_suffix(".mail");
        let cause = self.id(cause.unwrap_or(&event.event_id));
        let sent = self.mails.entry(cause).or_default();
        sent.count += 1;
        sent.fingerprint = fingerprint_text(&[&data.recipient, &data.message]);
        let is_known = KNOWN_TEXTS.iter().any(|text| data.message.contains(text));
        sent.free = (!is_known).then(|| (data.recipient.into(), data.message.into()));
        sent.at_us = event.published_at_us;
        Ok(())
    }

    fn occasion(&mut self, event: &AuditEvent<'_>, occasion: Occasion) {
        let id = self.id(&event.event_id);
        self.occasions.insert(id, (occasion, event.published_at_us));
    }
}

fn read<'a, T: Deserialize<'a>>(event: &AuditEvent<'a>) -> serde_json::Result<T> {
    serde_json::from_str(event.data.get())
}
