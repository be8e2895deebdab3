//! The shipping saga: ships an order that is paid, once.

use std::collections::HashMap;

use async_trait::async_trait;
use ordershop_domain::{
    Event, Order, OrderStatus, Shipping, Trigger, is_shipped_again, order_after, ships,
};

use super::append::{ROUNDS_MAX, caused_by, reaction};
use super::runner::{Failure, Saga, decode, everything_before, left_by};
use crate::facts::{Facts, Question, Versioned, distinct};
use ordershop_contract::event_store::{
    Appended, Claim, ExpectedVersion, RecordedEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_contract::worker::ServiceContext;

/// Reacts to events of orders.
pub struct ShippingSaga {
    context: ServiceContext,
}

impl ShippingSaga {
    /// Creates a saga.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Saga for ShippingSaga {
    const GROUP: &'static str = "shipping-service";

    async fn handle(&mut self, batch: &[RecordedEvent], is_latest: bool) -> Result<(), Failure> {
        let mut cleared = Vec::new();
        for event in batch.iter().filter(|event| event.action == action::UPDATED) {
            let order: Order = decode(event)?;
            if order.status == OrderStatus::Cleared {
                cleared.push(event);
            }
        }
        let Some(last) = cleared.last() else {
            return Ok(());
        };
        let orders: HashMap<String, Versioned<Order>> = if is_latest {
            left_by(batch)?
        } else {
            let known = everything_before(last, self.context.events.partitions());
            let ids = distinct(cleared.iter().map(|event| event.entity_id.as_str()));
            let facts = Facts::of(&self.context);
            facts.by_ids(&ids, &known, &last.correlation).await?
        };
        // The present status decides: the payment may have been taken back, or this event may be a repeat.
        cleared.retain(|event| {
            orders
                .get(event.entity_id.as_str())
                .is_some_and(|order| ships(&order.entity))
        });
        let transactions = cleared
            .iter()
            .map(|event| shipping_of(event, false))
            .collect();
        let appended = self.context.events.append(transactions).await?;
        Failpoint::ShippingsCreated.pass();
        for (event, appended) in cleared.into_iter().zip(appended) {
            if let Appended::Conflict { position, .. } = appended {
                let mut known = everything_before(event, self.context.events.partitions());
                known.raise(event.partition.beside(Topic::Shipping), position);
                self.move_on(event, known).await?;
            }
        }
        Ok(())
    }
}

/// The order's first shipping, beside it, or a later one where that was withdrawn.
fn shipping_of(event: &RecordedEvent, later: bool) -> Transaction {
    let order_id = String::from(event.entity_id.clone());
    let first = format!("{order_id}-shipping");
    if later {
        let id = format!("{first}-{}", event.version);
        return created(event, "shipping.again", id, order_id);
    }
    created(event, "shipping", first, order_id)
}

fn created(cause: &RecordedEvent, suffix: &str, id: String, order_id: String) -> Transaction {
    let shipping = Event::Created(Shipping {
        entity_id: id,
        order_id: order_id.clone(),
        delivered: 0.0,
    });
    let events = vec![reaction(
        cause,
        suffix,
        ExpectedVersion::NoStream,
        &shipping,
    )];
    Transaction {
        claims: vec![Claim::Take(order_id)],
        ..caused_by(cause, cause.partition.beside(Topic::Shipping), events)
    }
}

/// Ships an order again whose shipping was deleted while the order was paid anew: each was decided on what the other had not changed yet.
pub(super) async fn ship_again(
    context: &ServiceContext,
    deletion: &RecordedEvent,
) -> Result<(), Failure> {
    let gone: Shipping = decode(deletion)?;
    let mut known = everything_before(deletion, context.events.partitions());
    // A payment after this looks for the shipping itself, and finds it deleted.
    let orders = deletion.partition.beside(Topic::Order);
    let orders_end = context.events.last_position(orders).await?;
    known.raise(orders, orders_end);
    let (order, shipping) = order_and_shipping(context, deletion, &gone.order_id, &known).await?;
    if shipping.is_some() || !order.is_some_and(|order| is_shipped_again(&order.entity)) {
        return Ok(());
    }
    let id = format!("{}-again", gone.entity_id);
    let again = created(deletion, "shipping", id, gone.order_id);
    // A conflict: it was shipped again meanwhile.
    context.events.append(vec![again]).await?;
    Failpoint::ShippedAgain.pass();
    Ok(())
}

/// An order and its shipping, as of these positions or later.
async fn order_and_shipping(
    context: &ServiceContext,
    cause: &RecordedEvent,
    order_id: &str,
    known: &Positions,
) -> Result<(Option<Versioned<Order>>, Option<Versioned<Shipping>>), Failure> {
    let order_ids = [order_id];
    let questions = [
        Question::having::<Shipping>("order_id", &order_ids),
        Question::ids::<Order>(&order_ids),
    ];
    let facts = Facts::of(context);
    let found = facts.ask(questions, known, &cause.correlation).await?;
    let order = found.all()?.remove(order_id);
    Ok((order, found.all()?.into_values().next()))
}

impl ShippingSaga {
    /// Handles an order that had a shipping before (its payment was taken back and made again, or this event is a repeat): sets the order's
    /// status according to its shipping, or ships it again where the shipping was withdrawn.
    async fn move_on(&self, event: &RecordedEvent, mut known: Positions) -> Result<(), Failure> {
        let order_id = event.entity_id.as_str();
        let shippings = event.partition.beside(Topic::Shipping);
        for _ in 0..ROUNDS_MAX {
            let (order, shipping) =
                order_and_shipping(&self.context, event, order_id, &known).await?;
            let Some(order) = order else {
                return Ok(());
            };
            let Some(shipping) = shipping else {
                if !ships(&order.entity) {
                    return Ok(());
                }
                let again = shipping_of(event, true);
                let id = again.events[0].entity_id.clone();
                match self.context.events.append(vec![again]).await?.pop() {
                    // This payment's own shipping was withdrawn too: a later payment has made the order CLEARED.
                    Some(Appended::Conflict { key, .. }) if *key == *id => return Ok(()),
                    Some(Appended::Conflict { position, .. }) => {
                        known.raise(shippings, position);
                        continue;
                    }
                    _ => {
                        Failpoint::ShippedAgain.pass();
                        return Ok(());
                    }
                }
            };
            let mut triggers = vec![Trigger::ShippingCreated];
            if shipping.entity.is_delivered() {
                triggers.push(Trigger::ShippingDelivered);
            }
            let (mut now, mut version, mut events) = (order.entity, order.version, Vec::new());
            for trigger in triggers {
                let Some(after) = order_after(&now, trigger) else {
                    break;
                };
                let suffix = after.status.to_string().to_lowercase();
                let expected = ExpectedVersion::Exact(version);
                events.push(reaction(
                    event,
                    &suffix,
                    expected,
                    &Event::Updated(after.clone()),
                ));
                (now, version) = (after, version + 1);
            }
            if events.is_empty() {
                return Ok(());
            }
            let transaction = caused_by(event, event.partition, events);
            match self.context.events.append(vec![transaction]).await?.pop() {
                Some(Appended::Conflict { position, .. }) => known.raise(event.partition, position),
                _ => return Ok(()),
            }
        }
        Err(Failure::Unavailable(
            "other commands keep changing the same order".to_owned(),
        ))
    }
}
