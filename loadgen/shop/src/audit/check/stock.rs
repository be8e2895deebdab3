//! `stock`: the stock of each product is initial + restocked − reserved + given back, and never below 0. Every reservation is the lines of
//! its order, is made once for each order, and is given back if the order was deleted before it was shipped.
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

/// The reservation of an order: its pieces, and how often they were given back.
#[derive(Debug)]
struct Reservation {
    lines: Vec<ReservationLine>,
    at_us: u64,
    times: u32,
    released: u32,
}

/// The fold of topic `inventory`.
#[derive(Debug, Default)]
pub struct Stock {
    inventories: HashMap<Id, Inventory>,
    sums: HashMap<Id, Sums>,
    reservations: HashMap<Id, Reservation>,
    faults: Vec<(u64, Offender)>,
}

impl Stock {
    /// Folds one event of topic `inventory`; events must come in order.
    pub fn take(&mut self, history: &mut History, event: &AuditEvent<'_>) {
        let taken = match event.action() {
            EventAction::StockReserved | EventAction::StockReleased => {
                self.reservation(history, event)
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
        let known = self.reservations.get_mut(&order);
        let mut fault = None;
        match (known, reserved) {
            (None, true) => {
                let reservation = Reservation {
                    lines: data.lines,
                    at_us: event.published_at_us,
                    times: 1,
                    released: 0,
                };
                self.reservations.insert(order, reservation);
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
        for (order, reservation) in &self.reservations {
            if reservation.at_us >= since_us {
                report.look(order, misreserved(history, order, reservation));
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

fn misreserved(history: &History, id: &Id, reservation: &Reservation) -> Option<String> {
    let Some(order) = history.orders.get(id) else {
        return Some("reserved for an order that never existed".to_owned());
    };
    if reservation.times > 1 {
        return Some(format!("reserved {} times", reservation.times));
    }
    let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &reservation.lines {
        *pieces.entry(&line.product_id).or_default() += line.quantity;
    }
    let wanted = history.pieces(order).unwrap_or_default();
    let wanted = wanted
        .iter()
        .map(|(id, count)| (id.as_ref(), i64::try_from(*count).ok()));
    let reserved = pieces.into_iter().map(|(id, count)| (id, Some(count)));
    if !wanted.eq(reserved) {
        let lines = match order.bought {
            Some(_) => "lines of its order".to_owned(),
            None => format!("pieces that cart {} held when it was ordered", order.cart),
        };
        return Some(format!("the reservation is not the {lines}"));
    }
    let has_left = order.status.is_some_and(Status::has_left)
        || history
            .shipments
            .get(id)
            .is_some_and(|shipment| shipment.living > 0);
    let must_be_back = order.deleted && !has_left || order.status == Some(Status::OutOfStock);
    match (must_be_back, reservation.released) {
        (true, 0) => Some("its stock was not given back".to_owned()),
        (false, 1..) => {
            Some("its stock was given back, but the order still needs it or was shipped".to_owned())
        }
        (_, 2..) => Some(format!(
            "its stock was given back {} times",
            reservation.released
        )),
        _ => None,
    }
}
