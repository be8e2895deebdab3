//! The product service. Its commands depend on no other aggregate.

use async_trait::async_trait;
use ordershop_domain::Product;

use super::entity::EntityService;
use super::facts::{Facts, FactsError};
use ordershop_contract::correlation::Correlation;
use ordershop_contract::position::Positions;

/// Handles the commands of products.
#[derive(Debug)]
pub struct ProductService;

#[async_trait]
impl EntityService for ProductService {
    type Entity = Product;

    async fn facts(
        _: &Facts,
        _: &[Product],
        _: &Positions,
        _: &Correlation,
    ) -> Result<(), FactsError> {
        Ok(())
    }
}
