//! Facts about other aggregates: typed queries to the read model over the message queue. A service has no other source of them. Knows the
//! queries' forms, not who answers them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ordershop_domain::Reservation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage, QueueError};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::payload;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::GET_FACTS;
use ordershop_contract::reply::ReplyStatus;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::WireEntity;
use ordershop_contract::worker::ServiceContext;

/// The timeout of a query, ms; the caller may retry.
const QUERY_TIMEOUT_MS: u64 = 5_000;
/// The name of the collection of reservations.
const RESERVATION: &str = "reservation";

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
    /// Whether a retry may succeed. An answer that can't be read is the read model's fault, not the question's: it is waited for as if the
    /// read model were away. What the read model refuses may be the question's fault.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Queue(error) => !matches!(error, QueueError::Invalid(_)),
            Self::Refused { status, .. } => *status == ReplyStatus::Unavailable,
            Self::Malformed(_) => true,
        }
    }
}

/// A question about one kind of entity.
#[derive(Debug, Serialize)]
pub struct Question<'a> {
    name: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any_of: Option<BTreeMap<&'static str, &'a [&'a str]>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    follow: BTreeMap<&'static str, Topic>,
    #[serde(skip)]
    of: Of,
}

/// Where what is asked for lies.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// Where the ids of this topic say.
    Ids(Topic),
    /// In one partition.
    Partition(Partition),
}

impl<'a> Question<'a> {
    const fn about(name: Cow<'static, str>, of: Of) -> Self {
        Self {
            name,
            ids: None,
            any_of: None,
            follow: BTreeMap::new(),
            of,
        }
    }

    const fn of_topic(topic: Topic) -> Self {
        Self::about(Cow::Borrowed(topic.name()), Of::Ids(topic))
    }

    /// The entities with these ids.
    #[must_use]
    pub fn ids<E: WireEntity>(ids: &'a [&'a str]) -> Self {
        Self {
            ids: Some(ids),
            ..Self::of_topic(E::TOPIC)
        }
    }

    /// The entities whose `field`, which has an index and names what they are made beside, has one of these values.
    #[must_use]
    pub fn having<E: WireEntity>(field: &'static str, values: &'a [&'a str]) -> Self {
        Self {
            any_of: Some(BTreeMap::from([(field, values)])),
            ..Self::of_topic(E::TOPIC)
        }
    }

    /// What is reserved for these orders in a partition of the inventories.
    fn reservations(order_ids: &'a [&'a str], partition: Partition) -> Self {
        let name = match partition.number {
            0 => Cow::Borrowed(RESERVATION),
            number => Cow::Owned(format!("{RESERVATION}.{number}")),
        };
        Self {
            ids: Some(order_ids),
            ..Self::about(name, Of::Partition(partition))
        }
    }

    /// Also the entities that `field` of the found ones refers to.
    #[must_use]
    pub fn following<E: WireEntity>(mut self, field: &'static str) -> Self {
        self.follow.insert(field, E::TOPIC);
        self
    }

    fn asks(&self) -> bool {
        let values = || self.any_of.iter().flat_map(BTreeMap::values);
        self.ids.is_some_and(|ids| !ids.is_empty()) || values().any(|values| !values.is_empty())
    }

    /// The partitions of which the answer tells. Where ids lie that are only found by it, nobody knows yet.
    fn partitions(&self, all: Partitions) -> Vec<Partition> {
        let ids = self.ids.into_iter().flatten();
        let values = self.any_of.iter().flat_map(BTreeMap::values);
        let named: Vec<&str> = ids.chain(values.copied().flatten()).copied().collect();
        let mut partitions = match self.of {
            Of::Ids(topic) => all.of_ids(topic, &named),
            Of::Partition(partition) => vec![partition],
        };
        let followed = self.follow.values();
        partitions.extend(followed.flat_map(|topic| all.of_topic(*topic)));
        partitions
    }
}

/// What was found, by kind of entity.
#[derive(Debug, Default)]
pub struct Found(BTreeMap<String, Box<RawValue>>);

impl Found {
    /// All entities of a kind that were found, by id.
    ///
    /// # Errors
    /// They are malformed.
    pub fn all<E: WireEntity>(&self) -> Result<HashMap<String, Versioned<E>>, FactsError> {
        let found: Vec<Versioned<E>> = self.list(E::TOPIC.name())?;
        Ok(found
            .into_iter()
            .map(|versioned| (versioned.entity.id().to_owned(), versioned))
            .collect())
    }

    fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, FactsError> {
        let Some(found) = self.0.get(name) else {
            return Ok(Vec::new());
        };
        serde_json::from_str(found.get()).map_err(|error| FactsError::Malformed(error.to_string()))
    }
}

#[derive(Serialize)]
struct Questions<'a> {
    lookups: &'a [Question<'a>],
}

#[derive(Deserialize)]
struct QueryReply {
    result: Option<BTreeMap<String, Box<RawValue>>>,
    error: Option<String>,
    status: Option<ReplyStatus>,
}

/// The client of the read model's queries.
#[derive(Clone)]
pub struct Facts {
    queue: Arc<dyn MessageQueue>,
    partitions: Partitions,
    beside: Option<Arc<Beside>>,
}

/// An entity that the first question asks for, too.
struct Beside {
    topic: Topic,
    id: String,
    /// What that question's answer says.
    found: OnceLock<Found>,
}

impl Facts {
    /// Sends the queries over this queue, to a shop of so many partitions.
    #[must_use]
    pub fn new(queue: Arc<dyn MessageQueue>, partitions: Partitions) -> Self {
        Self {
            queue,
            partitions,
            beside: None,
        }
    }

    /// Asks over a service's queue.
    #[must_use]
    pub fn of(context: &ServiceContext) -> Self {
        Self::new(Arc::clone(&context.queue), context.events.partitions())
    }

    /// Asks for an entity with the first question, whoever sends it: one message instead of two. [`Self::subject`] returns it.
    #[must_use]
    pub fn beside<E: WireEntity>(self, id: &str) -> Self {
        let beside = Beside {
            topic: E::TOPIC,
            id: id.to_owned(),
            found: OnceLock::new(),
        };
        Self {
            beside: Some(Arc::new(beside)),
            ..self
        }
    }

    /// Returns the entity that was asked for beside a question; asks for it alone if none was sent.
    ///
    /// # Errors
    /// As of [`Self::ask`].
    pub async fn subject<E: WireEntity>(
        &self,
        id: &str,
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<Option<Versioned<E>>, FactsError> {
        match self.beside.as_ref().and_then(|beside| beside.found.get()) {
            Some(found) => Ok(found.all()?.remove(id)),
            None => self.one(id, at_least, correlation).await,
        }
    }

    /// Asks all at once, as of `at_least`'s positions of the asked partitions or later. The read model answers in one message.
    ///
    /// # Errors
    /// The read model is away, behind, or returns a malformed answer.
    pub async fn ask<const N: usize>(
        &self,
        questions: [Question<'_>; N],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<Found, FactsError> {
        let beside = self.beside.as_deref();
        let beside = beside.filter(|beside| beside.found.get().is_none());
        let id = beside.map(|beside| [&*beside.id]);
        let mut questions: Vec<Question<'_>> =
            questions.into_iter().filter(Question::asks).collect();
        if questions.is_empty() {
            return Ok(Found::default());
        }
        if let (Some(beside), Some(id)) = (beside, &id) {
            questions.push(Question {
                ids: Some(id),
                ..Question::of_topic(beside.topic)
            });
        }
        let asked = questions
            .iter()
            .flat_map(|one| one.partitions(self.partitions));
        let asked: Vec<Partition> = asked.collect();
        let needed = at_least.only(|partition| asked.contains(&partition));
        let params = Questions {
            lookups: &questions,
        };
        let message = OutgoingMessage {
            to: GET_FACTS,
            message_id: uuid::Uuid::now_v7().simple().to_string(),
            payload: payload::message(params, &needed),
            correlation: correlation.untimed(),
        };
        let reply: Box<RawValue> = self
            .queue
            .call(message, Duration::from_millis(QUERY_TIMEOUT_MS))
            .await?;
        let reply: QueryReply = serde_json::from_str(reply.get())
            .map_err(|error| FactsError::Malformed(error.to_string()))?;
        if let Some(error) = reply.error {
            return Err(FactsError::Refused {
                error,
                status: reply.status.unwrap_or(ReplyStatus::Failed),
            });
        }
        let found = Found(reply.result.unwrap_or_default());
        if let Some(beside) = beside {
            let of_its_kind = found.0.get_key_value(beside.topic.name());
            let of_its_kind = of_its_kind.map(|(name, all)| (name.clone(), all.clone()));
            // Who asked at the same time has the same answer.
            let _ = beside.found.set(Found(of_its_kind.into_iter().collect()));
        }
        Ok(found)
    }

    /// Returns one entity by id, as of `at_least`'s position of its partition or later.
    ///
    /// # Errors
    /// As of [`Self::ask`].
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
    /// As of [`Self::ask`].
    pub async fn by_ids<E: WireEntity>(
        &self,
        ids: &[&str],
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<HashMap<String, Versioned<E>>, FactsError> {
        let question = Question::ids::<E>(ids);
        self.ask([question], at_least, correlation).await?.all()
    }

    /// Returns what is reserved for an order in a partition of the inventories.
    ///
    /// # Errors
    /// As of [`Self::ask`].
    pub async fn reservation(
        &self,
        order_id: &str,
        partition: Partition,
        at_least: &Positions,
        correlation: &Correlation,
    ) -> Result<Option<Versioned<Reservation>>, FactsError> {
        let ids = [order_id];
        let question = Question::reservations(&ids, partition);
        let found = self.ask([question], at_least, correlation).await?;
        Ok(found.list(RESERVATION)?.pop())
    }
}

/// Removes repeated values.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut values: Vec<&str> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}
