//! The customer service. Customers depend on nothing.

use async_trait::async_trait;
use ordershop_domain::Customer;

use super::entity::EntityService;
use super::facts::{Facts, FactsError};
use crate::correlation::Correlation;
use crate::position::Positions;

/// Handles customers' commands.
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
