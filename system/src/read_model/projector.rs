//! Projectors: one a topic. Each takes its topic's events in batches and writes what they change, its indexes and its position in one
//! transaction, in stream order only. A projector whose position was changed by another writes nothing and reads it anew.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::applied::Applied;
use super::keys::position_key;
use super::projection::Projection;
use crate::backoff::Backoff;
use crate::event_store::{EventStoreError, EventSubscription, RecordedEvent, SubscribeRequest};
use crate::position::{BadPosition, Position};
use crate::redis_connection::RedisLink;
use crate::services::ServiceContext;
use crate::topic::Topic;

/// The consumer group.
pub const GROUP: &str = "read-model";
/// Events applied in one transaction.
const BATCH_EVENTS_MAX: usize = 512;

#[derive(Debug, thiserror::Error)]
enum ProjectorError {
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    EventStore(#[from] EventStoreError),
    #[error(transparent)]
    Position(#[from] BadPosition),
}

/// Applies a topic's events until the context stops.
pub(super) async fn run(context: ServiceContext, link: RedisLink, topic: Topic, applied: Applied) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let projected = project(&context, &link, topic, &applied, &mut backoff);
        let outcome = tokio::select! {
            outcome = projected => outcome,
            () = context.stop.cancelled() => return,
        };
        match outcome {
            Err(ProjectorError::EventStore(EventStoreError::Closed)) => return,
            Err(error) => {
                tracing::warn!(%topic, %error, "the projection was interrupted; trying again")
            }
            Ok(()) => {}
        }
        backoff.wait_unless(&context.stop).await;
    }
}

async fn project(
    context: &ServiceContext,
    link: &RedisLink,
    topic: Topic,
    applied: &Applied,
    backoff: &mut Backoff,
) -> Result<(), ProjectorError> {
    let mut projector = Projector {
        context,
        topic,
        applied,
        connection: link.dedicated().await?,
        position: Position::START,
    };
    projector.read_position().await?;
    projector.catch_up().await?;
    let mut subscription: Box<dyn EventSubscription> = context
        .events
        .subscribe(SubscribeRequest {
            group: GROUP.to_owned(),
            topic,
            consumer: context.instance.clone(),
            batch_max: BATCH_EVENTS_MAX,
        })
        .await?;
    loop {
        let batch = subscription.next_batch().await?;
        while !projector.apply(&batch).await? {
            projector.read_position().await?;
            projector.catch_up().await?;
        }
        let positions: Vec<Position> = batch.iter().map(|event| event.position).collect();
        subscription.ack(&positions).await?;
        backoff.reset();
    }
}

struct Projector<'a> {
    context: &'a ServiceContext,
    topic: Topic,
    applied: &'a Applied,
    /// Its own: it watches the position.
    connection: MultiplexedConnection,
    /// Up to where the cache is applied, as far as this projector knows.
    position: Position,
}

impl Projector<'_> {
    /// Watches the position and learns it. None there means that the cache is empty.
    async fn read_position(&mut self) -> Result<(), ProjectorError> {
        let key = position_key(self.topic);
        let (position,): (Option<String>,) = redis::pipe()
            .cmd("WATCH")
            .arg(&key)
            .ignore()
            .cmd("GET")
            .arg(&key)
            .query_async(&mut self.connection)
            .await?;
        self.position = position.map_or(Ok(Position::START), |text| text.parse())?;
        self.applied.raise(self.topic, self.position);
        Ok(())
    }

    /// Applies what the event store has beyond the position: everything, when the cache is empty.
    async fn catch_up(&mut self) -> Result<(), ProjectorError> {
        loop {
            let events = self
                .context
                .events
                .read(self.topic, self.position, BATCH_EVENTS_MAX)
                .await?;
            if events.is_empty() {
                return Ok(());
            }
            if !self.apply(&events).await? {
                self.read_position().await?;
            }
        }
    }

    /// Writes what the events beyond the position change. `false`: another has moved the position, and nothing was written.
    async fn apply(&mut self, events: &[RecordedEvent]) -> Result<bool, ProjectorError> {
        let mut projection = Projection::default();
        let mut position = self.position;
        for event in events.iter().filter(|event| event.position > self.position) {
            projection.apply(event);
            position = event.position;
        }
        if position == self.position {
            return Ok(true);
        }
        let key = position_key(self.topic);
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI").ignore();
        projection.write_to(self.topic, &mut pipe);
        pipe.cmd("SET").arg(&key).arg(position.to_string()).ignore();
        pipe.cmd("EXEC");
        // The next transaction's watch rides along.
        pipe.cmd("WATCH").arg(&key).ignore();
        pipe.cmd("GET").arg(&key);
        let (written, there): (Value, Option<String>) =
            pipe.query_async(&mut self.connection).await?;
        if let Value::Array(replies) = &written
            && let Some(error) = replies
                .iter()
                .find(|reply| matches!(reply, Value::ServerError(_)))
        {
            return Err(redis::RedisError::from((
                redis::ErrorKind::UnexpectedReturnType,
                "a projection's command failed",
                format!("{error:?}"),
            ))
            .into());
        }
        if written == Value::Nil || there != Some(position.to_string()) {
            return Ok(false);
        }
        self.position = position;
        self.applied.wrote(self.topic, position);
        Ok(true)
    }
}
