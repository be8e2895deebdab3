//! Every topic's events folded into one compact record an aggregate: what the checks across topics look things up in. Knows what events
//! mean; decides nothing.

mod data;
mod order;
mod timeline;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::event::{Action, Event};
use super::finding::Offender;
use super::fingerprint::fingerprint_text;
use super::topic::Topic;
use data::{BillingData, CartData, CustomerData, MailData, OrderData, ProductData, ShippingData};
pub use order::{OrderRecord, Status};
pub use timeline::Timeline;

/// An id, kept once however many records name it.
pub type Id = Arc<str>;

/// Facts are read a little before what they decide is written (and again after a crash): so far back they still count.
pub const FACTS_BEFORE_US: u64 = 60_000_000;

/// A customer as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// How mails address them.
    pub name: Box<str>,
    /// Where mails go.
    pub email: Box<str>,
}

/// A cart as it was.
#[derive(Debug, Clone)]
pub struct CartState {
    /// Whose.
    pub customer: Id,
    /// Pieces by product, by product's id.
    pub pieces: Vec<(Id, u64)>,
}

/// A billing's event: what was paid for.
#[derive(Debug)]
pub struct Payment {
    /// The billing.
    pub billing: Id,
    /// Its order.
    pub order: Id,
    /// In the smallest unit of money.
    pub amount: i64,
    /// When.
    pub at_us: u64,
}

/// An order's shippings.
#[derive(Debug, Default)]
pub struct Shipment {
    /// There is one.
    pub exists: bool,
    /// It has arrived.
    pub delivered: bool,
    /// One was deleted.
    pub was_deleted: bool,
}

/// What must have made a mail.
#[derive(Debug, Clone)]
pub enum Occasion {
    /// A new customer.
    Welcome(Person),
    /// A customer who has left.
    GoodBye(Person),
    /// An order whose stock is reserved.
    PleasePay(Id),
    /// A billing for this order, of this amount.
    Paid(Id, i64),
    /// A shipping of this order.
    Shipped(Id),
}

/// Mails that one event made.
#[derive(Debug, Default)]
pub struct SentMails {
    /// How many.
    pub count: u64,
    /// The last one's recipient and text.
    pub fingerprint: u64,
    /// When the last one was sent.
    pub at_us: u64,
}

/// Everything that happened, aggregate by aggregate.
#[derive(Debug, Default)]
pub struct History {
    ids: HashSet<Id>,
    /// Events of an aggregate that began earlier are not judged.
    pub since_us: u64,
    /// By id.
    pub customers: HashMap<Id, Timeline<Person>>,
    /// Price by product.
    pub prices: HashMap<Id, Timeline<i64>>,
    /// By id.
    pub carts: HashMap<Id, Timeline<CartState>>,
    /// By id.
    pub orders: HashMap<Id, OrderRecord>,
    /// In their order.
    pub payments: Vec<Payment>,
    /// Living billings by order.
    pub billed: HashMap<Id, u32>,
    /// Billings that were made while their order had another: billing, order.
    pub billed_twice: Vec<(Id, Id)>,
    /// By order.
    pub shipments: HashMap<Id, Shipment>,
    /// What should have made a mail, by event, and when it happened.
    pub occasions: HashMap<Id, (Occasion, u64)>,
    /// Mails by the event that made them.
    pub mails: HashMap<Id, SentMails>,
    /// How often each entity was created, by topic.
    pub created: HashMap<(Topic, Id), u32>,
    /// Entities that an event made happen and no request.
    pub reactions: HashSet<Id>,
    /// Events whose data is not what their topic has.
    pub unreadable: Vec<Offender>,
    billing_orders: HashMap<Id, Id>,
}

impl History {
    /// Nothing has happened. `since_us`: what began earlier is not judged (0: everything is).
    pub fn new(since_us: u64) -> Self {
        Self {
            since_us,
            ..Self::default()
        }
    }

    /// How often an entity was created.
    pub fn created(&self, topic: Topic, id: &str) -> u32 {
        let id = self.ids.get(id);
        let times = id.and_then(|id| self.created.get(&(topic, id.clone())));
        times.copied().unwrap_or(0)
    }

    /// The one copy of an id.
    pub fn id(&mut self, text: &str) -> Id {
        if let Some(id) = self.ids.get(text) {
            return id.clone();
        }
        let id: Id = text.into();
        self.ids.insert(id.clone());
        id
    }

    /// One more event, in its topic's order.
    pub fn take(&mut self, topic: Topic, event: &Event<'_>) {
        if event.action() == Action::Created {
            let id = self.id(&event.aggregate_id);
            // Orders' payments make shippings, and nothing else is made so.
            if topic == Topic::Shipping && event.is_reaction() {
                self.reactions.insert(id.clone());
            }
            *self.created.entry((topic, id)).or_default() += 1;
        }
        let folded = match topic {
            Topic::Customer => self.customer(event),
            Topic::Product => self.product(event),
            Topic::Cart => self.cart(event),
            Topic::Order => self.order(event),
            Topic::Billing => self.billing(event),
            Topic::Shipping => self.shipping(event),
            Topic::Mail => self.mail(event),
            // The stock has a ledger of its own.
            Topic::Inventory => Ok(()),
        };
        if let Err(error) = folded {
            self.unreadable.push(Offender {
                id: event.aggregate_id.clone().into_owned(),
                reason: format!("{topic} event {} can't be read: {error}", event.event_id),
            });
        }
    }

    fn customer(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: CustomerData<'_> = read(event)?;
        let person = Person {
            name: data.name.into(),
            email: data.email.into(),
        };
        match event.action() {
            Action::Created => self.occasion(event, Occasion::Welcome(person.clone())),
            Action::Deleted => self.occasion(event, Occasion::GoodBye(person.clone())),
            _ => {}
        }
        let id = self.id(&event.aggregate_id);
        self.customers.entry(id).or_default().take(event, person);
        Ok(())
    }

    fn product(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: ProductData = read(event)?;
        let id = self.id(&event.aggregate_id);
        self.prices.entry(id).or_default().take(event, data.price);
        Ok(())
    }

    fn cart(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: CartData<'_> = read(event)?;
        let state = CartState {
            customer: self.id(&data.customer_id),
            pieces: self.pieces(&data),
        };
        let id = self.id(&event.aggregate_id);
        self.carts.entry(id).or_default().take(event, state);
        Ok(())
    }

    fn pieces(&mut self, data: &CartData<'_>) -> Vec<(Id, u64)> {
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

    fn order(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: OrderData<'_> = read(event)?;
        let (id, cart) = (self.id(&event.aggregate_id), self.id(&data.cart_id));
        if event.action() == Action::Updated && data.status == Status::InStock {
            self.occasion(event, Occasion::PleasePay(id.clone()));
        }
        let record = self
            .orders
            .entry(id)
            .or_insert_with(|| OrderRecord::new(cart, event.published_at_us));
        record.take(event, data.status);
        Ok(())
    }

    fn billing(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: BillingData<'_> = read(event)?;
        let (billing, order) = (self.id(&event.aggregate_id), self.id(&data.order_id));
        let living = self.billed.entry(order.clone()).or_default();
        if event.action() == Action::Deleted {
            *living = living.saturating_sub(1);
            return Ok(());
        }
        if event.action() == Action::Created {
            *living += 1;
            if *living > 1 {
                self.billed_twice.push((billing.clone(), order.clone()));
            }
            self.occasion(event, Occasion::Paid(order.clone(), data.amount));
            self.billing_orders.insert(billing.clone(), order.clone());
        }
        self.payments.push(Payment {
            billing,
            order,
            amount: data.amount,
            at_us: event.published_at_us,
        });
        Ok(())
    }

    fn shipping(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: ShippingData<'_> = read(event)?;
        let order = self.id(&data.order_id);
        if event.action() == Action::Created {
            self.occasion(event, Occasion::Shipped(order.clone()));
        }
        let shipment = self.shipments.entry(order).or_default();
        if event.action() == Action::Deleted {
            *shipment = Shipment {
                was_deleted: true,
                ..Shipment::default()
            };
        } else {
            shipment.exists = true;
            shipment.delivered = data.delivered > 0.0;
        }
        Ok(())
    }

    fn mail(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        let data: MailData<'_> = read(event)?;
        // The mail's id is its event's, and `.mail`; one whose id is of another make is nobody's.
        let cause = event.event_id.strip_suffix(".mail");
        let cause = self.id(cause.unwrap_or(&event.event_id));
        let sent = self.mails.entry(cause).or_default();
        sent.count += 1;
        sent.fingerprint = fingerprint_text(&[&data.recipient, &data.message]);
        sent.at_us = event.published_at_us;
        Ok(())
    }

    fn occasion(&mut self, event: &Event<'_>, occasion: Occasion) {
        let id = self.id(&event.event_id);
        self.occasions.insert(id, (occasion, event.published_at_us));
    }

    /// Lowest and highest sum that the order's cart can have had between these times; none where its cart or a product is not known.
    pub fn costs(&self, order: &str, from_us: u64, to_us: u64) -> Vec<(i128, i128)> {
        let cart = self.orders.get(order).map(|order| &order.cart);
        let states = cart.and_then(|cart| self.carts.get(cart));
        let states = states
            .into_iter()
            .flat_map(|cart| cart.within(from_us, to_us));
        states
            .filter_map(|state| {
                state
                    .pieces
                    .iter()
                    .try_fold((0, 0), |sum, (product, pieces)| {
                        let prices = self.prices.get(product)?;
                        let (low, high) = prices.within(from_us, to_us).fold(
                            None,
                            |range: Option<(i64, i64)>, price| {
                                let (low, high) = range.unwrap_or((*price, *price));
                                Some((low.min(*price), high.max(*price)))
                            },
                        )?;
                        let times = |price: i64| i128::from(price) * i128::from(*pieces);
                        Some((sum.0 + times(low), sum.1 + times(high)))
                    })
            })
            .collect()
    }
}

fn read<'a, T: Deserialize<'a>>(event: &Event<'a>) -> serde_json::Result<T> {
    serde_json::from_str(event.data.get())
}
