//! The billing service: an order is billed once, for its total, and its payment is taken back only while nothing is shipped.

use std::collections::BTreeSet;

use async_trait::async_trait;
use ordershop_domain::{
    Billing, BillingFacts, Event, Order, OrderOfBilling, OrderStatus, Rejection,
};

use super::command::new_event;
use super::entity::{Before, EntityService};
use super::facts::{Facts, FactsError, Question, distinct};
use super::purchase::purchases;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{Claim, ExpectedVersion, Transaction};
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

/// Handles the commands of billings.
#[derive(Debug)]
pub struct BillingService;

#[async_trait]
impl EntityService for BillingService {
    type Entity = Billing;

    async fn facts(
        facts: &Facts,
        billings: &[Billing],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<BillingFacts, FactsError> {
        let order_ids = distinct(billings.iter().map(|billing| billing.order_id.as_str()));
        let questions = [
            Question::ids::<Order>(&order_ids),
            Question::having::<Billing>("order_id", &order_ids),
        ];
        let found = facts.ask(questions, at_least, correlation).await?;
        let orders = found.all::<Order>()?;
        let purchases = purchases(
            facts,
            orders.values().map(|order| &order.entity),
            at_least,
            correlation,
        )
        .await?;
        let billed: BTreeSet<String> = found
            .all::<Billing>()?
            .into_values()
            .map(|billing| billing.entity.order_id)
            .collect();
        let orders = orders.into_iter().map(|(id, order)| {
            let order = OrderOfBilling {
                total: purchases.get(&id).map(|purchase| purchase.total),
                version: order.version,
                order: order.entity,
            };
            (id, order)
        });
        Ok(BillingFacts {
            orders: orders.collect(),
            billed,
        })
    }

    fn beside(billing: &Billing) -> Option<&str> {
        Some(&billing.order_id)
    }

    fn claims(event: &Event<Billing>) -> Vec<Claim> {
        match event {
            Event::Created(billing) => vec![Claim::Take(billing.order_id.clone())],
            Event::Updated(_) => Vec::new(),
            Event::Deleted(billing) => vec![Claim::Release(billing.order_id.clone())],
        }
    }

    /// A payment is taken back in two steps: its order becomes UNCLEARED, so that it can't be shipped at the same moment; then the billing
    /// goes.
    fn before(
        delivery: &Delivery,
        partitions: Partitions,
        events: &[Event<Billing>],
        facts: &BillingFacts,
    ) -> Result<Before, Rejection> {
        let [Event::Deleted(billing)] = events else {
            return Ok(Before::Nothing);
        };
        let Some(OrderOfBilling { order, version, .. }) = facts.orders.get(&billing.order_id)
        else {
            return Ok(Before::Nothing);
        };
        let partition = partitions.of(Topic::Order, &order.entity_id);
        let own_effect = format!("{}.uncleared", delivery.message_id);
        Ok(match order.status {
            OrderStatus::Cleared => {
                let uncleared = new_event(
                    delivery,
                    own_effect,
                    &order.entity_id,
                    ExpectedVersion::Exact(*version),
                    &Event::Updated(order.with_status(OrderStatus::Uncleared)),
                );
                Before::Write(Transaction::of(partition, vec![uncleared]))
            }
            OrderStatus::InStock | OrderStatus::Uncleared => Before::Wait {
                reason: format!("the payment of order {:?} is being booked", order.entity_id),
                partition,
                own_effect,
            },
            _ => Before::Nothing,
        })
    }
}
