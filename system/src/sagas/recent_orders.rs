//! The order saga's memory of the orders that it moved: an order's next step mostly follows within a second. A wrong entry costs a
//! conflict and a reload, never a wrong step: every step names the version that it was decided on, and that there is no step to be
//! made is only believed of an order that was loaded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ordershop_domain::Order;

use crate::services::Versioned;

/// Orders remembered; beyond this the memory starts anew.
const ORDERS_MAX: usize = 20_000;

/// Orders by id, with their versions. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub struct RecentOrders(Arc<Mutex<HashMap<String, Versioned<Order>>>>);

impl RecentOrders {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Versioned<Order>>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Those of `ids` that are remembered.
    pub fn recall(&self, ids: &[&str]) -> HashMap<String, Versioned<Order>> {
        let orders = self.lock();
        ids.iter()
            .filter_map(|id| Some(((*id).to_owned(), orders.get(*id)?.clone())))
            .collect()
    }

    /// Remembers an order as it was written.
    pub fn remember(&self, order: Versioned<Order>) {
        let mut orders = self.lock();
        if orders.len() >= ORDERS_MAX {
            orders.clear();
        }
        orders.insert(order.entity.entity_id.clone(), order);
    }

    /// Somebody else wrote this order.
    pub fn forget(&self, id: &str) {
        self.lock().remove(id);
    }
}
