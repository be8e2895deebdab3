//! Stock of a product. A product may have several inventories; what it has is their sum.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_amount};
use crate::rejection::Rejection;

/// So many pieces of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Given by the system.
    #[serde(default)]
    pub entity_id: String,
    /// Whose stock it is.
    pub product_id: String,
    /// Pieces that can still be reserved.
    pub amount: u64,
}

/// What an inventory's commands need to know.
#[derive(Clone, Debug, Default)]
pub struct InventoryFacts {
    /// Those of the named products that exist.
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

    fn check_change(
        &self,
        _before: Option<&Self>,
        facts: &InventoryFacts,
    ) -> Result<(), Rejection> {
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
