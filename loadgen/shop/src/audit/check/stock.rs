//! `stock`: the stock of each product is initial + restocked − reserved + given back, and never below 0. Every reservation is the lines of
//! its order, is made once for each order, and is given back if the order was deleted before it was shipped.
//!
//! A product's inventories are in one partition, the products of an order in several: its reservation is then a part in each of them, and only
//! the parts together are its lines. A part stands alone if another partition had no stock; it must be given back.
//!
//! A client that writes an amount may write over a reservation. That is the client's decision only if the client could know the reservation.
//! The events alone don't say what a client knew, but they say two things that prove that it didn't: a request that was received before the
//! reservation was made, and a request with `If-Match` that names an older version (known where the run sent it).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::super::event::{AuditEvent, EventAction};
use super::super::history::{History, Id, Status};
use loadgen_report::audit::{CheckReport, Offender};

#[derive(Deserialize)]
struct InventoryData {
    product_id: Box<str>,
    amount: i64,
}

#[derive(Deserialize)]
struct ReservationData {
    lines: Vec<ReservationLine>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct ReservationLine {
    inventory_id: Box<str>,
    product_id: Box<str>,
    quantity: i64,
}

#[derive(Debug)]
struct Inventory {
    product: Id,
    amount: i64,
    began_us: u64,
    deleted: bool,
    /// The changes by reservations: their versions, and their times in microseconds.
    reserved: Vec<(u64, u64)>,
}

/// The sums of a product over all its inventories.
#[derive(Debug, Default)]
struct Sums {
    initial: i64,
    restocked: i64,
    reserved: i64,
    given_back: i64,
}

/// The part of an order's reservation in one partition: its pieces, and how often they were given back.
#[derive(Debug)]
struct Part {
    lines: Vec<ReservationLine>,
    at_us: u64,
    times: u32,
    released: u32,
}

/// The fold of topic `inventory`.
#[derive(Debug, Default)]
pub struct Stock {
    /// How many the topic has.
    partitions: u32,
    inventories: HashMap<Id, Inventory>,
    sums: HashMap<Id, Sums>,
    /// By order, and by the number of the partition.
    reservations: HashMap<Id, BTreeMap<u32, Part>>,
    faults: Vec<(u64, Offender)>,
}

impl Stock {
    /// The fold before any event, of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            ..Self::default()
        }
    }

    /// Folds one event of topic `inventory`, from the partition of this number; events of a partition must come in order.
    pub fn take(&mut self, history: &mut History, partition: u32, event: &AuditEvent<'_>) {
        let taken = match event.action() {
            EventAction::StockReserved | EventAction::StockReleased => {
                self.reservation(history, partition, event)
            }
            _ => self.inventory(history, event),
        };
        if let Err(error) = taken {
            self.fault(
                event,
                format!("event {} can't be read: {error}", event.event_id),
            );
        }
    }

    fn fault(&mut self, event: &AuditEvent<'_>, reason: String) {
        let id = event.aggregate_id.clone().into_owned();
        self.faults
            .push((event.published_at_us, Offender { id, reason }));
    }

    fn inventory(
        &mut self,
        history: &mut History,
        event: &AuditEvent<'_>,
    ) -> serde_json::Result<()> {
        let data: InventoryData = serde_json::from_str(event.data.get())?;
        let (id, product) = (
            history.id(&event.aggregate_id),
            history.id(&data.product_id),
        );
        if data.amount < 0 {
            self.fault(
                event,
                format!("amount {} at {}", data.amount, event.position),
            );
        }
        let before = self.inventories.remove(&id);
        let first = before.is_none();
        let (was, was_of, began_us, mut reserved) = match before {
            Some(i) => (i.amount, i.product, i.began_us, i.reserved),
            None => (0, product.clone(), event.published_at_us, Vec::new()),
        };
        let deleted = event.action() == EventAction::Deleted;
        let now = if deleted { 0 } else { data.amount };
        let changes_it = event.action() == EventAction::Updated && data.amount != was;
        if changes_it
            && event.is_request()
            && let (Some((version, at_us)), Some(by_us)) = (reserved.last(), event.received_by_us())
            && by_us <= *at_us
        {
            let version_now = event.version;
            self.fault(
                event,
                format!(
                    "version {version_now} writes over the reservation in version {version}, but its request was sent before that"
                ),
            );
        }
        // A reservation's change of the amount is counted by the event `stock_reserved` only.
        if event.is_reaction() {
            reserved.push((event.version, event.published_at_us));
        } else {
            self.sums.entry(was_of).or_default().restocked -= was;
            let sums = self.sums.entry(product.clone()).or_default();
            if first {
                sums.initial += now;
            } else {
                sums.restocked += now;
            }
        }
        self.inventories.insert(
            id,
            Inventory {
                product,
                amount: now,
                began_us,
                deleted,
                reserved,
            },
        );
        Ok(())
    }

    fn reservation(
        &mut self,
        history: &mut History,
        partition: u32,
        event: &AuditEvent<'_>,
    ) -> serde_json::Result<()> {
        let data: ReservationData = serde_json::from_str(event.data.get())?;
        let order = history.id(&event.aggregate_id);
        let reserved = event.action() == EventAction::StockReserved;
        for line in &data.lines {
            let product = history.id(&line.product_id);
            let sums = self.sums.entry(product).or_default();
            let inventory = self.inventories.get(line.inventory_id.as_ref());
            if reserved {
                sums.reserved += line.quantity;
            } else if inventory.is_some_and(|inventory| !inventory.deleted) {
                // Pieces of a deleted inventory can't be given back.
                sums.given_back += line.quantity;
            }
        }
        let parts = self.reservations.get_mut(&order);
        let known = parts.and_then(|parts| parts.get_mut(&partition));
        let mut fault = None;
        match (known, reserved) {
            (None, true) => {
                let part = Part {
                    lines: data.lines,
                    at_us: event.published_at_us,
                    times: 1,
                    released: 0,
                };
                let parts = self.reservations.entry(order).or_default();
                parts.insert(partition, part);
            }
            (None, false) => fault = Some("stock was given back without a reservation"),
            (Some(known), true) => known.times += 1,
            (Some(known), false) => {
                known.released += 1;
                if known.lines != data.lines {
                    fault = Some("the stock given back is not the stock reserved");
                }
            }
        }
        if let Some(fault) = fault {
            self.fault(event, fault.to_owned());
        }
        Ok(())
    }

    /// The outcome.
    pub fn finish(self, history: &History) -> CheckReport {
        let mut report = CheckReport::new("stock", "products and reservations");
        let since_us = history.since_us;
        let mut amounts: HashMap<&Id, i64> = HashMap::new();
        let mut began_us: HashMap<&Id, u64> = HashMap::new();
        for inventory in self.inventories.values() {
            *amounts.entry(&inventory.product).or_default() += inventory.amount;
            let began = inventory.began_us;
            let first = began_us.entry(&inventory.product).or_insert(began);
            *first = began.min(*first);
        }
        for (product, sums) in &self.sums {
            if began_us.get(product).is_some_and(|first| *first < since_us) {
                continue;
            }
            report.look(product, unbalanced(sums, amounts.get(product).copied()));
        }
        for (order, parts) in &self.reservations {
            if parts.values().all(|part| part.at_us >= since_us) {
                report.look(order, self.misreserved(history, order, parts));
            }
        }
        for (id, order) in &history.orders {
            let is_there = self.reservations.contains_key(id);
            if order.began_us >= since_us && order.was_in_stock && !is_there {
                report.look(id, Some("IN_STOCK without a reservation".to_owned()));
            }
        }
        for (at_us, offender) in self.faults {
            if at_us >= since_us {
                report.fell(offender.id, offender.reason);
            }
        }
        report
    }

    /// What is wrong with the reservation of an order.
    fn misreserved(
        &self,
        history: &History,
        id: &Id,
        parts: &BTreeMap<u32, Part>,
    ) -> Option<String> {
        let Some(order) = history.orders.get(id) else {
            return Some("reserved for an order that never existed".to_owned());
        };
        if let Some(Part { times, .. }) = parts.values().find(|part| part.times > 1) {
            return Some(format!("reserved {times} times"));
        }
        let has_left = order.status.is_some_and(Status::has_left)
            || history
                .shipments
                .get(id)
                .is_some_and(|shipment| shipment.living > 0);
        let must_be_back = order.deleted && !has_left || order.status == Some(Status::OutOfStock);
        let may_lack_some = self.partitions > 1 && must_be_back && !order.was_in_stock;
        let wanted = history.pieces(order).unwrap_or_default();
        if !are_of(&wanted, parts, may_lack_some) {
            let lines = match order.bought {
                Some(_) => "lines of its order".to_owned(),
                None => format!("pieces that cart {} held when it was ordered", order.cart),
            };
            return Some(format!("the reservation is not the {lines}"));
        }
        parts
            .values()
            .find_map(|part| match (must_be_back, part.released) {
                (true, 0) => Some("its stock was not given back".to_owned()),
                (false, 1..) => Some(
                    "its stock was given back, but the order still needs it or was shipped"
                        .to_owned(),
                ),
                (_, times @ 2..) => Some(format!("its stock was given back {times} times")),
                _ => None,
            })
    }
}

fn unbalanced(sums: &Sums, amount: Option<i64>) -> Option<String> {
    let Sums {
        initial,
        restocked,
        reserved,
        given_back,
    } = sums;
    let expected = initial + restocked - reserved + given_back;
    let amount = amount.unwrap_or(0);
    (expected != amount).then(|| {
        format!(
            "initial {initial} + restocked {restocked} − reserved {reserved} + given back {given_back} = {expected}, but its stock is {amount}"
        )
    })
}

/// Whether the parts are the pieces that the order wants, each product in full: all of them, or `some` are enough.
fn are_of(wanted: &[(Id, u64)], parts: &BTreeMap<u32, Part>, some: bool) -> bool {
    let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
    for line in parts.values().flat_map(|part| &part.lines) {
        *pieces.entry(&line.product_id).or_default() += line.quantity;
    }
    let wanted = wanted.iter();
    let wanted = wanted.map(|(id, count)| (id.as_ref(), i64::try_from(*count).ok()));
    let wanted = wanted.filter(|(id, _)| !some || pieces.contains_key(id));
    wanted.eq(pieces.iter().map(|(id, count)| (*id, Some(*count))))
}
