//! Reserving an order's pieces and giving them back. A reservation is recorded by order id with the inventories that its
//! pieces came from. So a repeat is recognised, and exactly the reserved pieces are given back.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::inventory::Inventory;
use crate::limits::AMOUNT_MAX;
use crate::order::Purchase;

/// The maximum number of inventories that one order's pieces are taken from: its reservation must fit into one transaction.
pub const INVENTORIES_MAX: usize = 5_000;

/// Pieces taken from one inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    /// The inventory that the pieces were taken from.
    pub inventory_id: String,
    /// The product.
    pub product_id: String,
    /// The number of pieces.
    pub quantity: u64,
}

/// The pieces that are reserved for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The order that the pieces are reserved for.
    pub order_id: String,
    /// The customer who ordered them, who is to be told what becomes of a payment when the order itself is gone.
    #[serde(default)]
    pub customer_id: String,
    /// The pieces by inventory.
    pub lines: Vec<ReservedLine>,
    /// Whether the pieces were given back.
    #[serde(default)]
    pub released: bool,
}

/// A reservation's effect on the stock. It is written in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationChange {
    /// The reservation as it is afterwards.
    pub reservation: Reservation,
    /// The inventories that change, as they are afterwards.
    pub inventories: Vec<Inventory>,
}

/// The result of reserving an order's pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// All pieces are reserved.
    Reserved(ReservationChange),
    /// A product is short: nothing is reserved.
    OutOfStock {
        /// The first product that is short.
        product_id: String,
        /// The number of pieces that were ordered.
        wanted: u64,
        /// The number of pieces in stock.
        available: u64,
    },
}

/// Takes every piece of an order, or none. `stock` holds the inventories of each of its products. Pieces beyond the first
/// [`INVENTORIES_MAX`] inventories count as not in stock.
#[must_use]
pub fn reserve(
    order_id: &str,
    purchase: &Purchase,
    stock: &HashMap<String, Vec<Inventory>>,
) -> ReservationOutcome {
    // A foreign service's order may have two lines of one product.
    let mut pieces: BTreeMap<&String, u64> = BTreeMap::new();
    for line in &purchase.lines {
        let quantity = pieces.entry(&line.product_id).or_default();
        *quantity = quantity.saturating_add(line.quantity);
    }
    let mut lines = Vec::new();
    let mut changed = Vec::new();
    for (product_id, wanted) in pieces {
        let inventories = stock.get(product_id).map_or(&[][..], Vec::as_slice);
        let mut missing = wanted;
        for inventory in inventories {
            let taken = missing.min(inventory.amount);
            if taken == 0 {
                continue;
            }
            if lines.len() == INVENTORIES_MAX {
                break;
            }
            missing -= taken;
            lines.push(ReservedLine {
                inventory_id: inventory.entity_id.clone(),
                product_id: product_id.clone(),
                quantity: taken,
            });
            changed.push(Inventory {
                amount: inventory.amount - taken,
                ..inventory.clone()
            });
        }
        if missing > 0 {
            return ReservationOutcome::OutOfStock {
                product_id: product_id.clone(),
                wanted,
                available: wanted - missing,
            };
        }
    }
    ReservationOutcome::Reserved(ReservationChange {
        reservation: Reservation {
            order_id: order_id.to_owned(),
            customer_id: purchase.customer_id.clone(),
            lines,
            released: false,
        },
        inventories: changed,
    })
}

/// Gives back a reservation's pieces; `None` if they were given back before. `inventories` are those of the reservation that
/// still exist, by id. Pieces of a deleted inventory are dropped, and so are those of one that a foreign service gave to another
/// product, and pieces that would lift an inventory above [`AMOUNT_MAX`].
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
        let inventory = inventories.get(&line.inventory_id);
        let Some(inventory) = inventory.filter(|found| found.product_id == line.product_id) else {
            continue;
        };
        let entry = changed
            .entry(&line.inventory_id)
            .or_insert_with(|| inventory.clone());
        entry.amount = entry.amount.saturating_add(line.quantity).min(AMOUNT_MAX);
    }
    Some(ReservationChange {
        reservation: Reservation {
            released: true,
            ..reservation.clone()
        },
        inventories: changed.into_values().collect(),
    })
}
