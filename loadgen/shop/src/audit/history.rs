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
pub use order::{Bought, OrderRecord, Status};
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
    /// The order that it is marked with: nobody else can order it.
    pub order: Option<Id>,
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

/// A billing as its last event left it.
#[derive(Debug)]
pub struct BillingRecord {
    /// The id of the event that created it.
    pub created_by: Id,
    /// Its order.
    pub order: Id,
    /// The amount in cents.
    pub amount: i64,
    /// Whether it is not deleted.
    pub living: bool,
    /// Time of the last event, in microseconds.
    pub at_us: u64,
}

/// The billings of an order that are not deleted.
#[derive(Debug, Default, Clone, Copy)]
pub struct Paid {
    /// Number of billings.
    pub billings: u32,
    /// The sum of their amounts, in cents.
    pub amount: i128,
}

/// The shippings of an order.
#[derive(Debug, Default)]
pub struct Shipment {
    /// Number of shippings that are not deleted.
    pub living: u32,
    /// Whether the last shipping was delivered.
    pub delivered: bool,
    /// Time of the last event, in microseconds.
    pub at_us: u64,
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
    /// A billing of this order that was deleted: by a saga, because the order is gone or can't be paid, or by a request.
    Returned {
        /// The order.
        order: Id,
        /// Whether a saga deleted it: then the customer must be told.
        by_saga: bool,
    },
}

/// The mails that one event caused.
#[derive(Debug, Default)]
pub struct SentMails {
    /// Number of mails.
    pub count: u64,
    /// Fingerprint of the last mail's recipient and text.
    pub fingerprint: u64,
    /// Recipient and text of the last mail, if it is none of the kinds whose exact text is known.
    pub free: Option<(Box<str>, Box<str>)>,
    /// Time of the last mail, in microseconds.
    pub at_us: u64,
}

/// The creations of an entity.
#[derive(Debug, Clone, Copy)]
pub struct Creations {
    /// How many there are.
    pub times: u32,
    /// The trace that the first one belongs to.
    pub trace: Option<u128>,
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
    /// Billings by id.
    pub billings: HashMap<Id, BillingRecord>,
    /// The living billings of each order.
    pub paid: HashMap<Id, Paid>,
    /// Billings that were created while their order had another one: billing, order.
    pub billed_twice: Vec<(Id, Id)>,
    /// Shipments by order.
    pub shipments: HashMap<Id, Shipment>,
    /// Occasions of mails by event id, with their time in microseconds.
    pub occasions: HashMap<Id, (Occasion, u64)>,
    /// Mails by the id of the event that caused them.
    pub mails: HashMap<Id, SentMails>,
    /// The creations of each entity, by topic.
    pub created: HashMap<(ShopTopic, Id), Creations>,
    /// Entities that an event created, not a request.
    pub reactions: HashSet<Id>,
    /// Events whose data can't be parsed.
    pub unreadable: Vec<Offender>,
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
        times.map_or(0, |created| created.times)
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

    /// The cart of an order as it was when the order was created.
    pub fn ordered_cart(&self, order: &OrderRecord) -> Option<&CartState> {
        self.carts.get(&order.cart)?.at(order.began_us)
    }

    /// Number of pieces of each product that an order needs, sorted by the product's id: its own lines, or what its cart held when it was
    /// created, if its events have no lines.
    pub fn pieces(&self, order: &OrderRecord) -> Option<Vec<(Id, u64)>> {
        match &order.bought {
            Some(bought) => Some(bought.pieces()),
            None => Some(self.ordered_cart(order)?.pieces.clone()),
        }
    }

    /// The customer of an order.
    pub fn buyer<'a>(&'a self, order: &'a OrderRecord) -> Option<&'a Id> {
        match &order.bought {
            Some(bought) => Some(&bought.customer),
            None => Some(&self.ordered_cart(order)?.customer),
        }
    }

    /// The lowest and the highest sum that may be asked for an order: its own total, or the cost of its cart by the prices between these
    /// times, if its events have no total. `None` if a product is unknown.
    pub fn costs(&self, order: &OrderRecord, from_us: u64, to_us: u64) -> Option<(i128, i128)> {
        if let Some(bought) = &order.bought {
            let total = i128::from(bought.total);
            return Some((total, total));
        }
        let mut pieces = self.ordered_cart(order)?.pieces.iter();
        pieces.try_fold((0, 0), |sum, (product, count)| {
            let mut prices = self.prices.get(product)?.within(from_us, to_us);
            let first = *prices.next()?;
            let (low, high) = prices.fold((first, first), |(low, high), price| {
                (low.min(*price), high.max(*price))
            });
            let times = |price: i64| i128::from(price) * i128::from(*count);
            Some((sum.0 + times(low), sum.1 + times(high)))
        })
    }
}
