//! Reserves the pieces of orders: all of a batch in one append, for each order in one partition after the other.

use futures_util::future::try_join_all;
use ordershop_domain::{Event, Inventory, ReservationChange, ReservationOutcome, reserve};

use super::super::append::{ROUNDS_MAX, caused_by, raw_reaction, reaction};
use super::super::runner::{Failure, everything_before};
use super::placed::{Placed, Progress};
use super::{Stock, Work};
use crate::facts::{Facts, Question};
use crate::purchase::purchases;
use ordershop_contract::event_store::{Appended, ExpectedVersion, RecordedEvent, Transaction};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::{action, json};

impl Work<'_> {
    /// Decides every order, and gives back what was reserved of those that can't be had whole.
    pub(super) async fn reserve_all(&mut self, placed: &mut [Placed<'_>]) -> Result<(), Failure> {
        let Some(last) = placed.last() else {
            return Ok(());
        };
        let mut known = everything_before(last.event, self.partitions);
        let correlation = last.event.correlation.clone();
        let orders = placed.iter().map(|placed| &placed.order);
        let mut purchases =
            purchases(&Facts::of(self.context), orders, &known, &correlation).await?;
        for placed in &mut *placed {
            let purchase = purchases.remove(&placed.order.entity_id);
            placed.part(purchase, self.partitions);
        }
        self.shelf.stock.begin();
        for round in 0..ROUNDS_MAX {
            let undecided = placed.iter().filter(|placed| !placed.is_decided());
            let products = undecided
                .flat_map(|placed| &placed.parts)
                .flat_map(|part| part.products());
            let missing = self.shelf.stock.missing(products);
            known.merge(&self.shelf.written);
            // What is stale costs another round: a reservation expects versions, and a shortage is final only from the second on.
            let is_fresh = round > 0;
            let at_least = if is_fresh {
                &known
            } else {
                &self.shelf.written
            };
            let question = Question::having::<Inventory>("product_id", &missing);
            let found = Facts::of(self.context)
                .ask([question], at_least, &correlation)
                .await?;
            self.shelf.stock.load(&missing, found.all()?, is_fresh);
            self.reserve_round(placed, &mut known).await?;
            self.settle_doubts(placed, &known).await?;
            if placed.iter().all(Placed::is_decided) {
                return self.give_back_refused(placed, &known).await;
            }
        }
        self.shelf.stock = Stock::default();
        Err(Failure::Unavailable(
            "other commands keep changing the same stock".to_owned(),
        ))
    }

    /// Decides the parts in doubt: one whose pieces were reserved by an earlier attempt is reserved, unless they were given back because another
    /// part couldn't be had.
    async fn settle_doubts(
        &self,
        placed: &mut [Placed<'_>],
        known: &Positions,
    ) -> Result<(), Failure> {
        let in_doubt = |progress| progress == Progress::InDoubt;
        let parts = placed.iter().flat_map(|placed| &placed.parts);
        let doubtful = parts.filter(|part| in_doubt(part.progress));
        let mut affected: Vec<Partition> = doubtful.map(|part| part.partition).collect();
        affected.sort_unstable();
        affected.dedup();
        if affected.is_empty() {
            return Ok(());
        }
        let facts = &Facts::of(self.context);
        let known = &self.as_of_now(known, affected).await?;
        // All at once: concurrent queries share round trips.
        let parts = placed.iter_mut().flat_map(|placed| {
            let (id, correlation) = (&placed.order.entity_id, &placed.event.correlation);
            let parts = placed.parts.iter_mut();
            parts.map(move |part| (id, correlation, part))
        });
        let doubtful = parts.filter(|(_, _, part)| in_doubt(part.progress));
        let settled = doubtful.map(async |(id, correlation, part)| {
            let reservation = facts.reservation(id, part.partition, known, correlation);
            part.progress = match reservation.await? {
                Some(reservation) if !reservation.entity.released => {
                    Progress::Reserved(known.get(part.partition).unwrap_or_default())
                }
                _ => Progress::Refused,
            };
            Ok::<_, Failure>(())
        });
        try_join_all(settled).await?;
        Ok(())
    }

    /// Tries to reserve the next part of every undecided order, in one append.
    async fn reserve_round(
        &mut self,
        placed: &mut [Placed<'_>],
        known: &mut Positions,
    ) -> Result<(), Failure> {
        let mut tried = Vec::new();
        let mut transactions = Vec::new();
        let mut stale = Vec::new();
        for (place, placed) in placed.iter_mut().enumerate() {
            let (event, order_id) = (placed.event, placed.order.entity_id.clone());
            let Some(part) = placed.next_part() else {
                continue;
            };
            if part
                .products()
                .any(|id| stale.iter().any(|stale| stale == id))
            {
                continue;
            }
            let Some(purchase) = &part.purchase else {
                continue;
            };
            match reserve(&order_id, purchase, self.shelf.stock.by_product()) {
                ReservationOutcome::Reserved(change) => {
                    transactions.push(self.transaction(
                        event,
                        part.partition,
                        &change,
                        ExpectedVersion::NoStream,
                        action::STOCK_RESERVED,
                    ));
                    self.shelf.stock.apply(&change);
                    tried.push(place);
                }
                ReservationOutcome::OutOfStock { product_id, .. }
                    if self.shelf.stock.is_fresh(&product_id) =>
                {
                    part.progress = Progress::InDoubt;
                }
                ReservationOutcome::OutOfStock { product_id, .. } => stale.push(product_id),
            }
        }
        self.shelf.stock.forget(stale.iter().map(String::as_str));
        if transactions.is_empty() {
            return Ok(());
        }
        let appended = match self.context.events.append(transactions).await {
            Ok(appended) => appended,
            Err(error) => {
                self.shelf.stock = Stock::default();
                return Err(error.into());
            }
        };
        for (place, appended) in tried.into_iter().zip(appended) {
            let placed = &mut placed[place];
            let (order_id, is_parted) = (placed.order.entity_id.clone(), placed.parts.len() > 1);
            let Some(part) = placed.next_part() else {
                continue;
            };
            match appended {
                Appended::Committed { position } => {
                    self.shelf.written.raise(part.partition, position);
                    part.progress = Progress::Reserved(position);
                }
                Appended::Conflict { key, position, .. } => {
                    known.raise(part.partition, position);
                    self.shelf.stock.forget(part.products());
                    if key == order_id {
                        // The pieces were reserved before; this event is a repeat.
                        part.progress = match is_parted {
                            true => Progress::InDoubt,
                            false => Progress::Reserved(position),
                        };
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives back what was reserved of orders of which another part can't be had.
    async fn give_back_refused(
        &mut self,
        placed: &[Placed<'_>],
        known: &Positions,
    ) -> Result<(), Failure> {
        for placed in placed.iter().filter(|placed| placed.is_refused()) {
            let parts = placed.parts.iter();
            let reserved = parts.filter(|part| matches!(part.progress, Progress::Reserved(_)));
            let held_in = reserved.map(|part| part.partition).collect();
            self.give_back(placed.event, &placed.order.entity_id, held_in, known)
                .await?;
        }
        Ok(())
    }

    /// The events of a reservation's change in a partition.
    pub(super) fn transaction(
        &self,
        cause: &RecordedEvent,
        partition: Partition,
        change: &ReservationChange,
        reservation: ExpectedVersion,
        action: &'static str,
    ) -> Transaction {
        // An event's id is unique in its topic, and an order may have a reservation in several partitions.
        let suffix = match partition.number {
            0 => action.to_owned(),
            number => format!("{action}.in.{number}"),
        };
        let mut events: Vec<_> = change
            .inventories
            .iter()
            .enumerate()
            .map(|(n, inventory)| {
                let expected = self.shelf.stock.expected(&inventory.entity_id);
                reaction(
                    cause,
                    &format!("{suffix}.{n}"),
                    expected,
                    &Event::Updated(inventory.clone()),
                )
            })
            .collect();
        let record = &change.reservation;
        events.push(raw_reaction(
            cause,
            &suffix,
            &record.order_id,
            reservation,
            action,
            json(record),
        ));
        caused_by(cause, partition, events)
    }
}
