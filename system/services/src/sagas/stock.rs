//! The inventory saga's cache of stock, which saves a query for most reservations. A stale entry costs a conflict and a reload, never a
//! wrong reservation: every change expects the version that it was decided on.

use std::collections::{HashMap, HashSet};

use ordershop_domain::{Inventory, ReservationChange};

use crate::facts::Versioned;
use ordershop_contract::event_store::ExpectedVersion;

/// The maximum number of products in the cache; it is cleared beyond this.
const PRODUCTS_MAX: usize = 100_000;

/// Inventories by product, with the versions of their aggregates.
#[derive(Debug, Default)]
pub struct Stock {
    by_product: HashMap<String, Vec<Inventory>>,
    versions: HashMap<String, u64>,
    /// Products whose load since the last [`Stock::begin`] was fresh: a shortage of one of them is final.
    fresh: HashSet<String>,
}

impl Stock {
    /// Begins a new batch.
    pub fn begin(&mut self) {
        self.fresh.clear();
        if self.by_product.len() > PRODUCTS_MAX {
            self.by_product.clear();
            self.versions.clear();
        }
    }

    /// The products that must be loaded.
    pub fn missing<'a>(&self, products: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        crate::facts::distinct(products.filter(|id| !self.by_product.contains_key(*id)))
    }

    /// Caches the inventories loaded for `products`. `is_fresh`: whether they have all that was written before the batch.
    pub fn load(
        &mut self,
        products: &[&str],
        inventories: HashMap<String, Versioned<Inventory>>,
        is_fresh: bool,
    ) {
        for &product in products {
            self.by_product.insert(product.to_owned(), Vec::new());
            if is_fresh {
                self.fresh.insert(product.to_owned());
            }
        }
        for (id, inventory) in inventories {
            self.versions.insert(id, inventory.version);
            if let Some(inventories) = self.by_product.get_mut(&inventory.entity.product_id) {
                inventories.push(inventory.entity);
            }
        }
        for &product in products {
            if let Some(inventories) = self.by_product.get_mut(product) {
                inventories.sort_by(|a, b| a.entity_id.cmp(&b.entity_id));
            }
        }
    }

    /// The cached inventories by product.
    pub fn by_product(&self) -> &HashMap<String, Vec<Inventory>> {
        &self.by_product
    }

    /// Whether a shortage of this product is final, not due to a stale entry.
    pub fn is_fresh(&self, product: &str) -> bool {
        self.fresh.contains(product)
    }

    /// Removes products, so that they are loaded again.
    pub fn forget<'a>(&mut self, products: impl Iterator<Item = &'a str>) {
        for product in products {
            self.fresh.remove(product);
            if let Some(inventories) = self.by_product.remove(product) {
                for inventory in inventories {
                    self.versions.remove(&inventory.entity_id);
                }
            }
        }
    }

    /// The version that an append to this inventory must expect.
    pub fn expected(&self, inventory_id: &str) -> ExpectedVersion {
        match self.versions.get(inventory_id) {
            Some(&version) => ExpectedVersion::Exact(version),
            None => ExpectedVersion::NoStream,
        }
    }

    /// Applies a reservation to the cache, before it is written.
    pub fn apply(&mut self, change: &ReservationChange) {
        for after in &change.inventories {
            if let Some(version) = self.versions.get_mut(&after.entity_id) {
                *version += 1;
            }
            let inventories = self.by_product.get_mut(&after.product_id);
            for inventory in inventories.into_iter().flatten() {
                if inventory.entity_id == after.entity_id {
                    inventory.amount = after.amount;
                }
            }
        }
    }
}
