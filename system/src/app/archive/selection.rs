//! Chooses what is archived, from the events alone: carts with all their orders, and what belongs to these, once every order is finished and
//! nothing of it is young. Knows what belongs together; neither reads nor writes.

use std::collections::{BTreeMap, HashMap};

use ordershop_domain::OrderStatus;
use serde::Deserialize;

use super::file::TopicPart;
use ordershop_contract::event_store::{Claim, RecordedEvent};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;

/// The topics with events that are archived, each after those that its events belong to. What is customers', products' and inventories'
/// stays; of the inventories' topic, the orders' reservations are archived.
pub const TOPICS: [Topic; 6] = [
    Topic::Order,
    Topic::Cart,
    Topic::Billing,
    Topic::Shipping,
    Topic::Inventory,
    Topic::Mail,
];

/// What is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays,
    /// It goes into the file.
    Archived,
    /// It is in the file of an earlier archive, which ended before it had removed it.
    Left,
}

/// What is chosen; some 2 kB an order that is older than the archive's time, whatever its events hold.
pub struct Selection {
    before_us: u64,
    handled: [Position; Topic::ALL.len()],
    carts: Vec<CartGroup>,
    cart_ids: HashMap<Box<str>, u32>,
    orders: Vec<OrderState>,
    order_ids: HashMap<Box<str>, u32>,
    records: [HashMap<Box<str>, Record>; Topic::ALL.len()],
    /// The events that cause mails, and the order of each.
    causes: HashMap<Box<str>, u32>,
    /// Aggregates that an earlier archive hid and has partly removed, each with the event that hides it.
    left: [HashMap<Box<str>, Position>; Topic::ALL.len()],
}

/// A cart with its orders.
#[derive(Default)]
struct CartGroup {
    stays: bool,
    /// Whether an earlier archive has removed a part of one of its orders.
    left: bool,
}

struct OrderState {
    cart: u32,
    finished: bool,
    /// Whether an earlier archive has removed a part of it.
    left: bool,
}

/// An aggregate's events.
pub struct Record {
    /// The order that it belongs to; of a cart, the cart.
    pub owner: u32,
    /// The version of its last event.
    pub version: u64,
    /// The event by which an earlier archive hid it.
    pub hidden: Option<Position>,
    whole: bool,
    events: u64,
    first: Position,
    last: Position,
}

#[derive(Deserialize)]
struct OrderData<'a> {
    #[serde(borrow)]
    cart_id: std::borrow::Cow<'a, str>,
    #[serde(default)]
    status: OrderStatus,
}

#[derive(Deserialize)]
struct OfOrder<'a> {
    #[serde(borrow)]
    order_id: std::borrow::Cow<'a, str>,
}

/// The order that a billing's or a shipping's data names.
pub fn order_of(event: &RecordedEvent) -> Option<String> {
    let data: OfOrder<'_> = serde_json::from_str(event.data.get()).ok()?;
    Some(data.order_id.into_owned())
}

/// What a billing's or a shipping's event did to the claim of its order.
pub fn claim_of(event: &RecordedEvent) -> Option<Claim> {
    if !matches!(event.partition.topic, Topic::Billing | Topic::Shipping) {
        return None;
    }
    let order = order_of(event)?;
    Some(match event.action == action::DELETED {
        true => Claim::Release(order),
        false => Claim::Take(order),
    })
}

impl Selection {
    /// Nothing yet. What is not older than `before_us`, or beyond what everybody has handled of its topic, is young.
    pub fn new(before_us: u64, handled: [Position; Topic::ALL.len()]) -> Self {
        Self {
            before_us,
            handled,
            carts: Vec::new(),
            cart_ids: HashMap::new(),
            orders: Vec::new(),
            order_ids: HashMap::new(),
            records: Default::default(),
            causes: HashMap::new(),
            left: Default::default(),
        }
    }

    /// Takes the next event: topic by topic as in [`TOPICS`], each in the order of its stream.
    pub fn take(&mut self, event: &RecordedEvent) {
        let (topic, id) = (event.partition.topic.index(), event.entity_id.as_str());
        if event.action == action::ARCHIVED {
            match self.records[topic].get_mut(id) {
                Some(record) => record.hidden = Some(event.position),
                None => drop(self.left[topic].insert(id.into(), event.position)),
            }
            return;
        }
        let young = event.published_at_us >= self.before_us || event.position > self.handled[topic];
        let Some(owner) = self.owner(event, young) else {
            return;
        };
        if young {
            self.stay(event.partition.topic, owner);
            return;
        }
        let record = self.records[topic].entry(id.into()).or_insert(Record {
            owner,
            version: 0,
            hidden: None,
            whole: true,
            events: 0,
            first: event.position,
            last: event.position,
        });
        record.whole &= event.version == record.version + 1;
        record.version = event.version;
        record.events += 1;
        record.last = event.position;
    }

    /// The order, or of a cart the cart, that an event belongs to. Young events begin no order.
    fn owner(&mut self, event: &RecordedEvent, young: bool) -> Option<u32> {
        let id = event.entity_id.as_str();
        match event.partition.topic {
            Topic::Order => self.order(event, young),
            Topic::Cart => self.cart_ids.get(id).copied(),
            Topic::Billing | Topic::Shipping => {
                let known = self.records[event.partition.topic.index()].get(id);
                let owner = match known {
                    Some(record) => record.owner,
                    None => *self.order_ids.get(order_of(event)?.as_str())?,
                };
                if event.partition.topic == Topic::Billing || event.action == action::CREATED {
                    self.causes.insert(event.event_id.as_str().into(), owner);
                }
                Some(owner)
            }
            Topic::Inventory => {
                let of_order = [action::STOCK_RESERVED, action::STOCK_RELEASED];
                let is_reservation = of_order.contains(&event.action.as_str());
                is_reservation.then(|| self.order_ids.get(id).copied())?
            }
            Topic::Mail => {
                let cause = id.strip_suffix(".mail")?;
                let returned = cause.strip_suffix(".returned");
                let mut causes = [Some(cause), returned].into_iter().flatten();
                causes.find_map(|cause| self.causes.get(cause).copied())
            }
            Topic::Customer | Topic::Product => None,
        }
    }

    fn order(&mut self, event: &RecordedEvent, young: bool) -> Option<u32> {
        let id = event.entity_id.as_str();
        let known = self.order_ids.get(id).copied();
        let Ok(data) = serde_json::from_str::<OrderData<'_>>(event.data.get()) else {
            // Nobody knows what became of it.
            if let Some(order) = known {
                self.stay(Topic::Order, order);
            }
            return known;
        };
        let order = match known {
            Some(order) => order,
            None => {
                let cart = self.cart_ids.get(data.cart_id.as_ref()).copied();
                if young {
                    if let Some(cart) = cart {
                        self.carts[cart as usize].stays = true;
                    }
                    return None;
                }
                let cart = cart.unwrap_or_else(|| {
                    self.carts.push(CartGroup::default());
                    let cart = index(self.carts.len() - 1);
                    self.cart_ids.insert(data.cart_id.as_ref().into(), cart);
                    cart
                });
                self.orders.push(OrderState {
                    cart,
                    finished: false,
                    left: false,
                });
                let order = index(self.orders.len() - 1);
                self.order_ids.insert(id.into(), order);
                order
            }
        };
        let deleted = event.action == action::DELETED;
        self.orders[order as usize].finished = deleted || data.status.next().is_empty();
        if data.status == OrderStatus::InStock {
            self.causes.insert(event.event_id.as_str().into(), order);
        }
        Some(order)
    }

    fn stay(&mut self, topic: Topic, owner: u32) {
        let cart = self.cart_of(topic, owner);
        self.carts[cart as usize].stays = true;
    }

    /// The cart of an owner of a record of this topic.
    pub fn cart_of(&self, topic: Topic, owner: u32) -> u32 {
        match topic {
            Topic::Cart => owner,
            _ => self.orders[owner as usize].cart,
        }
    }

    /// Decides, once every event was taken.
    pub fn decide(&mut self) {
        for record in self.records[Topic::Order.index()].values() {
            // An earlier archive removes the orders' own events first: of such an order, nothing goes into a file again.
            self.orders[record.owner as usize].left = record.hidden.is_some() && !record.whole;
        }
        for order in &self.orders {
            let cart = &mut self.carts[order.cart as usize];
            cart.stays |= !order.finished && !order.left;
            cart.left |= order.left;
        }
        for topic in TOPICS {
            for record in self.records[topic.index()].values() {
                // A history with gaps is not the shop's own.
                if !record.whole && record.hidden.is_none() {
                    let cart = self.cart_of(topic, record.owner);
                    self.carts[cart as usize].stays = true;
                }
            }
        }
        // What only finds its mails by them is decided.
        self.causes = HashMap::new();
    }

    /// What is done with an event.
    pub fn fate(&self, event: &RecordedEvent) -> Fate {
        if event.action == action::ARCHIVED {
            return Fate::Stays;
        }
        let (topic, id) = (event.partition.topic, event.entity_id.as_str());
        match self.record(topic, id) {
            // It came after the choice; its aggregate can't be hidden, because its version is another one now.
            Some(record) if event.version > record.version => Fate::Stays,
            Some(record) => self.fate_of(topic, record),
            None if self.left[topic.index()].contains_key(id) => Fate::Left,
            None => Fate::Stays,
        }
    }

    fn fate_of(&self, topic: Topic, record: &Record) -> Fate {
        if self.carts[self.cart_of(topic, record.owner) as usize].stays {
            return Fate::Stays;
        }
        let left = match topic {
            Topic::Cart => record.hidden.is_some() && self.carts[record.owner as usize].left,
            _ => self.orders[record.owner as usize].left,
        };
        match left {
            true => Fate::Left,
            false => Fate::Archived,
        }
    }

    /// An aggregate's record.
    pub fn record(&self, topic: Topic, id: &str) -> Option<&Record> {
        self.records[topic.index()].get(id)
    }

    /// The events that hide what an earlier archive did not remove, and that this one removes.
    pub fn hidden_before(&self, topic: Topic) -> impl Iterator<Item = Position> {
        let left = self.left[topic.index()].values().copied();
        let records = self.records[topic.index()].values();
        let gone = records.filter(move |record| self.fate_of(topic, record) != Fate::Stays);
        left.chain(gone.filter_map(|record| record.hidden))
    }

    /// The number of orders that are archived.
    pub fn orders(&self) -> u64 {
        let orders = self.records[Topic::Order.index()].values();
        let archived = orders.filter(|order| self.fate_of(Topic::Order, order) == Fate::Archived);
        archived.count() as u64
    }

    /// What goes into the file, by topic; `groups` are the topics' consumer groups.
    pub fn parts(&self, groups: &[Vec<String>; Topic::ALL.len()]) -> BTreeMap<Topic, TopicPart> {
        let mut parts = BTreeMap::new();
        for topic in TOPICS {
            let records = self.records[topic.index()].values();
            for record in records.filter(|record| self.fate_of(topic, record) == Fate::Archived) {
                let part = parts.entry(topic).or_insert_with(|| TopicPart {
                    events: 0,
                    from: record.first,
                    to: record.last,
                    groups: groups[topic.index()].clone(),
                });
                part.events += record.events;
                part.from = part.from.min(record.first);
                part.to = part.to.max(record.last);
            }
        }
        parts
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("more orders than memory holds")
}

#[cfg(test)]
mod tests;
