//! The inventory service's commands. Its saga makes the reservations.

use async_trait::async_trait;
use ordershop_domain::{Inventory, InventoryFacts, Product};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, distinct};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

/// Handles the commands of inventories.
#[derive(Debug)]
pub struct InventoryService;

#[async_trait]
impl EntityService for InventoryService {
    type Entity = Inventory;
    /// The other change may be a reservation, whose pieces would be for sale again.
    const UPDATES_AGAIN: bool = false;

    fn beside(inventory: &Inventory) -> Option<&str> {
        Some(&inventory.product_id)
    }

    async fn facts(
        facts: &Facts,
        inventories: &[Inventory],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<InventoryFacts, FactsError> {
        let ids = distinct(
            inventories
                .iter()
                .map(|inventory| inventory.product_id.as_str()),
        );
        let products = facts.by_ids::<Product>(&ids, at_least, correlation).await?;
        Ok(InventoryFacts {
            products: products.into_keys().collect(),
        })
    }
}
