//! What the service of one kind of entity defines: the entity, the facts that its commands need, and the names that are unique.

use async_trait::async_trait;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::Claim;
use ordershop_contract::position::Positions;
use ordershop_contract::wire::WireEntity;
use ordershop_domain::{Aggregate, Event};

use super::facts::{Facts, FactsError};

/// The parts that differ between the entities' services.
#[async_trait]
pub trait EntityService: Send + Sync + Sized + 'static {
    /// The kind of entity.
    type Entity: WireEntity;

    /// Loads the facts of other aggregates that are needed to decide commands on `entities`.
    async fn facts(
        facts: &Facts,
        entities: &[Self::Entity],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<<Self::Entity as Aggregate>::Facts, FactsError>;

    /// The claims that are taken and released with an event.
    fn claims(_event: &Event<Self::Entity>) -> Vec<Claim> {
        Vec::new()
    }
}
