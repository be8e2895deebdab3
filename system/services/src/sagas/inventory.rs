//! The inventory saga: reserves every piece of an order or none, sets the order's status, and gives the stock back when the order is
//! deleted before it is shipped.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use ordershop_domain::{
    Event, Inventory, Order, OrderStatus, Purchase, ReservationChange, ReservationOutcome,
    order_after_reservation, release, reserve, stock_comes_back,
};

use super::append::{ROUNDS_MAX, caused_by, raw_reaction, reaction};
use super::runner::{Failure, Saga, decode, everything_before};
use super::stock::Stock;
use crate::facts::{Facts, Question, Versioned, distinct};
use crate::purchase::purchases;
use ordershop_contract::event_store::{Appended, ExpectedVersion, RecordedEvent, Transaction};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{action, json};
use ordershop_contract::worker::ServiceContext;

/// Reacts to events of orders.
pub struct InventorySaga {
    context: ServiceContext,
    stock: Stock,
    /// The positions up to which this saga has written inventories itself.
    written: Positions,
}

/// An order that was created, with the saga's progress on it.
struct Placed<'a> {
    event: &'a RecordedEvent,
    order: Order,
    purchase: Option<Purchase>,
    reserved: Option<bool>,
    /// The position of its reservation in the stream of inventories, or one behind it.
    reserved_at: Option<Position>,
    /// Whether its pieces can't be reserved, as far as is known: it may have taken them itself, in an earlier attempt.
    short: bool,
}

impl Placed<'_> {
    /// Sets the order's status. An order is not in stock by a reservation that Redis has lost.
    fn status_change(&self, order: &Order, version: u64) -> Transaction {
        let suffix = order.status.to_string().to_lowercase();
        let expected = ExpectedVersion::Exact(version);
        let event = reaction(
            self.event,
            &suffix,
            expected,
            &Event::Updated(order.clone()),
        );
        let mut change = caused_by(self.event, Topic::Order, vec![event]);
        if let Some(position) = self.reserved_at {
            change.causes.raise(Topic::Inventory, position);
        }
        change
    }
}

/// The products of what was ordered.
fn products(purchase: Option<&Purchase>) -> impl Iterator<Item = &str> {
    let lines = purchase.into_iter().flat_map(|purchase| &purchase.lines);
    lines.map(|line| line.product_id.as_str())
}

impl InventorySaga {
    /// Creates a saga with an empty cache.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self {
            context,
            stock: Stock::default(),
            written: Positions::NONE,
        }
    }
}

#[async_trait]
impl Saga for InventorySaga {
    const GROUP: &'static str = "inventory-service";

    fn forget(&mut self) {
        // The written positions stay: one beyond its stream's end counts as the end.
        self.stock = Stock::default();
    }

    async fn handle(&mut self, batch: &[RecordedEvent], _: bool) -> Result<(), Failure> {
        let mut placed = Vec::new();
        let mut deleted = Vec::new();
        for event in batch {
            match event.action.as_str() {
                action::CREATED => placed.push(Placed {
                    event,
                    order: decode(event)?,
                    purchase: None,
                    reserved: None,
                    reserved_at: None,
                    short: false,
                }),
                action::DELETED => {
                    let order: Order = decode(event)?;
                    if stock_comes_back(&order) {
                        deleted.push(event);
                    }
                }
                _ => {}
            }
        }
        if !placed.is_empty() {
            self.reserve_all(&mut placed).await?;
            Failpoint::StockReserved.pass();
            self.tell_orders(&placed).await?;
            Failpoint::OrdersTold.pass();
        }
        for event in deleted {
            let known = everything_before(event);
            self.give_back(event, &event.entity_id, known).await?;
        }
        Ok(())
    }
}

impl InventorySaga {
    async fn reserve_all(&mut self, placed: &mut [Placed<'_>]) -> Result<(), Failure> {
        let Some(last) = placed.last() else {
            return Ok(());
        };
        let mut known = everything_before(last.event);
        let correlation = last.event.correlation.clone();
        let orders = placed.iter().map(|placed| &placed.order);
        let mut purchases =
            purchases(&Facts::of(&self.context), orders, &known, &correlation).await?;
        for placed in &mut *placed {
            placed.purchase = purchases.remove(&placed.order.entity_id);
            // A foreign service's order may name a cart or a product that is deleted already.
            placed.short = placed.purchase.is_none();
        }
        self.stock.begin();
        for round in 0..ROUNDS_MAX {
            let products = placed
                .iter()
                .filter(|placed| placed.reserved.is_none())
                .flat_map(|placed| products(placed.purchase.as_ref()));
            let missing = self.stock.missing(products);
            known.merge(&self.written);
            // What is stale costs another round: a reservation expects versions, and a shortage is final only from the second on.
            let is_fresh = round > 0;
            let at_least = if is_fresh { &known } else { &self.written };
            let question = Question::having::<Inventory>("product_id", &missing);
            let found = Facts::of(&self.context)
                .ask([question], at_least, &correlation)
                .await?;
            self.stock.load(&missing, found.all()?, is_fresh);
            self.reserve_round(placed, &mut known).await?;
            self.believe_shortages(placed, &known).await?;
            if placed.iter().all(|placed| placed.reserved.is_some()) {
                return Ok(());
            }
        }
        self.stock = Stock::default();
        Err(Failure::Unavailable(
            "other commands keep changing the same stock".to_owned(),
        ))
    }

    /// Decides the orders that are short: one whose pieces were reserved by an earlier attempt is in stock.
    async fn believe_shortages(
        &self,
        placed: &mut [Placed<'_>],
        known: &Positions,
    ) -> Result<(), Failure> {
        if !placed.iter().any(|placed| placed.short) {
            return Ok(());
        }
        let facts = &Facts::of(&self.context);
        let known = &self.as_of_now(*known).await?;
        // All at once: concurrent queries share round trips.
        let short = placed.iter_mut().filter(|placed| placed.short);
        let believed = short.map(async |placed| {
            let id = &placed.order.entity_id;
            let correlation = &placed.event.correlation;
            let reservation = facts.reservation(id, known, correlation).await?;
            placed.reserved = Some(reservation.is_some());
            placed.reserved_at = reservation.and(known.get(Topic::Inventory));
            placed.short = false;
            Ok::<_, Failure>(())
        });
        try_join_all(believed).await?;
        Ok(())
    }

    /// Tries to reserve for every undecided order, in one append.
    async fn reserve_round(
        &mut self,
        placed: &mut [Placed<'_>],
        known: &mut Positions,
    ) -> Result<(), Failure> {
        let mut tried = Vec::new();
        let mut transactions = Vec::new();
        let mut stale = Vec::new();
        for (place, placed) in placed.iter_mut().enumerate() {
            let (None, Some(purchase)) = (placed.reserved, &placed.purchase) else {
                continue;
            };
            if products(Some(purchase)).any(|id| stale.iter().any(|stale| stale == id)) {
                continue;
            }
            match reserve(&placed.order.entity_id, purchase, self.stock.by_product()) {
                ReservationOutcome::Reserved(change) => {
                    transactions.push(self.transaction(
                        placed.event,
                        &change,
                        ExpectedVersion::NoStream,
                        action::STOCK_RESERVED,
                    ));
                    self.stock.apply(&change);
                    tried.push(place);
                }
                ReservationOutcome::OutOfStock { product_id, .. }
                    if self.stock.is_fresh(&product_id) =>
                {
                    placed.short = true;
                }
                ReservationOutcome::OutOfStock { product_id, .. } => stale.push(product_id),
            }
        }
        self.stock.forget(stale.iter().map(String::as_str));
        if transactions.is_empty() {
            return Ok(());
        }
        let appended = match self.context.events.append(transactions).await {
            Ok(appended) => appended,
            Err(error) => {
                self.stock = Stock::default();
                return Err(error.into());
            }
        };
        for (place, appended) in tried.into_iter().zip(appended) {
            let placed = &mut placed[place];
            match appended {
                Appended::Committed { position } => {
                    self.written.raise(Topic::Inventory, position);
                    placed.reserved = Some(true);
                    placed.reserved_at = Some(position);
                }
                Appended::Conflict { key, position, .. } => {
                    known.raise(Topic::Inventory, position);
                    self.stock.forget(products(placed.purchase.as_ref()));
                    if key == placed.order.entity_id {
                        // The pieces were reserved before; this event is a repeat.
                        placed.reserved = Some(true);
                        placed.reserved_at = Some(position);
                    }
                }
            }
        }
        Ok(())
    }

    fn transaction(
        &self,
        cause: &RecordedEvent,
        change: &ReservationChange,
        reservation: ExpectedVersion,
        action: &'static str,
    ) -> Transaction {
        let mut events: Vec<_> = change
            .inventories
            .iter()
            .enumerate()
            .map(|(n, inventory)| {
                let expected = self.stock.expected(&inventory.entity_id);
                reaction(
                    cause,
                    &format!("{action}.{n}"),
                    expected,
                    &Event::Updated(inventory.clone()),
                )
            })
            .collect();
        let record = &change.reservation;
        events.push(raw_reaction(
            cause,
            action,
            &record.order_id,
            reservation,
            action,
            json(record),
        ));
        caused_by(cause, Topic::Inventory, events)
    }

    /// Makes the orders IN_STOCK or OUT_OF_STOCK.
    async fn tell_orders(&mut self, placed: &[Placed<'_>]) -> Result<(), Failure> {
        let mut told = Vec::new();
        let mut transactions = Vec::new();
        for placed in placed {
            let reserved = placed.reserved.unwrap_or(false);
            if let Some(order) = order_after_reservation(&placed.order, reserved) {
                told.push(placed);
                transactions.push(placed.status_change(&order, placed.event.version));
            }
        }
        let appended = self.context.events.append(transactions).await?;
        for (placed, appended) in told.into_iter().zip(appended) {
            if let Appended::Conflict { position, .. } = appended {
                let mut known = everything_before(placed.event);
                known.raise(Topic::Order, position);
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
        let reserved = placed.reserved.unwrap_or(false);
        let correlation = &placed.event.correlation;
        for _ in 0..ROUNDS_MAX {
            let id = &placed.order.entity_id;
            let Some(now) = Facts::of(&self.context)
                .one::<Order>(id, &known, correlation)
                .await?
            else {
                // The order is deleted, and so it may have been before its pieces were reserved.
                return self.give_back(placed.event, id, known).await;
            };
            if reserved && now.entity.status == OrderStatus::OutOfStock {
                return self.give_back(placed.event, id, known).await;
            }
            let Some(order) = order_after_reservation(&now.entity, reserved) else {
                return Ok(());
            };
            let transaction = placed.status_change(&order, now.version);
            match self.context.events.append(vec![transaction]).await?.pop() {
                Some(Appended::Conflict { position, .. }) => known.raise(Topic::Order, position),
                _ => return Ok(()),
            }
        }
        Err(Failure::Unavailable(
            "other commands keep changing the same order".to_owned(),
        ))
    }

    /// Positions with all that inventories have now: the saga's predecessor may have reserved after the event that is handled.
    async fn as_of_now(&self, mut known: Positions) -> Result<Positions, Failure> {
        let events = &self.context.events;
        known.raise(
            Topic::Inventory,
            events.last_position(Topic::Inventory).await?,
        );
        Ok(known)
    }

    /// Gives back an order's reservation, if there is one and it wasn't given back before.
    async fn give_back(
        &mut self,
        cause: &RecordedEvent,
        order_id: &str,
        known: Positions,
    ) -> Result<(), Failure> {
        let correlation = &cause.correlation;
        let mut known = self.as_of_now(known).await?;
        for _ in 0..ROUNDS_MAX {
            known.merge(&self.written);
            let facts = &Facts::of(&self.context);
            let Some(Versioned {
                entity: reservation,
                version,
            }) = facts.reservation(order_id, &known, correlation).await?
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
            self.stock.forget(products.iter().copied());
            self.stock.load(&products, inventories, true);
            let expected = ExpectedVersion::Exact(version);
            let transaction = self.transaction(cause, &change, expected, action::STOCK_RELEASED);
            // The cache now holds only the reserved inventories of these products, so they must be loaded whole again.
            self.stock.forget(products.iter().copied());
            match self.context.events.append(vec![transaction]).await?.pop() {
                Some(Appended::Conflict { position, .. }) => {
                    known.raise(Topic::Inventory, position)
                }
                Some(Appended::Committed { position }) => {
                    Failpoint::StockReleased.pass();
                    self.written.raise(Topic::Inventory, position);
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
