//! The order saga: changes an order's status after events of its billing and shipping.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use ordershop_domain::{
    Billing, Event, Order, OrderStatus, Shipping, Trigger, order_after, payment_goes_back,
    shipping_is_withdrawn,
};

use super::append::{ROUNDS_MAX, caused_by, reaction};
use super::compensation::{Compensation, Undo};
use super::memory::Memory;
use super::runner::{Failure, Saga, decode, everything_before, left_by};
use super::shipping::ship_again;
use crate::facts::{Facts, Question, Versioned, distinct};
use crate::own_effect::find_after;
use ordershop_contract::event_store::{Appended, ExpectedVersion, RecordedEvent, Transaction};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_contract::worker::ServiceContext;

/// The maximum number of orders in the cache.
const ORDERS_MAX: usize = 20_000;

/// Reacts to events of billings or shippings. Clones share their cache.
#[derive(Clone)]
pub struct OrderSaga {
    context: ServiceContext,
    /// Orders as this saga wrote them. A stale entry costs a conflict and a reload, never a wrong step: every step expects the version that
    /// it was decided on, and an order is loaded before the saga concludes that it needs no step.
    recent: Memory<Versioned<Order>>,
}

impl OrderSaga {
    /// Creates a saga.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self {
            context,
            recent: Memory::of(ORDERS_MAX),
        }
    }
}

/// The effect of one event on one order.
struct Move<'a> {
    event: &'a RecordedEvent,
    order_id: String,
    trigger: Trigger,
}

fn moves(batch: &[RecordedEvent]) -> Result<Vec<Move<'_>>, Failure> {
    let mut moves = Vec::new();
    for event in batch {
        let mut push = |order_id: &str, trigger| {
            moves.push(Move {
                event,
                order_id: order_id.to_owned(),
                trigger,
            });
        };
        match (event.partition.topic, event.action.as_str()) {
            (Topic::Billing, action::CREATED) => {
                push(&decode::<Billing>(event)?.order_id, Trigger::BillingCreated)
            }
            (Topic::Billing, action::DELETED) => {
                push(&decode::<Billing>(event)?.order_id, Trigger::BillingDeleted)
            }
            (Topic::Shipping, action::CREATED | action::UPDATED) => {
                let shipping: Shipping = decode(event)?;
                if event.action == action::CREATED {
                    push(&shipping.order_id, Trigger::ShippingCreated);
                }
                if shipping.is_delivered() {
                    push(&shipping.order_id, Trigger::ShippingDelivered);
                }
            }
            _ => {}
        }
    }
    Ok(moves)
}

#[async_trait]
impl Saga for OrderSaga {
    const GROUP: &'static str = "order-service";

    fn forget(&mut self) {
        self.recent.forget_all();
    }

    async fn handle(&mut self, batch: &[RecordedEvent], is_latest: bool) -> Result<(), Failure> {
        let latest = is_latest.then_some(batch);
        self.move_orders(moves(batch)?, latest).await?;
        let deletions = |event: &&RecordedEvent| {
            event.partition.topic == Topic::Shipping && event.action == action::DELETED
        };
        for deletion in batch.iter().filter(deletions) {
            ship_again(&self.context, deletion).await?;
        }
        Ok(())
    }
}

impl OrderSaga {
    /// `latest`: the batch, if what it leaves of its entities is what there is of them.
    async fn move_orders(
        &self,
        mut moves: Vec<Move<'_>>,
        mut latest: Option<&[RecordedEvent]>,
    ) -> Result<(), Failure> {
        let partitions = self.context.events.partitions();
        let Some(last) = moves.last() else {
            return Ok(());
        };
        let mut known = everything_before(last.event, self.context.events.partitions());
        let correlation = last.event.correlation.clone();
        let mut recalled = self.recent.recall(&distinct(
            moves.iter().map(|order_move| &*order_move.order_id),
        ));
        for _ in 0..ROUNDS_MAX {
            let unknown = moves
                .iter()
                .map(|order_move| order_move.order_id.as_str())
                .filter(|id| !recalled.contains_key(*id));
            // A payment that was taken back meanwhile, or a shipping that was withdrawn, moves no order, even if its event is repeated.
            let causes = |trigger| {
                let asked = moves.iter().filter(|_| latest.is_none());
                let caused = asked.filter(move |one| one.trigger == trigger);
                distinct(caused.map(|one| one.event.entity_id.as_str()))
            };
            let order_ids = distinct(unknown);
            let billing_ids = causes(Trigger::BillingCreated);
            let shipping_ids = causes(Trigger::ShippingCreated);
            let facts = &Facts::of(&self.context);
            let questions = [
                Question::ids::<Order>(&order_ids),
                Question::ids::<Billing>(&billing_ids),
                Question::ids::<Shipping>(&shipping_ids),
            ];
            let found = facts.ask(questions, &known, &correlation).await?;
            let (billings, shippings) = match latest.take() {
                Some(batch) => (left_by(batch)?, left_by(batch)?),
                None => (found.all()?, found.all()?),
            };
            let mut orders = Orders {
                loaded: found.all()?,
                recalled: std::mem::take(&mut recalled),
                billings,
                shippings,
            };
            moves = self.without_repeats(moves, &orders).await?;
            let decided = orders.decide_all(&moves, partitions);
            let mut again = decided.doubtful;
            for compensation in decided.compensations {
                if !compensation.run(&self.context, &mut known).await? {
                    again.insert(compensation.order_id);
                }
            }
            if !decided.transactions.is_empty() {
                let appended = self.context.events.append(decided.transactions).await?;
                Failpoint::OrdersMoved.pass();
                for (after, appended) in decided.after.into_iter().zip(appended) {
                    let partition = partitions.of(Topic::Order, &after.entity.entity_id);
                    match appended {
                        Appended::Committed { .. } => {
                            self.recent.remember(&after.entity.entity_id.clone(), after)
                        }
                        Appended::Conflict { position, .. } => {
                            known.raise(partition, position);
                            self.recent.forget(&after.entity.entity_id);
                            again.insert(after.entity.entity_id);
                        }
                    }
                }
            }
            moves.retain(|order_move| again.contains(&order_move.order_id));
            if moves.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::Unavailable(
            "other commands keep changing the same orders".to_owned(),
        ))
    }

    /// Leaves out the payments that have cleared their order before: it became UNCLEARED since, and this payment is being taken back.
    async fn without_repeats<'a>(
        &self,
        moves: Vec<Move<'a>>,
        orders: &Orders,
    ) -> Result<Vec<Move<'a>>, Failure> {
        let mut new = Vec::with_capacity(moves.len());
        for order_move in moves {
            let is_repeat = order_move.trigger == Trigger::BillingCreated
                && orders.status(&order_move.order_id) == Some(OrderStatus::Uncleared)
                && self.has_cleared(order_move.event).await?;
            if !is_repeat {
                new.push(order_move);
            }
        }
        Ok(new)
    }

    async fn has_cleared(&self, payment: &RecordedEvent) -> Result<bool, Failure> {
        let events = &*self.context.events;
        let since = Position {
            seq: 0,
            ..payment.position
        };
        let effect = format!("{}.cleared", payment.event_id);
        // The billing lies beside its order.
        let orders = payment.partition.beside(Topic::Order);
        let found = find_after(events, orders, since.just_before(), &effect).await?;
        Ok(found.is_some())
    }
}

/// The known state of a batch's orders.
struct Orders {
    /// Orders as loaded from the read model: conclusions from them are final.
    loaded: HashMap<String, Versioned<Order>>,
    /// Orders as this saga wrote them; they may be stale.
    recalled: HashMap<String, Versioned<Order>>,
    billings: HashMap<String, Versioned<Billing>>,
    shippings: HashMap<String, Versioned<Shipping>>,
}

/// The result of deciding a batch.
#[derive(Default)]
struct Decided {
    /// One transaction an order, with all its steps: a later step must fail with an earlier one.
    transactions: Vec<Transaction>,
    /// The order after each transaction.
    after: Vec<Versioned<Order>>,
    /// The index of each order's transaction.
    places: HashMap<String, usize>,
    /// Orders whose cached state allows no step: they must be loaded first.
    doubtful: HashSet<String>,
    /// What was decided at the same moment as its opposite and is taken back.
    compensations: Vec<Compensation>,
}

impl Orders {
    fn status(&self, order_id: &str) -> Option<OrderStatus> {
        let recalled = self.recalled.get(order_id);
        let order = recalled.or_else(|| self.loaded.get(order_id))?;
        Some(order.entity.status)
    }

    fn decide_all(&mut self, moves: &[Move<'_>], partitions: Partitions) -> Decided {
        let mut decided = Decided::default();
        for order_move in moves {
            if decided.doubtful.contains(&order_move.order_id) {
                continue;
            }
            let cause = order_move.event.entity_id.as_str();
            let recalled = self.recalled.get_mut(&order_move.order_id);
            let is_recalled = recalled.is_some();
            let order = recalled.or_else(|| self.loaded.get_mut(&order_move.order_id));
            let present = order.as_ref().map(|order| &order.entity);
            if !is_recalled {
                let compensation = match order_move.trigger {
                    Trigger::BillingCreated if payment_goes_back(present) => {
                        Some(Undo::Payment(self.billings.get(cause).cloned()))
                    }
                    Trigger::ShippingCreated if shipping_is_withdrawn(present) => {
                        self.shippings.get(cause).cloned().map(Undo::Shipping)
                    }
                    _ => None,
                };
                if let Some(undo) = compensation {
                    decided.compensations.push(Compensation {
                        event: order_move.event.clone(),
                        order_id: order_move.order_id.clone(),
                        customer_id: present.and_then(|order| order.customer_id.clone()),
                        undo,
                    });
                    continue;
                }
            }
            let Some(order) = order else {
                continue;
            };
            let is_there = match order_move.trigger {
                Trigger::BillingCreated => self.billings.contains_key(cause),
                Trigger::ShippingCreated => self.shippings.contains_key(cause),
                Trigger::BillingDeleted | Trigger::ShippingDelivered => true,
            };
            if !is_there {
                continue;
            }
            let Some(after) = order_after(&order.entity, order_move.trigger) else {
                if is_recalled {
                    decided.doubtful.insert(order_move.order_id.clone());
                }
                continue;
            };
            let suffix = after.status.to_string().to_lowercase();
            let event = reaction(
                order_move.event,
                &suffix,
                ExpectedVersion::Exact(order.version),
                &Event::Updated(after.clone()),
            );
            order.entity = after;
            order.version += 1;
            let order = order.clone();
            match decided.places.get(&order_move.order_id) {
                Some(&place) => {
                    let transaction = &mut decided.transactions[place];
                    transaction.events.push(event);
                    let cause = order_move.event;
                    transaction.causes.raise(cause.partition, cause.position);
                    decided.after[place] = order;
                }
                None => {
                    let partition = partitions.of(Topic::Order, &order_move.order_id);
                    let place = decided.after.len();
                    decided.places.insert(order_move.order_id.clone(), place);
                    let transaction = caused_by(order_move.event, partition, vec![event]);
                    decided.transactions.push(transaction);
                    decided.after.push(order);
                }
            }
        }
        decided
    }
}
