//! The order service's commands. An order is decided once, on its cart, and the cart is marked with it first: so an order and a change of its
//! cart at the same moment are decided by one of them. Its saga changes the order's status.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use ordershop_domain::{
    Cart, Customer, Event, Order, OrderFacts, Product, Rejection, VersionedCart,
};

use super::cart::by_cart;
use super::command::{ATTEMPTS_MAX, append, new_event};
use super::command_error::CommandError;
use super::entity::{Before, EntityService};
use super::facts::{Facts, FactsError, Question, distinct};
use super::purchase::prices;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{Appended, ExpectedVersion, Transaction};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::ServiceContext;

/// Handles the commands of orders.
#[derive(Debug)]
pub struct OrderService;

#[async_trait]
impl EntityService for OrderService {
    type Entity = Order;

    async fn facts(
        facts: &Facts,
        orders: &[Order],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<OrderFacts, FactsError> {
        // What is there already was decided: its changes need no facts.
        let new = orders.iter().filter(|order| order.total.is_none());
        let cart_ids = distinct(new.map(|order| order.cart_id.as_str()));
        let questions = [
            Question::ids::<Cart>(&cart_ids)
                .following::<Customer>("customer_id")
                .following::<Product>("product_ids"),
            Question::having::<Order>("cart_id", &cart_ids),
        ];
        let found = facts.ask(questions, at_least, correlation).await?;
        let carts: BTreeMap<String, VersionedCart> = found
            .all::<Cart>()?
            .into_iter()
            .map(|(id, cart)| {
                let (cart, version) = (cart.entity, cart.version);
                (id, VersionedCart { cart, version })
            })
            .collect();
        Ok(OrderFacts {
            carts,
            customers: found.all::<Customer>()?.into_keys().collect(),
            prices: prices(&found)?,
            orders: by_cart(&found)?,
        })
    }

    fn beside(order: &Order) -> Option<&str> {
        Some(&order.cart_id)
    }

    fn before(
        delivery: &Delivery,
        partitions: Partitions,
        events: &[Event<Order>],
        facts: &OrderFacts,
    ) -> Result<Before, Rejection> {
        let mut marked = HashSet::new();
        let mut marks = Vec::new();
        for event in events {
            let Event::Created(order) = event else {
                continue;
            };
            if !marked.insert(&order.cart_id) {
                return Err(Rejection::Conflict(format!(
                    "cart {:?} is ordered twice in one request",
                    order.cart_id
                )));
            }
            let Some(VersionedCart { cart, version }) = facts.carts.get(&order.cart_id) else {
                continue;
            };
            // A repeat finds its own mark. If that was taken off again, it makes another event: the cart's version tells them apart.
            if cart.order_id.as_deref() == Some(&order.entity_id) {
                continue;
            }
            marks.push(new_event(
                delivery,
                format!("{}.ordered.{version}", order.entity_id),
                &order.cart_id,
                ExpectedVersion::Exact(*version),
                &Event::Updated(cart.ordered_by(Some(order.entity_id.clone()))),
            ));
        }
        let Some(first) = marks.first() else {
            return Ok(Before::Nothing);
        };
        // The carts of one request are in one partition, as their orders are.
        let partition = partitions.of(Topic::Cart, &first.entity_id);
        Ok(Before::Write(Transaction::of(partition, marks)))
    }

    /// Takes the order's mark from its cart, which can be changed and ordered again then.
    async fn once_gone(
        context: &ServiceContext,
        delivery: &Delivery,
        gone: &Order,
        at_least: &mut Positions,
    ) -> Result<(), CommandError> {
        let cart_at = context.events.partitions().of(Topic::Cart, &gone.cart_id);
        // The cart was marked before the order was created; stream ids are times.
        if let Some(since) = at_least.get(cart_at.beside(Topic::Order)) {
            at_least.raise(cart_at, since);
        }
        for _ in 0..ATTEMPTS_MAX {
            let cart = Facts::of(context)
                .one::<Cart>(&gone.cart_id, at_least, &delivery.correlation)
                .await?;
            let Some(cart) = cart else {
                return Ok(());
            };
            if cart.entity.order_id.as_deref() != Some(&gone.entity_id) {
                return Ok(());
            }
            Failpoint::OrderGone.pass();
            let freed = new_event(
                delivery,
                format!("{}.freed.{}", gone.entity_id, cart.version),
                &gone.cart_id,
                ExpectedVersion::Exact(cart.version),
                &Event::Updated(cart.entity.ordered_by(None)),
            );
            let transaction = Transaction::of(cart_at, vec![freed]);
            match append(context, transaction).await?.0 {
                Appended::Committed { position } => {
                    Failpoint::CartFreed.pass();
                    at_least.raise(cart_at, position);
                    return Ok(());
                }
                Appended::Conflict { position, .. } => at_least.raise(cart_at, position),
            }
        }
        Err(CommandError::Contended(gone.cart_id.clone()))
    }
}
