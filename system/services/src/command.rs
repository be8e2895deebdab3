//! Executes one command: loads facts, decides, appends. After a conflict it does so again, with the conflicting event known. The same for
//! every entity.

use ordershop_domain::{Command, Event, Rejection, decide};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::command_error::CommandError;
use super::entity::EntityService;
use super::facts::Facts;
use ordershop_contract::clock::now_us;
use ordershop_contract::correlation::AppendTimes;
use ordershop_contract::event_store::{
    Appended, EVENTS_PER_TRANSACTION_MAX, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::Delivery;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::reply::Reply;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{WireEntity, event_json, parse_entity, parse_new_entities};
use ordershop_contract::worker::ServiceContext;

/// How often a command is decided before it fails because of conflicts.
const ATTEMPTS_MAX: usize = 10;
/// How far the clocks of a caller and of Redis may differ when the earlier effect of a redelivered command is searched for, ms.
const CLOCK_SKEW_MS_MAX: u64 = 60_000;
/// Events read at once in that search.
const LOOK_BACK_EVENTS: usize = 1_000;

#[derive(Deserialize)]
struct CommandPayload<'a> {
    #[serde(borrow)]
    params: &'a RawValue,
    #[serde(default)]
    at_least: Positions,
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
    let ids: Vec<String> = entities
        .iter_mut()
        .map(|entity| entity.id_mut().clone())
        .collect();
    if let Some(position) = done_before::<S>(context, delivery, &ids[0]).await? {
        return Ok(done(ids, S::Entity::TOPIC, Some(position), None));
    }
    let mut at_least = payload.at_least;
    for _ in 0..ATTEMPTS_MAX {
        let facts = S::facts(
            &Facts::of(context),
            &entities,
            &at_least,
            &delivery.correlation,
        )
        .await?;
        let mut events = Vec::with_capacity(entities.len());
        let mut claims = Vec::new();
        for (entity, id) in entities.iter().zip(&ids) {
            for event in decide(id, None, Command::Create(entity.clone()), &facts)? {
                claims.extend(S::claims(&event));
                events.push(new_event(
                    delivery,
                    id.clone(),
                    id,
                    ExpectedVersion::NoStream,
                    &event,
                ));
            }
        }
        let (appended, times) = append(context, S::Entity::TOPIC, events, claims).await?;
        match appended {
            Appended::Committed { position } => {
                return Ok(done(ids, S::Entity::TOPIC, Some(position), times));
            }
            // The ids come from the message, so the command was executed before.
            Appended::Conflict { key, position, .. } if ids.contains(&key) => {
                return Ok(done(ids, S::Entity::TOPIC, Some(position), times));
            }
            Appended::Conflict { position, .. } => at_least.raise(S::Entity::TOPIC, position),
        }
    }
    Err(CommandError::Contended(ids.join(", ")))
}

/// Replaces an entity's fields.
pub(super) async fn update<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
) -> Result<Reply<bool>, CommandError> {
    let payload = payload(delivery)?;
    let entity: S::Entity = parse_entity(payload.params.get())?;
    let id = entity.clone().id_mut().clone();
    if id.is_empty() {
        return Err(Rejection::Invalid("entity_id is missing".to_owned()).into());
    }
    change::<S>(
        context,
        delivery,
        payload.at_least,
        &id,
        Command::Update(entity),
    )
    .await
}

/// Deletes an entity.
pub(super) async fn delete<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
) -> Result<Reply<bool>, CommandError> {
    let payload = payload(delivery)?;
    let Id { entity_id } = serde_json::from_str(payload.params.get()).map_err(|error| {
        Rejection::Invalid(format!("params must be {{\"entity_id\": …}}: {error}"))
    })?;
    change::<S>(
        context,
        delivery,
        payload.at_least,
        &entity_id,
        Command::Delete,
    )
    .await
}

async fn change<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
    mut at_least: Positions,
    id: &str,
    command: Command<S::Entity>,
) -> Result<Reply<bool>, CommandError> {
    let topic = S::Entity::TOPIC;
    if let Some(position) = done_before::<S>(context, delivery, &delivery.message_id).await? {
        return Ok(done(true, topic, Some(position), None));
    }
    for _ in 0..ATTEMPTS_MAX {
        let state = Facts::of(context)
            .one::<S::Entity>(id, &at_least, &delivery.correlation)
            .await?;
        let subject = match (&command, &state) {
            (Command::Update(entity) | Command::Create(entity), _) => std::slice::from_ref(entity),
            (Command::Delete, Some(state)) => std::slice::from_ref(&state.entity),
            (Command::Delete, None) => &[],
        };
        let facts = S::facts(
            &Facts::of(context),
            subject,
            &at_least,
            &delivery.correlation,
        )
        .await?;
        let entity = state.as_ref().map(|state| &state.entity);
        let changes = decide(id, entity, command.clone(), &facts)?;
        let version = state.as_ref().map_or(0, |state| state.version);
        let mut events = Vec::with_capacity(1);
        let mut claims = Vec::new();
        for event in &changes {
            claims.extend(S::claims(event));
            let expected = ExpectedVersion::Exact(version);
            events.push(new_event(
                delivery,
                delivery.message_id.clone(),
                id,
                expected,
                event,
            ));
        }
        if events.is_empty() {
            return Ok(done(true, topic, None, None));
        }
        let (appended, times) = append(context, topic, events, claims).await?;
        match appended {
            Appended::Committed { position } => {
                return Ok(done(true, topic, Some(position), times));
            }
            Appended::Conflict { position, .. } => at_least.raise(topic, position),
        }
    }
    Err(CommandError::Contended(id.to_owned()))
}

fn new_event<E: WireEntity>(
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

async fn append(
    context: &ServiceContext,
    topic: Topic,
    events: Vec<NewEvent>,
    claims: Vec<ordershop_contract::event_store::Claim>,
) -> Result<(Appended, Option<AppendTimes>), EventStoreError> {
    let times = events.first().and_then(|event| event.correlation.times);
    let transaction = Transaction {
        topic,
        events,
        claims,
    };
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

fn done<T>(
    result: T,
    topic: Topic,
    position: Option<Position>,
    append: Option<AppendTimes>,
) -> Reply<T> {
    let positions = position.map_or(Positions::NONE, |position| Positions::of(topic, position));
    Reply {
        result,
        positions,
        append,
    }
}

/// Finds the event of a redelivered command, if it was written before its worker died. Otherwise an update could be applied twice and
/// overwrite a change made in between. Costs a search, but only for redeliveries.
async fn done_before<S: EntityService>(
    context: &ServiceContext,
    delivery: &Delivery,
    event_id: &str,
) -> Result<Option<Position>, EventStoreError> {
    if delivery.redeliveries == 0 {
        return Ok(None);
    }
    let mut after = Position {
        ms: sent_at_ms(&delivery.message_id).saturating_sub(CLOCK_SKEW_MS_MAX),
        seq: 0,
    };
    loop {
        let events = context
            .events
            .read(S::Entity::TOPIC, after, LOOK_BACK_EVENTS)
            .await?;
        if let Some(event) = events.iter().find(|event| event.event_id == event_id) {
            return Ok(Some(event.position));
        }
        match events.last() {
            Some(last) => after = last.position,
            None => return Ok(None),
        }
    }
}

/// The time at which a message was created, ms, from its id (a UUID v7 begins with the time); 0 for other ids.
fn sent_at_ms(message_id: &str) -> u64 {
    uuid::Uuid::try_parse(message_id)
        .ok()
        .and_then(|id| id.get_timestamp())
        .map_or(0, |time| {
            let (seconds, nanos) = time.to_unix();
            seconds * 1_000 + u64::from(nanos) / 1_000_000
        })
}
