//! What the service of one kind of entity defines: the entity, the facts that its commands need, the names that are unique, and the effects
//! in other topics that belong to a command. A transaction never spans topics or partitions, so these are written one after the other; a command that
//! stopped in between is delivered again and carried on.

use async_trait::async_trait;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{Claim, Transaction};
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Positions;
use ordershop_contract::wire::WireEntity;
use ordershop_contract::worker::ServiceContext;
use ordershop_domain::{Aggregate, Event, Rejection};

use super::command_error::CommandError;
use super::facts::{Facts, FactsError};

/// What must happen in another topic before a command's own events are written.
#[derive(Debug)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// This must be written. After a conflict the command is decided again.
    Write(Transaction),
    /// Something that is under way must end first, unless this command's own effect is in that partition already.
    Wait {
        /// What is waited for.
        reason: String,
        /// The partition of the effect.
        partition: Partition,
        /// The id of the effect's event.
        own_effect: String,
    },
}

/// The parts that differ between the entities' services.
#[async_trait]
pub trait EntityService: Send + Sync + Sized + 'static {
    /// The kind of entity.
    type Entity: WireEntity;
    /// Whether an update that conflicts with another change, or was overtaken by one, is decided on what is there then, so that the last one
    /// wins. Not where it would undo a change that no client made.
    const UPDATES_AGAIN: bool = true;

    /// The id of what a new entity is made beside: it lies in the partition with the same number, and so do the names that it takes. `None`: it
    /// may lie anywhere.
    fn beside(_entity: &Self::Entity) -> Option<&str> {
        None
    }

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

    /// What must happen in another topic before these events.
    ///
    /// # Errors
    /// Why the command is refused.
    fn before(
        _delivery: &Delivery,
        _partitions: Partitions,
        _events: &[Event<Self::Entity>],
        _facts: &<Self::Entity as Aggregate>::Facts,
    ) -> Result<Before, Rejection> {
        Ok(Before::Nothing)
    }

    /// Does what must happen in other topics once an entity is gone, or was never created after all. Safe to repeat.
    async fn once_gone(
        _context: &ServiceContext,
        _delivery: &Delivery,
        _gone: &Self::Entity,
        _at_least: &mut Positions,
    ) -> Result<(), CommandError> {
        Ok(())
    }
}
