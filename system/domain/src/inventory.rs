//! Inventories: the stock of a product. A product may have several inventories; its stock is their sum.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_amount};
use crate::rejection::Rejection;

/// A number of pieces of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The product that is in stock.
    pub product_id: String,
    /// The number of pieces that can still be reserved.
    pub amount: u64,
}

/// What must be known of other aggregates to decide an inventory's commands.
#[derive(Clone, Debug, Default)]
pub struct InventoryFacts {
    /// The named products that exist.
    pub products: BTreeSet<String>,
}

impl Aggregate for Inventory {
    const KIND: &'static str = "inventory";
    type Facts = InventoryFacts;

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        check_amount("amount", self.amount)
    }

    fn check_change(&self, before: Option<&Self>, facts: &InventoryFacts) -> Result<(), Rejection> {
        // What is reserved of the one product would be given back as the other.
        if let Some(before) = before
            && before.product_id != self.product_id
        {
            return Err(Rejection::kept(
                "the product of an inventory",
                &before.product_id,
            ));
        }
        if facts.products.contains(&self.product_id) {
            return Ok(());
        }
        Err(Rejection::unknown(
            "product_id",
            "product",
            &self.product_id,
        ))
    }
}
