//! The order saga: what happens to an order's billing and shipping moves the order on.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use ordershop_domain::{Billing, Event, Order, Shipping, Trigger, order_after};

use super::append::{ROUNDS_MAX, reaction};
use super::runner::{Failure, Saga, decode, everything_before};
use crate::event_store::{Appended, ExpectedVersion, RecordedEvent, Transaction};
use crate::services::{ServiceContext, Versioned, distinct};
use crate::topic::Topic;
use crate::wire::action;

/// Reacts on billings, or on shippings.
pub struct OrderSaga {
    context: ServiceContext,
}

impl OrderSaga {
    /// A saga.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

/// What one event means for one order.
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
        match (event.topic, event.action.as_str()) {
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

    async fn handle(&mut self, batch: &[RecordedEvent]) -> Result<(), Failure> {
        let mut moves = moves(batch)?;
        let Some(last) = moves.last() else {
            return Ok(());
        };
        let mut known = everything_before(last.event);
        let correlation = last.event.correlation.clone();
        for _ in 0..ROUNDS_MAX {
            let order_ids = distinct(moves.iter().map(|order_move| order_move.order_id.as_str()));
            // A payment that was taken back in the meantime clears nothing, even when its event comes again.
            let paid = moves
                .iter()
                .filter(|order_move| order_move.trigger == Trigger::BillingCreated);
            let billing_ids =
                distinct(paid.map(|order_move| order_move.event.aggregate_id.as_str()));
            let (mut orders, billings) = tokio::try_join!(
                self.context
                    .facts
                    .by_ids::<Order>(&order_ids, &known, &correlation),
                self.context
                    .facts
                    .by_ids::<Billing>(&billing_ids, &known, &correlation),
            )?;
            let (moved, transactions) = decide_all(&moves, &mut orders, &billings);
            if transactions.is_empty() {
                return Ok(());
            }
            let appended = self.context.events.append(transactions).await?;
            let mut contended = HashSet::new();
            for (order_id, appended) in moved.into_iter().zip(appended) {
                if let Appended::Conflict { position, .. } = appended {
                    known.raise(Topic::Order, position);
                    contended.insert(order_id);
                }
            }
            moves.retain(|order_move| contended.contains(&order_move.order_id));
            if moves.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::Unavailable(
            "others change the same orders at the same time".to_owned(),
        ))
    }
}

/// One transaction a step of an order, each expecting the one before it. Answers whose each is.
fn decide_all(
    moves: &[Move<'_>],
    orders: &mut HashMap<String, Versioned<Order>>,
    billings: &HashMap<String, Versioned<Billing>>,
) -> (Vec<String>, Vec<Transaction>) {
    let mut moved = Vec::new();
    let mut transactions = Vec::new();
    for order_move in moves {
        let Some(order) = orders.get_mut(&order_move.order_id) else {
            continue;
        };
        if order_move.trigger == Trigger::BillingCreated
            && !billings.contains_key(&order_move.event.aggregate_id)
        {
            continue;
        }
        let Some(after) = order_after(&order.entity, order_move.trigger) else {
            continue;
        };
        let suffix = after.status.to_string().to_lowercase();
        let expected = ExpectedVersion::Exact(order.version);
        transactions.push(Transaction {
            topic: Topic::Order,
            events: vec![reaction(
                order_move.event,
                &suffix,
                expected,
                &Event::Updated(after.clone()),
            )],
            claims: Vec::new(),
        });
        moved.push(order_move.order_id.clone());
        order.entity = after;
        order.version += 1;
    }
    (moved, transactions)
}
