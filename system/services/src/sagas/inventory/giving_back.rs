//! Gives the stock of an order back: in each partition of the inventories where some is reserved.

use std::collections::{BTreeMap, HashMap};

use ordershop_domain::{Inventory, release};

use super::super::append::ROUNDS_MAX;
use super::super::runner::Failure;
use super::Work;
use crate::facts::{Facts, Versioned, distinct};
use ordershop_contract::event_store::{Appended, ExpectedVersion, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::action;

impl Work<'_> {
    /// Gives back an order's reservations in these partitions, those that are there and weren't given back before.
    pub(super) async fn give_back(
        &mut self,
        cause: &RecordedEvent,
        order_id: &str,
        held_in: Vec<Partition>,
        known: &Positions,
    ) -> Result<(), Failure> {
        let known = self.as_of_now(known, held_in.iter().copied()).await?;
        for partition in held_in {
            self.give_back_in(partition, cause, order_id, known.clone())
                .await?;
        }
        Ok(())
    }

    async fn give_back_in(
        &mut self,
        partition: Partition,
        cause: &RecordedEvent,
        order_id: &str,
        mut known: Positions,
    ) -> Result<(), Failure> {
        let correlation = &cause.correlation;
        for _ in 0..ROUNDS_MAX {
            known.merge(&self.shelf.written);
            let facts = &Facts::of(self.context);
            let reservation = facts.reservation(order_id, partition, &known, correlation);
            let Some(Versioned {
                entity: reservation,
                version,
            }) = reservation.await?
            else {
                return Ok(());
            };
            let ids = distinct(
                reservation
                    .lines
                    .iter()
                    .map(|line| line.inventory_id.as_str()),
            );
            let inventories: HashMap<String, Versioned<Inventory>> =
                facts.by_ids(&ids, &known, correlation).await?;
            let amounts: BTreeMap<String, Inventory> = inventories
                .iter()
                .map(|(id, inventory)| (id.clone(), inventory.entity.clone()))
                .collect();
            let Some(change) = release(&reservation, &amounts) else {
                return Ok(());
            };
            let products = distinct(
                reservation
                    .lines
                    .iter()
                    .map(|line| line.product_id.as_str()),
            );
            let stock = &mut self.shelf.stock;
            stock.forget(products.iter().copied());
            stock.load(&products, inventories, true);
            let expected = ExpectedVersion::Exact(version);
            let released = action::STOCK_RELEASED;
            let transaction = self.transaction(cause, partition, &change, expected, released);
            // The cache now holds only the reserved inventories of these products, so they must be loaded whole again.
            self.shelf.stock.forget(products.iter().copied());
            match self.context.events.append(vec![transaction]).await?.pop() {
                Some(Appended::Conflict { position, .. }) => known.raise(partition, position),
                Some(Appended::Committed { position }) => {
                    Failpoint::StockReleased.pass();
                    self.shelf.written.raise(partition, position);
                    return Ok(());
                }
                None => return Err(Failure::Failed("the event store gave no answer".to_owned())),
            }
        }
        Err(Failure::Unavailable(
            "other commands keep changing the same stock".to_owned(),
        ))
    }
}
