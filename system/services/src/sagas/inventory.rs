//! The inventory saga: reserves every piece of an order or none, sets the order's status, and gives the stock back when the order is
//! deleted before it is shipped.

mod giving_back;
mod placed;
mod reserving;

use std::sync::Arc;

use async_trait::async_trait;
use ordershop_domain::{Order, OrderStatus, order_after_reservation, stock_comes_back};
use tokio::sync::Mutex;

use self::placed::{Placed, partitions_of};
use super::append::ROUNDS_MAX;
use super::runner::{Failure, Saga, decode, everything_before};
use super::stock::Stock;
use crate::facts::Facts;
use ordershop_contract::event_store::{Appended, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Positions;
use ordershop_contract::wire::action;
use ordershop_contract::worker::ServiceContext;

/// Reacts to events of orders. Clones share their cache, and take from it one after the other: orders of several partitions may buy the same
/// product.
#[derive(Clone)]
pub struct InventorySaga {
    context: ServiceContext,
    shelf: Arc<Mutex<Shelf>>,
    /// Whether what is remembered may be wrong.
    forgets: bool,
}

/// What the saga remembers of the inventories.
#[derive(Default)]
struct Shelf {
    stock: Stock,
    /// The positions up to which this saga has written inventories itself. They are never forgotten: one beyond its stream's end counts as the
    /// end.
    written: Positions,
}

/// One batch under way, with the shelf in its hands.
struct Work<'a> {
    context: &'a ServiceContext,
    partitions: Partitions,
    shelf: &'a mut Shelf,
}

impl InventorySaga {
    /// Creates a saga with an empty cache.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self {
            context,
            shelf: Arc::default(),
            forgets: false,
        }
    }
}

#[async_trait]
impl Saga for InventorySaga {
    const GROUP: &'static str = "inventory-service";

    fn forget(&mut self) {
        self.forgets = true;
    }

    async fn handle(&mut self, batch: &[RecordedEvent], _: bool) -> Result<(), Failure> {
        let partitions = self.context.events.partitions();
        let mut placed = Vec::new();
        let mut deleted = Vec::new();
        for event in batch {
            match event.action.as_str() {
                action::CREATED => placed.push(Placed::new(event, decode(event)?)),
                action::DELETED => {
                    let order: Order = decode(event)?;
                    if stock_comes_back(&order) {
                        deleted.push((event, order));
                    }
                }
                _ => {}
            }
        }
        if placed.is_empty() && deleted.is_empty() {
            return Ok(());
        }
        let shelf = &mut *self.shelf.lock().await;
        if std::mem::take(&mut self.forgets) {
            shelf.stock = Stock::default();
        }
        let mut work = Work {
            context: &self.context,
            partitions,
            shelf,
        };
        if !placed.is_empty() {
            work.reserve_all(&mut placed).await?;
            Failpoint::StockReserved.pass();
            work.tell_orders(&placed).await?;
            Failpoint::OrdersTold.pass();
        }
        for (event, order) in deleted {
            let known = everything_before(event, partitions);
            let held_in = partitions_of(&order, event, partitions);
            work.give_back(event, &event.entity_id, held_in, &known)
                .await?;
        }
        Ok(())
    }
}

impl Work<'_> {
    /// Makes the orders IN_STOCK or OUT_OF_STOCK.
    async fn tell_orders(&mut self, placed: &[Placed<'_>]) -> Result<(), Failure> {
        let mut told = Vec::new();
        let mut transactions = Vec::new();
        for placed in placed {
            let reserved = placed.is_reserved();
            if let Some(order) = order_after_reservation(&placed.order, reserved) {
                told.push(placed);
                transactions.push(placed.status_change(&order, placed.event.version));
            }
        }
        let appended = self.context.events.append(transactions).await?;
        for (placed, appended) in told.into_iter().zip(appended) {
            if let Appended::Conflict { position, .. } = appended {
                let mut known = everything_before(placed.event, self.partitions);
                known.raise(placed.event.partition, position);
                self.tell_changed_order(placed, known).await?;
            }
        }
        Ok(())
    }

    /// Handles an order that has changed since its creation: by an earlier attempt (a repeat), by its deletion, or by a client.
    async fn tell_changed_order(
        &mut self,
        placed: &Placed<'_>,
        mut known: Positions,
    ) -> Result<(), Failure> {
        let reserved = placed.is_reserved();
        let correlation = &placed.event.correlation;
        for _ in 0..ROUNDS_MAX {
            let id = &placed.order.entity_id;
            let Some(now) = Facts::of(self.context)
                .one::<Order>(id, &known, correlation)
                .await?
            else {
                // The order is deleted, and so it may have been before its pieces were reserved.
                return self
                    .give_back(placed.event, id, placed.partitions(), &known)
                    .await;
            };
            if reserved && now.entity.status == OrderStatus::OutOfStock {
                return self
                    .give_back(placed.event, id, placed.partitions(), &known)
                    .await;
            }
            let Some(order) = order_after_reservation(&now.entity, reserved) else {
                return Ok(());
            };
            let transaction = placed.status_change(&order, now.version);
            match self.context.events.append(vec![transaction]).await?.pop() {
                Some(Appended::Conflict { position, .. }) => {
                    known.raise(placed.event.partition, position)
                }
                _ => return Ok(()),
            }
        }
        Err(Failure::Unavailable(
            "other commands keep changing the same order".to_owned(),
        ))
    }

    /// Positions with all that these partitions have now: the saga's predecessor may have reserved after the event that is handled.
    async fn as_of_now(
        &self,
        known: &Positions,
        partitions: impl IntoIterator<Item = Partition>,
    ) -> Result<Positions, Failure> {
        let mut known = known.clone();
        for partition in partitions {
            let end = self.context.events.last_position(partition).await?;
            known.raise(partition, end);
        }
        Ok(known)
    }
}
