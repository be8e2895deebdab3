//! An order that was placed, with the progress of its reservation: a part in each partition of the inventories where one of its products is.

use std::collections::BTreeMap;

use ordershop_domain::{Event, Order, OrderLine, Purchase};

use super::super::append::{caused_by, reaction};
use ordershop_contract::event_store::{ExpectedVersion, RecordedEvent, Transaction};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// The topic of the stock.
const INVENTORIES: Topic = Topic::Inventory;

/// An order that was created, with the saga's progress on it.
pub(super) struct Placed<'a> {
    pub event: &'a RecordedEvent,
    pub order: Order,
    /// In the order in which they are reserved.
    pub parts: Vec<Part>,
}

/// What an order takes of one partition's inventories.
pub(super) struct Part {
    pub partition: Partition,
    /// `None` if nobody knows any more what was ordered.
    pub purchase: Option<Purchase>,
    pub progress: Progress,
}

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is still to be tried.
    Open,
    /// Its pieces can't be reserved, as far as is known: the saga may have taken them itself, in an earlier attempt.
    InDoubt,
    /// Its pieces are reserved: its reservation is at this position of the stream of inventories, or before it.
    Reserved(Position),
    /// Its pieces can't be had.
    Refused,
}

impl<'a> Placed<'a> {
    /// Nothing of it is known yet but the order.
    pub fn new(event: &'a RecordedEvent, order: Order) -> Self {
        Self {
            event,
            order,
            parts: Vec::new(),
        }
    }

    /// Parts what was bought by where the products are.
    pub fn part(&mut self, purchase: Option<Purchase>, partitions: Partitions) {
        let Some(purchase) = purchase else {
            // A foreign service's order may name a cart or a product that is deleted already.
            self.parts = vec![Part {
                partition: self.event.partition.beside(INVENTORIES),
                purchase: None,
                progress: Progress::InDoubt,
            }];
            return;
        };
        let part = |(partition, lines)| Part {
            partition,
            purchase: Some(Purchase {
                customer_id: purchase.customer_id.clone(),
                lines,
                total: purchase.total,
            }),
            progress: Progress::Open,
        };
        let parts = lines_by_partition(&purchase, self.event, partitions);
        self.parts = parts.into_iter().map(part).collect();
    }

    /// Whether it is known what becomes of it.
    pub fn is_decided(&self) -> bool {
        self.is_reserved() || self.is_refused()
    }

    /// Whether all of it is reserved.
    pub fn is_reserved(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.all(|part| matches!(part.progress, Progress::Reserved(_)))
    }

    /// Whether a part of it can't be had.
    pub fn is_refused(&self) -> bool {
        self.parts
            .iter()
            .any(|part| part.progress == Progress::Refused)
    }

    /// The part that is to be reserved next. One after the other, and all orders in the same sequence: of two that take the last pieces from each
    /// other, one has all.
    pub fn next_part(&mut self) -> Option<&mut Part> {
        if self.is_refused() {
            return None;
        }
        let mut parts = self.parts.iter_mut();
        let next = parts.find(|part| !matches!(part.progress, Progress::Reserved(_)));
        next.filter(|part| part.progress == Progress::Open)
    }

    /// Where its pieces are, or were to be.
    pub fn partitions(&self) -> Vec<Partition> {
        self.parts.iter().map(|part| part.partition).collect()
    }

    /// Sets the order's status. An order is not in stock by a reservation that Redis has lost.
    pub fn status_change(&self, order: &Order, version: u64) -> Transaction {
        let suffix = order.status.to_string().to_lowercase();
        let expected = ExpectedVersion::Exact(version);
        let event = reaction(
            self.event,
            &suffix,
            expected,
            &Event::Updated(order.clone()),
        );
        let mut change = caused_by(self.event, self.event.partition, vec![event]);
        for part in &self.parts {
            if let Progress::Reserved(position) = part.progress {
                change.causes.raise(part.partition, position);
            }
        }
        change
    }
}

impl Part {
    /// Its products.
    pub fn products(&self) -> impl Iterator<Item = &str> {
        let lines = self.purchase.iter().flat_map(|purchase| &purchase.lines);
        lines.map(|line| line.product_id.as_str())
    }
}

/// The partitions with the reservations of an order: where nobody knows any more what was ordered, all.
pub(super) fn partitions_of(
    order: &Order,
    event: &RecordedEvent,
    partitions: Partitions,
) -> Vec<Partition> {
    match order.purchase() {
        Some(purchase) => lines_by_partition(&purchase, event, partitions)
            .into_keys()
            .collect(),
        None => partitions.of_topic(INVENTORIES).collect(),
    }
}

/// What was bought, by where the products are; an order without any has a reservation beside it.
fn lines_by_partition(
    purchase: &Purchase,
    event: &RecordedEvent,
    partitions: Partitions,
) -> BTreeMap<Partition, Vec<OrderLine>> {
    let mut lines: BTreeMap<Partition, Vec<OrderLine>> = BTreeMap::new();
    for line in &purchase.lines {
        let partition = partitions.of(INVENTORIES, &line.product_id);
        lines.entry(partition).or_default().push(line.clone());
    }
    if lines.is_empty() {
        lines.insert(event.partition.beside(INVENTORIES), Vec::new());
    }
    lines
}
