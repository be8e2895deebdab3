//! `stock`: the stock of each product is initial + restocked − reserved + given back, and never below 0. Every reservation is what its
//! order's cart holds, is made once for each order, and is given back if the order was deleted before it was shipped.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::event::{AuditEvent, EventAction};
use super::super::history::{FACTS_BEFORE_US, History, Id, Status};
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
}

/// The sums of a product over all its inventories.
#[derive(Debug, Default)]
struct Sums {
    initial: i64,
    restocked: i64,
    reserved: i64,
    given_back: i64,
    began_us: u64,
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
        let before = self.inventories.get(&id);
        let (was, was_of) = before.map_or((0, product.clone()), |i| (i.amount, i.product.clone()));
        let first = before.is_none();
        let began_us = before.map_or(event.published_at_us, |i| i.began_us);
        let deleted = event.action() == EventAction::Deleted;
        let now = if deleted { 0 } else { data.amount };
        // A reservation's change of the amount is counted by the event `stock_reserved` only.
        if !event.is_reaction() {
            let sums = self.sums.entry(was_of).or_default();
            if first {
                sums.began_us = sums.began_us.max(began_us);
            } else {
                sums.restocked -= was;
            }
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
        ..
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
    let mut pieces: Vec<(&str, u64)> = Vec::new();
    let mut lines: Vec<&ReservationLine> = reservation.lines.iter().collect();
    lines.sort_unstable_by(|a, b| a.product_id.cmp(&b.product_id));
    for line in lines {
        let quantity = u64::try_from(line.quantity).unwrap_or(0);
        match pieces.last_mut() {
            Some((product, count)) if *product == line.product_id.as_ref() => *count += quantity,
            _ => pieces.push((&line.product_id, quantity)),
        }
    }
    let at_us = reservation.at_us;
    let fits = history.carts.get(&order.cart).is_some_and(|cart| {
        let mut states = cart.within(at_us.saturating_sub(FACTS_BEFORE_US), at_us);
        states.any(|state| {
            let wanted = state.pieces.iter().map(|(id, count)| (id.as_ref(), *count));
            wanted.eq(pieces.iter().copied())
        })
    });
    if !fits {
        return Some(format!(
            "the reservation is not what cart {} holds",
            order.cart
        ));
    }
    let has_left = matches!(order.status, Some(Status::Shipped | Status::Delivered));
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
