//! Facts about other aggregates: typed queries to the read model over the message queue. A service has no other source of them. Knows the
//! queries' forms, not who answers them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ordershop_domain::Reservation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueError, QueueName};
use ordershop_contract::payload;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::{GET_ENTITIES, GET_ENTITY};
use ordershop_contract::reply::ReplyStatus;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::WireEntity;
use ordershop_contract::worker::ServiceContext;

/// The timeout of a query, ms; the caller may retry.
const QUERY_TIMEOUT_MS: u64 = 5_000;

/// An entity and the version of its aggregate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Versioned<E> {
    /// The entity.
    pub entity: E,
    /// The aggregate's version, which an append to it must expect.
    pub version: u64,
}

/// The error of a query for facts.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The queue failed or no answer came in time.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The read model returned an error.
    #[error("the read model answered: {error}")]
    Refused {
        /// The error's text.
        error: String,
        /// The error's status.
        status: ReplyStatus,
    },
    /// The answer doesn't have the expected form.
    #[error("the read model's answer can't be read: {0}")]
    Malformed(String),
}

impl FactsError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Queue(error) => !matches!(error, QueueError::Invalid(_)),
            Self::Refused { status, .. } => *status == ReplyStatus::Unavailable,
            Self::Malformed(_) => false,
        }
    }
}

#[derive(Serialize)]
struct ByIds<'a> {
    name: &'a str,
    ids: &'a [&'a str],
    versions: bool,
}

#[derive(Serialize)]
struct ByProperty<'a> {
    name: &'a str,
    any_of: BTreeMap<&'a str, &'a [&'a str]>,
    versions: bool,
}

#[derive(Serialize)]
struct FactById<'a> {
    name: &'a str,
    id: &'a str,
    versions: bool,
}

#[derive(Deserialize)]
struct QueryReply<T> {
    result: Option<T>,
    error: Option<String>,
    status: Option<ReplyStatus>,
}

/// The client of the read model's queries.
#[derive(Clone)]
pub struct Facts {
    queue: Arc<dyn MessageQueue>,
}

impl Facts {
    /// Sends the queries over this queue.
    #[must_use]
    pub fn new(queue: Arc<dyn MessageQueue>) -> Self {
        Self { queue }
    }

    /// Asks over a service's queue.
    #[must_use]
    pub fn of(context: &ServiceContext) -> Self {
        Self::new(Arc::clone(&context.queue))
    }

    /// Returns one entity by id, as of `at_least`'s position of its topic or later.
    ///
    /// # Errors
    /// The read model is away, behind, or returns a malformed answer.
    pub async fn one<E: WireEntity>(
        &self,
        id: &str,
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<Option<Versioned<E>>, FactsError> {
        let mut found = self.by_ids(&[id], at_least, correlation).await?;
        Ok(found.remove(id))
    }

    /// Returns the entities among `ids` that exist, by id.
    ///
    /// # Errors
    /// The read model is away, behind, or returns a malformed answer.
    pub async fn by_ids<E: WireEntity>(
        &self,
        ids: &[&str],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<HashMap<String, Versioned<E>>, FactsError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let params = ByIds {
            name: E::TOPIC.name(),
            ids,
            versions: true,
        };
        let found: Vec<Option<Versioned<E>>> = self
            .ask(GET_ENTITIES, params, at_least.only(E::TOPIC), correlation)
            .await?
            .unwrap_or_default();
        Ok(by_id(found.into_iter().flatten()))
    }

    /// Returns the entities whose `field` has one of `values`, by id.
    ///
    /// # Errors
    /// The read model is away, behind, or returns a malformed answer.
    pub async fn by_property<E: WireEntity>(
        &self,
        field: &str,
        values: &[&str],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<HashMap<String, Versioned<E>>, FactsError> {
        if values.is_empty() {
            return Ok(HashMap::new());
        }
        let params = ByProperty {
            name: E::TOPIC.name(),
            any_of: BTreeMap::from([(field, values)]),
            versions: true,
        };
        let found: Vec<Versioned<E>> = self
            .ask(GET_ENTITIES, params, at_least.only(E::TOPIC), correlation)
            .await?
            .unwrap_or_default();
        Ok(by_id(found))
    }

    /// Returns the reservation of an order.
    ///
    /// # Errors
    /// The read model is away, behind, or returns a malformed answer.
    pub async fn reservation(
        &self,
        order_id: &str,
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<Option<Versioned<Reservation>>, FactsError> {
        let params = FactById {
            name: "reservation",
            id: order_id,
            versions: true,
        };
        self.ask(
            GET_ENTITY,
            params,
            at_least.only(Topic::Inventory),
            correlation,
        )
        .await
    }

    async fn ask<P: Serialize, T: DeserializeOwned>(
        &self,
        to: QueueName,
        params: P,
        at_least: Positions,
        correlation: &Correlation,
    ) -> Result<Option<T>, FactsError> {
        let message = OutgoingMessage {
            to,
            message_id: uuid::Uuid::now_v7().simple().to_string(),
            payload: payload::message(params, &at_least),
            correlation: correlation.untimed(),
        };
        let reply: Box<RawValue> = self
            .queue
            .call(message, Duration::from_millis(QUERY_TIMEOUT_MS))
            .await?;
        let reply: QueryReply<T> = serde_json::from_str(reply.get())
            .map_err(|error| FactsError::Malformed(error.to_string()))?;
        match reply.error {
            Some(error) => Err(FactsError::Refused {
                error,
                status: reply.status.unwrap_or(ReplyStatus::Failed),
            }),
            None => Ok(reply.result),
        }
    }
}

fn by_id<E: WireEntity>(
    found: impl IntoIterator<Item = Versioned<E>>,
) -> HashMap<String, Versioned<E>> {
    found
        .into_iter()
        .map(|versioned| (versioned.entity.id().to_owned(), versioned))
        .collect()
}

/// Removes repeated values.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut values: Vec<&str> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}
