//! Carries out one creation: facts, decision, append.

use std::collections::HashSet;

use ordershop_domain::{Aggregate as _, Command, Event, Rejection, decide};

use super::command::{ATTEMPTS_MAX, UNWRITABLE, append, new_event, payload, unwritable};
use super::command_error::CommandError;
use super::entity::{Before, EntityService};
use super::facts::Facts;
use super::own_effect;
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, Claim, EVENTS_PER_TRANSACTION_MAX, EventStoreError, ExpectedVersion, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::reply::Reply;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{WireEntity, parse_new_entities};
use ordershop_contract::worker::ServiceContext;

/// How the names begin of the claims that Idempotency-Keys take.
pub const KEY_CLAIM: &str = "key:";

/// The claim that an Idempotency-Key takes in the topic of the entities that its request makes, and in no other.
fn key_claim(key: &str) -> String {
    format!("{KEY_CLAIM}{key}")
}

/// Creates the entities in the params, all or none, and returns their ids. A single entity's id is the message's id, with the number of its
/// partition where that doesn't follow from it; an array's elements append `-` and their index.
pub(super) async fn create<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
) -> Result<Reply<Vec<String>>, CommandError> {
    let payload = payload(delivery)?;
    let (mut entities, is_array) = parse_new_entities::<S::Entity>(payload.params)?;
    if entities.len() > EVENTS_PER_TRANSACTION_MAX {
        return Err(Rejection::Invalid(format!(
            "the array has {} entities; at most {EVENTS_PER_TRANSACTION_MAX} are allowed",
            entities.len()
        ))
        .into());
    }
    let partitions = context.events.partitions();
    let number = number_of::<S>(partitions, &delivery.message_id, &entities)?;
    let id = partitions.id_in(number, &delivery.message_id);
    for (n, entity) in entities.iter_mut().enumerate() {
        *entity.id_mut() = if is_array {
            format!("{id}-{n}")
        } else {
            id.clone()
        };
    }
    let mut creation = Creation::<S> {
        context,
        delivery,
        partition: Partition::new(S::Entity::TOPIC, number),
        claim: payload.key.as_deref().map(key_claim),
        key: payload.key.unwrap_or_default(),
        ids: entities
            .iter()
            .map(|entity| entity.id().to_owned())
            .collect(),
        entities,
        at_least: payload.at_least,
        written: Positions::NONE,
    };
    let outcome = match creation.run().await {
        Err(error) if !error.is_transient() => creation.refused(error).await,
        outcome => outcome,
    };
    outcome.map_err(|error| error.carried_on(delivery, &creation.written))
}

/// Refuses an array that takes a claim twice: no facts show what its own elements take.
fn are_taken_once(claims: &[Claim], topic: Topic) -> Result<(), Rejection> {
    let mut taken = HashSet::new();
    for claim in claims {
        if let Claim::Take(name) = claim
            && let Some(twice) = taken.replace(name)
        {
            return Err(Rejection::Conflict(format!(
                "one request makes two {topic}s of order {twice:?}"
            )));
        }
    }
    Ok(())
}

/// A creation under way.
struct Creation<'a, S: EntityService> {
    context: &'a ServiceContext,
    delivery: &'a Delivery,
    /// Where the entities are made.
    partition: Partition,
    key: String,
    claim: Option<String>,
    ids: Vec<String>,
    entities: Vec<S::Entity>,
    at_least: Positions,
    /// What was written to other topics.
    written: Positions,
}

/// The number of the partition in which all of a request's entities are made. What is made beside nothing is spread by the message's id.
fn number_of<S: EntityService>(
    partitions: Partitions,
    message_id: &str,
    entities: &[S::Entity],
) -> Result<u8, Rejection> {
    let mut beside = entities.iter().filter_map(S::beside);
    let Some(first) = beside.next() else {
        return Ok(partitions.number_of(message_id));
    };
    let number = partitions.number_of(first);
    match beside.find(|id| partitions.number_of(id) != number) {
        None => Ok(number),
        Some(other) => Err(Rejection::BadReference(format!(
            "the array would lie in several partitions, and it is made whole or not at all: {first:?} and {other:?} lie in two. Send a request for each"
        ))),
    }
}

impl<S: EntityService> Creation<'_, S> {
    async fn run(&mut self) -> Result<Reply<Vec<String>>, CommandError> {
        let partition = self.partition;
        self.check_key_elsewhere().await?;
        let partitions = self.context.events.partitions();
        for _ in 0..ATTEMPTS_MAX {
            let facts = S::facts(
                &Facts::of(self.context),
                &self.entities,
                &self.at_least,
                &self.delivery.correlation,
            )
            .await?;
            let mut decided = Vec::with_capacity(self.entities.len());
            for (entity, id) in self.entities.iter().zip(&self.ids) {
                decided.extend(decide(id, None, Command::Create(entity.clone()), &facts)?);
            }
            let mut claims: Vec<Claim> = decided.iter().flat_map(S::claims).collect();
            are_taken_once(&claims, partition.topic)?;
            if let Before::Write(first) = S::before(self.delivery, partitions, &decided, &facts)? {
                // A repeat must not write its first effect again, only to take it back.
                if self.may_be_a_repeat() {
                    let (obstacle, position) = self.obstacle().await?;
                    if obstacle == self.ids[0] {
                        return self.repeated(position).await;
                    }
                    if Some(obstacle) == self.claim {
                        return Err(CommandError::KeyReused(self.key.clone()));
                    }
                }
                let first_in = first.partition;
                match append(self.context, first).await?.0 {
                    Appended::Committed { position } => {
                        Failpoint::CreationBegun.pass();
                        self.written.raise(first_in, position);
                    }
                    Appended::Conflict { position, .. } => {
                        self.at_least.raise(first_in, position);
                        continue;
                    }
                }
            }
            // The first claim that is taken already names the conflict: the key's comes before the entities'.
            claims.splice(0..0, self.claim.clone().map(Claim::Take));
            let events = decided
                .iter()
                .zip(&self.ids)
                .map(|(event, id)| {
                    let expected = ExpectedVersion::NoStream;
                    new_event(self.delivery, id.clone(), id, expected, event)
                })
                .collect();
            let (appended, times) = append(
                self.context,
                Transaction {
                    claims,
                    causes: self.written.clone(),
                    ..Transaction::of(partition, events)
                },
            )
            .await?;
            match appended {
                Appended::Committed { position } => {
                    let mut positions = self.written.clone();
                    positions.raise(partition, position);
                    return Ok(self.done(positions, times));
                }
                // The ids come from the message, so the command was executed before.
                Appended::Conflict { key, position, .. } if self.ids.contains(&key) => {
                    return self.repeated(position).await;
                }
                Appended::Conflict { key, .. } if Some(&key) == self.claim.as_ref() => {
                    return Err(CommandError::KeyReused(self.key.clone()));
                }
                Appended::Conflict { position, .. } => self.at_least.raise(partition, position),
            }
        }
        Err(CommandError::Contended(self.ids.join(", ")))
    }

    /// Refuses a key that was used for something in another partition: its claim is there. Two requests at the same moment don't see each other
    /// so; in one partition they do, by the claim.
    async fn check_key_elsewhere(&self) -> Result<(), CommandError> {
        let Some(claim) = &self.claim else {
            return Ok(());
        };
        let events = &self.context.events;
        if events.partitions() == Partitions::ONE {
            return Ok(());
        }
        let claimed = events.claimed(self.partition.topic, claim).await?;
        match claimed.iter().all(|there| *there == self.partition) {
            true => Ok(()),
            false => Err(CommandError::KeyReused(self.key.clone())),
        }
    }

    fn done(&self, positions: Positions, append: Option<AppendTimes>) -> Reply<Vec<String>> {
        Reply {
            result: self.ids.clone(),
            positions,
            append,
        }
    }

    fn may_be_a_repeat(&self) -> bool {
        self.claim.is_some() || own_effect::may_be_there(self.delivery)
    }

    /// Believes a refusal only if the command wasn't carried out before. The store tells, because the entities may be gone again.
    async fn refused(&self, error: CommandError) -> Result<Reply<Vec<String>>, CommandError> {
        if !self.may_be_a_repeat() && self.written.is_empty() {
            return Err(error);
        }
        let (obstacle, position) = self.obstacle().await?;
        if obstacle == self.ids[0] {
            return self.repeated(position).await;
        }
        let mut known = self.at_least.clone();
        known.merge(&self.written);
        for entity in &self.entities {
            S::once_gone(self.context, self.delivery, entity, &mut known).await?;
        }
        if Some(obstacle) == self.claim {
            return Err(CommandError::KeyReused(self.key.clone()));
        }
        Err(error)
    }

    /// What the store has against this creation, whatever the facts are: its first entity if the command was carried out before, its key's
    /// claim if that was taken for another body, or else [`UNWRITABLE`]; and the partition's last position.
    async fn obstacle(&self) -> Result<(String, Position), CommandError> {
        let (id, entity) = (&self.ids[0], &self.entities[0]);
        let event = Event::Created(entity.clone());
        let expected = ExpectedVersion::NoStream;
        let event = new_event(self.delivery, id.clone(), id, expected, &event);
        let claims = self.claim.clone().map(Claim::Take);
        let transaction = Transaction {
            claims: claims.into_iter().chain(unwritable()).collect(),
            ..Transaction::of(self.partition, vec![event])
        };
        match append(self.context, transaction).await?.0 {
            Appended::Conflict { key, position, .. } => Ok((key, position)),
            Appended::Committed { .. } => Err(EventStoreError::Invalid(format!(
                "{id:?} was written though the claim {UNWRITABLE:?} was taken twice"
            ))
            .into()),
        }
    }

    /// Answers a command that was carried out before. What is gone since must not keep what it, or this repeat, has taken in other topics.
    async fn repeated(&self, position: Position) -> Result<Reply<Vec<String>>, CommandError> {
        let mut positions = self.written.clone();
        positions.raise(self.partition, position);
        if !self.written.is_empty() || self.delivery.redeliveries > 0 {
            let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
            let there = Facts::of(self.context)
                .by_ids::<S::Entity>(&ids, &positions, &self.delivery.correlation)
                .await?;
            for gone in self
                .entities
                .iter()
                .filter(|entity| !there.contains_key(entity.id()))
            {
                S::once_gone(self.context, self.delivery, gone, &mut positions).await?;
            }
        }
        Ok(self.done(positions, None))
    }
}
