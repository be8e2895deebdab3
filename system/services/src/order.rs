//! The order service's commands. Its saga changes the order's status.

use async_trait::async_trait;
use ordershop_domain::{Cart, Order, OrderFacts};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, distinct};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

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
        let ids = distinct(orders.iter().map(|order| order.cart_id.as_str()));
        let carts = facts.by_ids::<Cart>(&ids, at_least, correlation).await?;
        Ok(OrderFacts {
            carts: carts.into_keys().collect(),
        })
    }
}
