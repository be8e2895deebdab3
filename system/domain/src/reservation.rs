//! Reserving an order's pieces and giving them back. A reservation is recorded by order id with the inventories it took from, so
//! that a repeat is known and exactly what was taken comes back.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::cart::Cart;
use crate::inventory::Inventory;

/// Pieces taken from one inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    /// Where they were taken from.
    pub inventory_id: String,
    /// What they are.
    pub product_id: String,
    /// How many.
    pub quantity: u64,
}

/// What was taken for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Whose they are.
    pub order_id: String,
    /// What was taken from where.
    pub lines: Vec<ReservedLine>,
    /// Whether it was given back.
    #[serde(default)]
    pub released: bool,
}

/// What a reservation does to the stock: written all or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationChange {
    /// The reservation's record.
    pub reservation: Reservation,
    /// The inventories that change, as they are afterwards.
    pub inventories: Vec<Inventory>,
}

/// Whether an order's pieces could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// All of them.
    Reserved(ReservationChange),
    /// Not all: nothing is taken.
    OutOfStock {
        /// The first product that is short.
        product_id: String,
        /// Pieces wanted.
        wanted: u64,
        /// Pieces there.
        available: u64,
    },
}

/// Takes every piece of a cart, or none. `stock`: the inventories of each of its products.
#[must_use]
pub fn reserve(
    order_id: &str,
    cart: &Cart,
    stock: &HashMap<String, Vec<Inventory>>,
) -> ReservationOutcome {
    let mut lines = Vec::new();
    let mut changed = Vec::new();
    for (product_id, wanted) in cart.pieces() {
        let inventories = stock.get(product_id).map_or(&[][..], Vec::as_slice);
        let mut missing = wanted;
        for inventory in inventories {
            let taken = missing.min(inventory.amount);
            if taken == 0 {
                continue;
            }
            missing -= taken;
            lines.push(ReservedLine {
                inventory_id: inventory.entity_id.clone(),
                product_id: product_id.to_owned(),
                quantity: taken,
            });
            changed.push(Inventory {
                amount: inventory.amount - taken,
                ..inventory.clone()
            });
        }
        if missing > 0 {
            return ReservationOutcome::OutOfStock {
                product_id: product_id.to_owned(),
                wanted,
                available: wanted - missing,
            };
        }
    }
    ReservationOutcome::Reserved(ReservationChange {
        reservation: Reservation {
            order_id: order_id.to_owned(),
            lines,
            released: false,
        },
        inventories: changed,
    })
}

/// Gives back what a reservation took; `None` if that was done before. `inventories`: those it took from that still exist, by id.
/// What was taken from an inventory that is gone goes nowhere.
#[must_use]
pub fn release(
    reservation: &Reservation,
    inventories: &BTreeMap<String, Inventory>,
) -> Option<ReservationChange> {
    if reservation.released {
        return None;
    }
    let mut changed: BTreeMap<&str, Inventory> = BTreeMap::new();
    for line in &reservation.lines {
        let Some(inventory) = inventories.get(&line.inventory_id) else {
            continue;
        };
        let entry = changed
            .entry(&line.inventory_id)
            .or_insert_with(|| inventory.clone());
        entry.amount = entry.amount.saturating_add(line.quantity);
    }
    Some(ReservationChange {
        reservation: Reservation {
            released: true,
            ..reservation.clone()
        },
        inventories: changed.into_values().collect(),
    })
}
