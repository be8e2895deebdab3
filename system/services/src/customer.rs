//! The customer service. Its commands depend on no other aggregate.

use async_trait::async_trait;
use ordershop_domain::Customer;

use super::entity::EntityService;
use super::facts::{Facts, FactsError};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

/// Handles the commands of customers.
#[derive(Debug)]
pub struct CustomerService;

#[async_trait]
impl EntityService for CustomerService {
    type Entity = Customer;

    async fn facts(
        _: &Facts,
        _: &[Customer],
        _: &Positions,
        _: &Correlation,
    ) -> Result<(), FactsError> {
        Ok(())
    }
}
