//! Executes one command: loads facts, decides, appends. After a conflict it does so again, with the conflicting event known. Before it
//! believes a refusal or a conflict, it looks for its own effect: the command may have been carried out before. The same for every entity.

use std::time::Duration;

use ordershop_domain::{Aggregate as _, Command, Event, Rejection, decide};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::command_error::CommandError;
use super::entity::{Before, EntityService};
use super::facts::{Facts, Versioned};
use super::own_effect::{self, EarlierEffects, find_in};
use ordershop_contract::clock::now_us;
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, Claim, EVENTS_PER_TRANSACTION_MAX, EventStoreError, ExpectedVersion, NewEvent,
    RecordedEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::reply::Reply;
use ordershop_contract::wire::{WireEntity, event_json, parse_entity, parse_new_entities};
use ordershop_contract::worker::ServiceContext;

/// How often a command is decided before it fails because of conflicts.
const ATTEMPTS_MAX: usize = 10;
/// How often a command looks whether what it waits for has ended, and the pause in between.
const WAITS_MAX: usize = 60;
const WAIT: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct CommandPayload<'a> {
    #[serde(borrow)]
    params: &'a RawValue,
    #[serde(default)]
    at_least: Positions,
    /// The client's Idempotency-Key; the message id follows from it and the request.
    #[serde(default)]
    key: Option<String>,
    /// The versions of the entity for which the request was made.
    #[serde(default)]
    if_match: Option<Vec<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    entity_id: String,
}

fn payload(delivery: &Delivery) -> Result<CommandPayload<'_>, Rejection> {
    serde_json::from_str(delivery.payload.get()).map_err(|error| {
        Rejection::Invalid(format!("the payload must be {{\"params\": …}}: {error}"))
    })
}

/// The claim that an Idempotency-Key takes in the topics that its request writes to.
fn key_claim(key: &str) -> String {
    format!("key:{key}")
}

/// Creates the entities in the params, all or none, and returns their ids. A single entity's id is the message's id; an array's elements
/// append `-` and their index.
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
    for (n, entity) in entities.iter_mut().enumerate() {
        *entity.id_mut() = if is_array {
            format!("{}-{n}", delivery.message_id)
        } else {
            delivery.message_id.clone()
        };
    }
    let mut creation = Creation::<S> {
        context,
        delivery,
        claim: payload.key.as_deref().map(key_claim),
        ids: entities
            .iter()
            .map(|entity| entity.id().to_owned())
            .collect(),
        entities,
        at_least: payload.at_least,
        written: Positions::NONE,
    };
    match creation.run().await {
        Err(CommandError::Rejected(rejection)) => creation.refused(rejection.into()).await,
        Err(CommandError::KeyReused(_)) => {
            let key = payload.key.unwrap_or_default();
            creation.refused(CommandError::KeyReused(key)).await
        }
        Err(error) if !creation.written.is_empty() && error.is_transient() => {
            Err(CommandError::HalfDone(Box::new(error)))
        }
        outcome => outcome,
    }
}

/// A creation under way.
struct Creation<'a, S: EntityService> {
    context: &'a ServiceContext,
    delivery: &'a Delivery,
    claim: Option<String>,
    ids: Vec<String>,
    entities: Vec<S::Entity>,
    at_least: Positions,
    /// What was written to other topics.
    written: Positions,
}

impl<S: EntityService> Creation<'_, S> {
    async fn run(&mut self) -> Result<Reply<Vec<String>>, CommandError> {
        let topic = S::Entity::TOPIC;
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
            if let Before::Write(mut first) = S::before(self.delivery, &decided, &facts)? {
                first.claims.extend(self.claim.clone().map(Claim::Take));
                let topic = first.topic;
                match append(self.context, first).await?.0 {
                    Appended::Committed { position } => {
                        Failpoint::FirstEffectAppended.pass();
                        self.written.raise(topic, position);
                    }
                    Appended::Conflict { key, .. } if Some(&key) == self.claim.as_ref() => {
                        return Err(CommandError::KeyReused(key));
                    }
                    Appended::Conflict { position, .. } => {
                        self.at_least.raise(topic, position);
                        continue;
                    }
                }
            }
            let mut claims: Vec<Claim> = self.claim.clone().map(Claim::Take).into_iter().collect();
            claims.extend(decided.iter().flat_map(S::claims));
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
                    topic,
                    events,
                    claims,
                },
            )
            .await?;
            match appended {
                Appended::Committed { position } => return Ok(self.done(position, times)),
                // The ids come from the message, so the command was executed before.
                Appended::Conflict { key, position, .. } if self.ids.contains(&key) => {
                    return Ok(self.done(position, times));
                }
                Appended::Conflict { key, .. } if Some(&key) == self.claim.as_ref() => {
                    return Err(CommandError::KeyReused(key));
                }
                Appended::Conflict { position, .. } => self.at_least.raise(topic, position),
            }
        }
        Err(CommandError::Contended(self.ids.join(", ")))
    }

    fn done(&self, position: Position, append: Option<AppendTimes>) -> Reply<Vec<String>> {
        let mut positions = self.written;
        positions.raise(S::Entity::TOPIC, position);
        Reply {
            result: self.ids.clone(),
            positions,
            append,
        }
    }

    /// Believes a refusal only if the entities aren't there: then the command wasn't carried out before.
    async fn refused(&self, error: CommandError) -> Result<Reply<Vec<String>>, CommandError> {
        let may_be_a_repeat = self.claim.is_some() || own_effect::may_be_there(self.delivery);
        if !may_be_a_repeat && self.written.is_empty() {
            return Err(error);
        }
        let topic = S::Entity::TOPIC;
        let end = self.context.events.last_position(topic).await?;
        let there = Facts::of(self.context)
            .one::<S::Entity>(
                &self.ids[0],
                &Positions::of(topic, end),
                &self.delivery.correlation,
            )
            .await?;
        if there.is_some() {
            return Ok(self.done(end, None));
        }
        let mut known = self.at_least;
        known.merge(&self.written);
        for entity in &self.entities {
            S::once_gone(self.context, self.delivery, entity, &mut known).await?;
        }
        Err(error)
    }
}

/// Replaces an entity's fields.
pub(super) async fn update<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
    earlier: &EarlierEffects,
) -> Result<Reply<bool>, CommandError> {
    let payload = payload(delivery)?;
    let entity: S::Entity = parse_entity(payload.params.get())?;
    let id = entity.id().to_owned();
    if id.is_empty() {
        return Err(Rejection::Invalid("entity_id is missing".to_owned()).into());
    }
    let change = Change::<S>::new(context, delivery, earlier, &id, Command::Update(entity));
    change.run(payload.at_least, payload.if_match).await
}

/// Deletes an entity.
pub(super) async fn delete<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
    earlier: &EarlierEffects,
) -> Result<Reply<bool>, CommandError> {
    let payload = payload(delivery)?;
    let Id { entity_id } = serde_json::from_str(payload.params.get()).map_err(|error| {
        Rejection::Invalid(format!("params must be {{\"entity_id\": …}}: {error}"))
    })?;
    let change = Change::<S>::new(context, delivery, earlier, &entity_id, Command::Delete);
    change.run(payload.at_least, payload.if_match).await
}

/// A change of one entity under way.
struct Change<'a, S: EntityService> {
    context: &'a ServiceContext,
    delivery: &'a Delivery,
    earlier: &'a EarlierEffects,
    id: &'a str,
    command: Command<S::Entity>,
}

/// One attempt's outcome.
enum Attempt {
    Done(Reply<bool>),
    /// Decide again.
    Again,
    /// Decide again after a pause.
    Wait(String),
}

impl<'a, S: EntityService> Change<'a, S> {
    const fn new(
        context: &'a ServiceContext,
        delivery: &'a Delivery,
        earlier: &'a EarlierEffects,
        id: &'a str,
        command: Command<S::Entity>,
    ) -> Self {
        Self {
            context,
            delivery,
            earlier,
            id,
            command,
        }
    }

    async fn run(
        &self,
        mut at_least: Positions,
        if_match: Option<Vec<u64>>,
    ) -> Result<Reply<bool>, CommandError> {
        if let Some(event) = self.earlier.get(&self.delivery.message_id) {
            return self.carried_out(event, Positions::NONE).await;
        }
        let (mut attempts, mut waits) = (0, 0);
        let mut written = Positions::NONE;
        loop {
            let outcome = self
                .attempt(&mut at_least, if_match.as_deref(), &mut written)
                .await;
            match outcome {
                Ok(Attempt::Done(reply)) => return Ok(reply),
                Ok(Attempt::Again) => attempts += 1,
                Ok(Attempt::Wait(reason)) if waits == WAITS_MAX => {
                    return Err(CommandError::Busy(reason));
                }
                Ok(Attempt::Wait(_)) => {
                    waits += 1;
                    tokio::time::sleep(WAIT).await;
                }
                Err(error) if !written.is_empty() && error.is_transient() => {
                    return Err(CommandError::HalfDone(Box::new(error)));
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) if !own_effect::may_be_there(self.delivery) => return Err(error),
                Err(error) => match self.own_event().await? {
                    Some(event) => return self.carried_out(&event, written).await,
                    None => return Err(error),
                },
            }
            if attempts == ATTEMPTS_MAX {
                return Err(CommandError::Contended(self.id.to_owned()));
            }
        }
    }

    async fn attempt(
        &self,
        at_least: &mut Positions,
        if_match: Option<&[u64]>,
        written: &mut Positions,
    ) -> Result<Attempt, CommandError> {
        let topic = S::Entity::TOPIC;
        let facts = &Facts::of(self.context);
        let correlation = &self.delivery.correlation;
        let state: Option<Versioned<S::Entity>> = facts.one(self.id, at_least, correlation).await?;
        let version = state.as_ref().map_or(0, |state| state.version);
        if let Some(versions) = if_match
            && state.is_some()
            && !versions.contains(&version)
        {
            return Err(CommandError::OtherVersion {
                id: self.id.to_owned(),
                version,
            });
        }
        let entity = state.as_ref().map(|state| &state.entity);
        let subject = match (&self.command, entity) {
            (Command::Update(entity) | Command::Create(entity), _) => std::slice::from_ref(entity),
            (Command::Delete, Some(entity)) => std::slice::from_ref(entity),
            (Command::Delete, None) => &[],
        };
        let known = S::facts(facts, subject, at_least, correlation).await?;
        let changes = decide(self.id, entity, self.command.clone(), &known)?;
        let [change] = changes.as_slice() else {
            return Ok(Attempt::Done(done(Positions::NONE, None)));
        };
        if written.is_empty() {
            match S::before(self.delivery, &changes, &known)? {
                Before::Nothing => {}
                Before::Write(first) => {
                    let topic = first.topic;
                    match append(self.context, first).await?.0 {
                        Appended::Committed { position } => {
                            Failpoint::FirstEffectAppended.pass();
                            written.raise(topic, position);
                        }
                        Appended::Conflict { position, .. } => {
                            at_least.raise(topic, position);
                            return Ok(Attempt::Again);
                        }
                    }
                }
                Before::Wait {
                    reason,
                    topic,
                    own_effect,
                } => {
                    let events = &*self.context.events;
                    match find_in(events, topic, self.delivery, &own_effect).await? {
                        Some(event) => written.raise(topic, event.position),
                        None => return Ok(Attempt::Wait(reason)),
                    }
                }
            }
        }
        let transaction = Transaction {
            topic,
            events: vec![new_event(
                self.delivery,
                self.delivery.message_id.clone(),
                self.id,
                ExpectedVersion::Exact(version),
                change,
            )],
            claims: S::claims(change),
        };
        let (appended, times) = append(self.context, transaction).await?;
        match appended {
            Appended::Committed { position } => {
                written.raise(topic, position);
                self.clean_up(change, written).await?;
                Ok(Attempt::Done(done(*written, times)))
            }
            Appended::Conflict { position, .. } => {
                at_least.raise(topic, position);
                match self.own_event().await? {
                    Some(event) => Ok(Attempt::Done(self.carried_out(&event, *written).await?)),
                    None => Ok(Attempt::Again),
                }
            }
        }
    }

    async fn own_event(&self) -> Result<Option<RecordedEvent>, EventStoreError> {
        let events = &*self.context.events;
        let id = &self.delivery.message_id;
        self.earlier.find(events, self.delivery, id).await
    }

    /// Answers a command that was carried out before.
    async fn carried_out(
        &self,
        event: &RecordedEvent,
        mut positions: Positions,
    ) -> Result<Reply<bool>, CommandError> {
        positions.raise(event.topic, event.position);
        if matches!(self.command, Command::Delete)
            && let Ok(gone) = parse_entity::<S::Entity>(event.data.get())
        {
            self.clean_up(&Event::Deleted(gone), &mut positions).await?;
        }
        Ok(done(positions, None))
    }

    async fn clean_up(
        &self,
        change: &Event<S::Entity>,
        positions: &mut Positions,
    ) -> Result<(), CommandError> {
        let Event::Deleted(gone) = change else {
            return Ok(());
        };
        S::once_gone(self.context, self.delivery, gone, positions).await
    }
}

pub(super) fn new_event<E: WireEntity>(
    delivery: &Delivery,
    event_id: String,
    entity_id: &str,
    expected: ExpectedVersion,
    event: &Event<E>,
) -> NewEvent {
    let (action, data) = event_json(event);
    NewEvent {
        event_id: event_id.into(),
        action: action.into(),
        entity_id: entity_id.into(),
        expected,
        data,
        correlation: delivery.correlation.caused_by(delivery.message_id.clone()),
    }
}

pub(super) async fn append(
    context: &ServiceContext,
    transaction: Transaction,
) -> Result<(Appended, Option<AppendTimes>), EventStoreError> {
    let first = transaction.events.first();
    let times = first.and_then(|event| event.correlation.times);
    let appended = context.events.append(vec![transaction]).await?;
    Failpoint::CommandAppended.pass();
    let appended = appended
        .into_iter()
        .next()
        .ok_or_else(|| EventStoreError::Invalid("no result for a transaction".to_owned()))?;
    let times = times.map(|times| AppendTimes {
        submitted_at_us: times.submitted_at_us,
        committed_at_us: now_us(),
    });
    Ok((appended, times))
}

const fn done(positions: Positions, append: Option<AppendTimes>) -> Reply<bool> {
    Reply {
        result: true,
        positions,
        append,
    }
}
