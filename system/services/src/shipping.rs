//! The shipping service's commands. Its saga creates a shipping when an order is paid; an order is shipped once.

use async_trait::async_trait;
use ordershop_domain::{Event, Order, Shipping, ShippingFacts};

use super::entity::EntityService;
use super::facts::{Facts, FactsError, Question, distinct};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::Claim;
use ordershop_contract::position::Positions;

/// Handles the commands of shippings.
#[derive(Debug)]
pub struct ShippingService;

#[async_trait]
impl EntityService for ShippingService {
    type Entity = Shipping;

    async fn facts(
        facts: &Facts,
        shippings: &[Shipping],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<ShippingFacts, FactsError> {
        let order_ids = distinct(shippings.iter().map(|shipping| shipping.order_id.as_str()));
        let questions = [
            Question::ids::<Order>(&order_ids),
            Question::having::<Shipping>("order_id", &order_ids),
        ];
        let found = facts.ask(questions, at_least, correlation).await?;
        Ok(ShippingFacts {
            orders: found
                .all::<Order>()?
                .into_iter()
                .map(|(id, order)| (id, order.entity.status))
                .collect(),
            shipped: found
                .all::<Shipping>()?
                .into_values()
                .map(|shipping| shipping.entity.order_id)
                .collect(),
        })
    }

    fn beside(shipping: &Shipping) -> Option<&str> {
        Some(&shipping.order_id)
    }

    fn claims(event: &Event<Shipping>) -> Vec<Claim> {
        match event {
            Event::Created(shipping) => vec![Claim::Take(shipping.order_id.clone())],
            Event::Updated(_) => Vec::new(),
            Event::Deleted(shipping) => vec![Claim::Release(shipping.order_id.clone())],
        }
    }
}
