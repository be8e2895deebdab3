//! The billing service: an order is billed once, for the sum of its cart.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use ordershop_domain::{Billing, BillingFacts, Cart, Event, Order, Product};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, distinct};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::Claim;
use ordershop_contract::position::Positions;

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
        let (orders, others) = tokio::try_join!(
            facts.by_ids::<Order>(&order_ids, at_least, correlation),
            facts.by_property::<Billing>("order_id", &order_ids, at_least, correlation),
        )?;
        let cart_ids = distinct(orders.values().map(|order| order.entity.cart_id.as_str()));
        let carts = facts
            .by_ids::<Cart>(&cart_ids, at_least, correlation)
            .await?;
        let product_ids = distinct(
            carts
                .values()
                .flat_map(|cart| &cart.entity.product_ids)
                .map(String::as_str),
        );
        let prices: BTreeMap<String, u64> = facts
            .by_ids::<Product>(&product_ids, at_least, correlation)
            .await?
            .into_iter()
            .map(|(id, product)| (id, product.entity.price))
            .collect();
        let sums = orders
            .iter()
            .filter_map(|(id, order)| {
                let cart = &carts.get(&order.entity.cart_id)?.entity;
                Some((id.clone(), cart.sum(&prices)?))
            })
            .collect();
        let billed: BTreeSet<String> = others
            .into_values()
            .map(|billing| billing.entity.order_id)
            .collect();
        Ok(BillingFacts {
            orders: orders
                .into_iter()
                .map(|(id, order)| (id, order.entity.status))
                .collect(),
            sums,
            billed,
        })
    }

    fn claims(event: &Event<Billing>) -> Vec<Claim> {
        match event {
            Event::Created(billing) => vec![Claim::Take(billing.order_id.clone())],
            Event::Updated(_) => Vec::new(),
            Event::Deleted(billing) => vec![Claim::Release(billing.order_id.clone())],
        }
    }
}
