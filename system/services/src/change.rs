//! Carries out one update or deletion: state and facts, decision, append.

use std::time::Duration;

use ordershop_domain::{Aggregate as _, Command, Event, Rejection, decide};
use serde::Deserialize;

use super::command::{ATTEMPTS_MAX, append, confirm, new_event, payload};
use super::command_error::CommandError;
use super::entity::{Before, EntityService};
use super::facts::Facts;
use super::own_effect::{self, EarlierEffects, find_in};
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, EventStoreError, ExpectedVersion, RecordedEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::reply::Reply;
use ordershop_contract::wire::{WireEntity, parse_entity};
use ordershop_contract::worker::ServiceContext;

/// How often a command looks whether what it waits for has ended, and the pause in between.
const WAITS_MAX: usize = 60;
const WAIT: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    entity_id: String,
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
    let command = Command::Update(entity);
    let change = Change::<S>::new(context, delivery, earlier, &id, command, payload.at_least);
    change.carry_out(payload.if_match).await
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
    let (id, told) = (&entity_id, payload.at_least);
    let change = Change::<S>::new(context, delivery, earlier, id, Command::Delete, told);
    change.carry_out(payload.if_match).await
}

/// A change of one entity under way.
struct Change<'a, S: EntityService> {
    context: &'a ServiceContext,
    delivery: &'a Delivery,
    earlier: &'a EarlierEffects,
    id: &'a str,
    command: Command<S::Entity>,
    /// What the client may have been told.
    told: Positions,
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
        told: Positions,
    ) -> Self {
        Self {
            context,
            delivery,
            earlier,
            id,
            command,
            told,
        }
    }

    async fn carry_out(&self, if_match: Option<Vec<u64>>) -> Result<Reply<bool>, CommandError> {
        let mut written = Positions::NONE;
        let outcome = self.run(if_match, &mut written).await;
        outcome.map_err(|error| error.carried_on(self.delivery, &written))
    }

    async fn run(
        &self,
        if_match: Option<Vec<u64>>,
        written: &mut Positions,
    ) -> Result<Reply<bool>, CommandError> {
        if let Some(event) = self.earlier.get(&self.delivery.message_id) {
            return self.carried_out(event, written.clone()).await;
        }
        let mut at_least = self.told.clone();
        let (mut attempts, mut waits) = (0, 0);
        loop {
            let outcome = self
                .attempt(&mut at_least, if_match.as_deref(), written)
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
                Err(error) if error.is_transient() => return Err(error),
                Err(error) if !own_effect::may_be_there(self.delivery) => return Err(error),
                Err(error) => match self.own_event().await? {
                    Some(event) => return self.carried_out(&event, written.clone()).await,
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
        let partition = self.partition();
        let facts = Facts::of(self.context);
        let correlation = &self.delivery.correlation;
        let (state, known) = match &self.command {
            Command::Update(entity) | Command::Create(entity) => {
                let facts = &facts.beside::<S::Entity>(self.id);
                let subject = std::slice::from_ref(entity);
                let known = S::facts(facts, subject, at_least, correlation).await?;
                let state = facts.subject::<S::Entity>(self.id, at_least, correlation);
                (state.await?, known)
            }
            Command::Delete => {
                let state = facts.one::<S::Entity>(self.id, at_least, correlation);
                let state = state.await?;
                let subject = state.as_ref().map(|state| &state.entity);
                let subject = subject.map_or(&[][..], std::slice::from_ref);
                let known = S::facts(&facts, subject, at_least, correlation).await?;
                (state, known)
            }
        };
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
        let changes = decide(self.id, entity, self.command.clone(), &known)?;
        let [change] = changes.as_slice() else {
            confirm(self.context, self.delivery, partition).await?;
            return Ok(Attempt::Done(done(Positions::NONE, None)));
        };
        if if_match.is_none() && !self.may_decide_again() && self.is_overtaken().await? {
            return Err(self.changed_meanwhile());
        }
        if written.is_empty() {
            let before = S::before(
                self.delivery,
                self.context.events.partitions(),
                &changes,
                &known,
            )?;
            if let Some(not_yet) = self.first_effect(before, at_least, written).await? {
                return Ok(not_yet);
            }
        }
        let event = new_event(
            self.delivery,
            self.delivery.message_id.clone(),
            self.id,
            ExpectedVersion::Exact(version),
            change,
        );
        let transaction = Transaction {
            claims: S::claims(change),
            causes: written.clone(),
            ..Transaction::of(partition, vec![event])
        };
        let (appended, times) = append(self.context, transaction).await?;
        match appended {
            Appended::Committed { position } => {
                written.raise(partition, position);
                if let Event::Deleted(gone) = change {
                    S::once_gone(self.context, self.delivery, gone, written).await?;
                }
                Ok(Attempt::Done(done(written.clone(), times)))
            }
            Appended::Conflict { position, .. } => {
                at_least.raise(partition, position);
                match self.own_event().await? {
                    Some(event) => Ok(Attempt::Done(
                        self.carried_out(&event, written.clone()).await?,
                    )),
                    None if self.may_decide_again() => Ok(Attempt::Again),
                    None => Err(self.changed_meanwhile()),
                }
            }
        }
    }

    /// Where the entity lies.
    fn partition(&self) -> Partition {
        let partitions = self.context.events.partitions();
        partitions.of(S::Entity::TOPIC, self.id)
    }

    fn may_decide_again(&self) -> bool {
        S::UPDATES_AGAIN || matches!(self.command, Command::Delete)
    }

    /// Whether another change was made after this one was sent, which its client can't know.
    async fn is_overtaken(&self) -> Result<bool, EventStoreError> {
        let partition = self.partition();
        let told = self.told.get(partition).unwrap_or_default();
        let events = &*self.context.events;
        own_effect::was_changed_since(events, partition, self.delivery, told, self.id).await
    }

    fn changed_meanwhile(&self) -> CommandError {
        let (kind, id) = (S::Entity::KIND, self.id);
        let text = format!("{kind} {id:?} was changed at the same moment; read it again");
        Rejection::Conflict(text).into()
    }

    /// Does what must happen in another topic first; the attempt's outcome if that can't be done yet.
    async fn first_effect(
        &self,
        before: Before,
        at_least: &mut Positions,
        written: &mut Positions,
    ) -> Result<Option<Attempt>, CommandError> {
        match before {
            Before::Nothing => {}
            Before::Write(first) => {
                let partition = first.partition;
                match append(self.context, first).await?.0 {
                    Appended::Committed { position } => {
                        Failpoint::ChangeBegun.pass();
                        written.raise(partition, position);
                    }
                    Appended::Conflict { position, .. } => {
                        at_least.raise(partition, position);
                        return Ok(Some(Attempt::Again));
                    }
                }
            }
            Before::Wait {
                reason,
                partition,
                own_effect,
            } => {
                let events = &*self.context.events;
                match find_in(events, partition, self.delivery, &own_effect).await? {
                    Some(event) => written.raise(partition, event.position),
                    None => return Ok(Some(Attempt::Wait(reason))),
                }
            }
        }
        Ok(None)
    }

    async fn own_event(&self) -> Result<Option<RecordedEvent>, EventStoreError> {
        let events = &*self.context.events;
        let id = &self.delivery.message_id;
        self.earlier
            .find(events, self.partition(), self.delivery, id)
            .await
    }

    /// Answers a command that was carried out before.
    async fn carried_out(
        &self,
        event: &RecordedEvent,
        mut positions: Positions,
    ) -> Result<Reply<bool>, CommandError> {
        confirm(self.context, self.delivery, event.partition).await?;
        positions.raise(event.partition, event.position);
        if matches!(self.command, Command::Delete)
            && let Ok(gone) = parse_entity::<S::Entity>(event.data.get())
        {
            S::once_gone(self.context, self.delivery, &gone, &mut positions).await?;
        }
        Ok(done(positions, None))
    }
}

const fn done(positions: Positions, append: Option<AppendTimes>) -> Reply<bool> {
    Reply {
        result: true,
        positions,
        append,
    }
}
