//! Every topic's events folded into one compact record an aggregate: what the checks across topics look things up in.
//! Decides nothing.

mod data;
mod fold;
mod order;
mod timeline;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::topic::Topic;
use loadgen_report::audit::Offender;
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
