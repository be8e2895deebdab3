//! All events folded into one compact record for each aggregate, in which the checks look things up across topics.
//! Decides nothing.

mod data;
mod fold;
mod id;
mod order;
mod timeline;

use std::collections::{HashMap, HashSet};

use super::topic::ShopTopic;
pub use id::Id;
use loadgen_report::audit::Offender;
pub use order::{OrderRecord, Status};
pub use timeline::StateTimeline;

/// How far back, in microseconds, the facts behind a decision may have been read: a service reads them before it writes, and again after a
/// crash.
pub const FACTS_BEFORE_US: u64 = 60_000_000;

/// A customer's state at some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// The name in the salutation of mails.
    pub name: Box<str>,
    /// The address of mails.
    pub email: Box<str>,
}

/// A cart's state at some time.
#[derive(Debug, Clone)]
pub struct CartState {
    /// The cart's customer.
    pub customer: Id,
    /// Number of pieces of each product, sorted by the product's id.
    pub pieces: Vec<(Id, u64)>,
}

/// The payment that a billing's event records.
#[derive(Debug)]
pub struct Payment {
    /// The billing.
    pub billing: Id,
    /// The billing's order.
    pub order: Id,
    /// The amount in cents.
    pub amount: i64,
    /// The event's time, in microseconds.
    pub at_us: u64,
}

/// The shippings of an order.
#[derive(Debug, Default)]
pub struct Shipment {
    /// Whether a shipping exists.
    pub exists: bool,
    /// Whether the shipping was delivered.
    pub delivered: bool,
    /// Whether a shipping was deleted.
    pub was_deleted: bool,
}

/// An event that must cause a mail.
#[derive(Debug, Clone)]
pub enum Occasion {
    /// A new customer.
    Welcome(Person),
    /// A deleted customer.
    GoodBye(Person),
    /// An order whose stock is reserved.
    PleasePay(Id),
    /// A billing for this order, with the amount in cents.
    Paid(Id, i64),
    /// A shipping of this order.
    Shipped(Id),
}

/// The mails that one event caused.
#[derive(Debug, Default)]
pub struct SentMails {
    /// Number of mails.
    pub count: u64,
    /// Fingerprint of the last mail's recipient and text.
    pub fingerprint: u64,
    /// Time of the last mail, in microseconds.
    pub at_us: u64,
}

/// The folded history of all aggregates.
#[derive(Debug, Default)]
pub struct History {
    ids: HashSet<Id>,
    /// Aggregates that began earlier are not judged.
    pub since_us: u64,
    /// Customers by id.
    pub customers: HashMap<Id, StateTimeline<Person>>,
    /// Prices by product, in cents.
    pub prices: HashMap<Id, StateTimeline<i64>>,
    /// Carts by id.
    pub carts: HashMap<Id, StateTimeline<CartState>>,
    /// Orders by id.
    pub orders: HashMap<Id, OrderRecord>,
    /// Payments in the order of their events.
    pub payments: Vec<Payment>,
    /// Number of billings of each order that are not deleted.
    pub billed: HashMap<Id, u32>,
    /// Billings that were created while their order had another one: billing, order.
    pub billed_twice: Vec<(Id, Id)>,
    /// Shipments by order.
    pub shipments: HashMap<Id, Shipment>,
    /// Occasions of mails by event id, with their time in microseconds.
    pub occasions: HashMap<Id, (Occasion, u64)>,
    /// Mails by the id of the event that caused them.
    pub mails: HashMap<Id, SentMails>,
    /// How often each entity was created, by topic.
    pub created: HashMap<(ShopTopic, Id), u32>,
    /// Entities that an event created, not a request.
    pub reactions: HashSet<Id>,
    /// Events whose data can't be parsed.
    pub unreadable: Vec<Offender>,
    billing_orders: HashMap<Id, Id>,
}

impl History {
    /// An empty history. Aggregates that began before `since_us` are not judged; 0 judges all.
    pub fn new(since_us: u64) -> Self {
        Self {
            since_us,
            ..Self::default()
        }
    }

    /// How often an entity was created.
    pub fn created(&self, topic: ShopTopic, id: &str) -> u32 {
        let id = self.ids.get(id);
        let times = id.and_then(|id| self.created.get(&(topic, id.clone())));
        times.copied().unwrap_or(0)
    }

    /// The shared copy of an id.
    pub fn id(&mut self, text: &str) -> Id {
        if let Some(id) = self.ids.get(text) {
            return id.clone();
        }
        let id: Id = text.into();
        self.ids.insert(id.clone());
        id
    }

    /// Lowest and highest price of each state of the order's cart between these times; a state with an unknown product is left out.
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
