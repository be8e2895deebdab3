//! Reads the cache: many hashes and indexes in one pipeline. Knows keys and the `version|JSON` form, not queries.

use redis::Value;
use redis::aio::ConnectionManager;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::keys::{Collection, ids_key, index_key, index_range, position_key};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;

/// An entity as the cache stores it.
#[derive(Clone, Debug)]
pub struct Stored {
    text: String,
    json_from: usize,
}

impl Stored {
    fn new(text: String) -> Option<Self> {
        let json_from = text.find('|')? + 1;
        Some(Self { text, json_from })
    }

    /// The entity's JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.text[self.json_from..]
    }

    /// The entity, or the part of it that the caller needs; `None` if the cache holds another form.
    pub fn parse<E: DeserializeOwned>(&self) -> Option<E> {
        serde_json::from_str(self.json()).ok()
    }

    /// The aggregate's version, in digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.text[..self.json_from - 1]
    }
}

/// Read access to the cache. Entities are read together with their topics' positions: a position below the one that was known before shows
/// that Redis went back.
#[derive(Clone)]
pub struct ReadStore {
    connection: ConnectionManager,
    /// The position up to which each topic is applied, as far as this process knows.
    known: watch::Sender<Positions>,
}

impl ReadStore {
    /// Reads over a shared connection.
    ///
    /// # Errors
    /// The address is not valid.
    pub fn new(link: &RedisLink) -> redis::RedisResult<Self> {
        Ok(Self {
            connection: link.shared()?,
            known: watch::Sender::new(Positions::NONE),
        })
    }

    /// The positions up to which the topics are applied, as far as this process knows.
    pub(super) fn known(&self) -> &watch::Sender<Positions> {
        &self.known
    }

    /// For each collection and ids: the entities, `None` for one that doesn't exist. One round trip.
    ///
    /// # Errors
    /// Redis is away, or went back behind a known position; the known positions are lower then.
    pub async fn fetch<S: AsRef<str>>(
        &self,
        wanted: &[(Collection, Vec<S>)],
    ) -> redis::RedisResult<Vec<Vec<Option<Stored>>>> {
        let asked = || wanted.iter().filter(|(_, ids)| !ids.is_empty());
        let mut topics: Vec<Topic> = asked().map(|(collection, _)| collection.topic()).collect();
        topics.sort_unstable();
        topics.dedup();
        let known = *self.known.borrow();
        let mut pipe = redis::pipe();
        for topic in &topics {
            pipe.cmd("GET").arg(position_key(*topic));
        }
        for (collection, ids) in asked() {
            let hmget = pipe.cmd("HMGET").arg(collection.key());
            for id in ids {
                hmget.arg(id.as_ref());
            }
        }
        let mut replies: Vec<Value> = Vec::new();
        if !topics.is_empty() {
            replies = pipe.query_async(&mut self.connection.clone()).await?;
        }
        let mut replies = replies.into_iter();
        for (topic, reply) in topics.into_iter().zip(replies.by_ref()) {
            self.check(topic, &known, redis::from_redis_value(reply)?)?;
        }
        let read = |(_, ids): &(Collection, Vec<S>)| -> redis::RedisResult<_> {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let texts: Vec<Option<String>> =
                redis::from_redis_value(replies.next().unwrap_or_default())?;
            let stored = texts.into_iter().map(|text| text.and_then(Stored::new));
            Ok(stored.collect())
        };
        wanted.iter().map(read).collect()
    }

    /// Compares a topic's position with the one that was known before it was read. A position never falls but with Redis itself.
    fn check(
        &self,
        topic: Topic,
        known: &Positions,
        found: Option<String>,
    ) -> redis::RedisResult<()> {
        let found: Position = found.and_then(|text| text.parse().ok()).unwrap_or_default();
        if known.get(topic).unwrap_or_default() <= found {
            return Ok(());
        }
        tracing::warn!(%topic, %found, "Redis went back behind what was applied");
        self.known
            .send_modify(|positions| positions.set(topic, found));
        Err((
            redis::ErrorKind::Client,
            "Redis went back to an earlier state, and the read model catches up",
        )
            .into())
    }

    /// For each topic, indexed field and value: the ids that may have it (the caller checks the entities). One round trip.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn candidates(
        &self,
        wanted: &[(Topic, &str, &str)],
    ) -> redis::RedisResult<Vec<Vec<String>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (topic, field, value) in wanted {
            let (from, to) = index_range(value);
            pipe.cmd("ZRANGE")
                .arg(index_key(*topic, field))
                .arg(from)
                .arg(to)
                .arg("BYLEX");
        }
        let members: Vec<Vec<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        Ok(members.into_iter().map(ids_of_members).collect())
    }

    /// At most `limit` ids of a topic after `after` (exclusive), in order.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn ids_after(
        &self,
        topic: Topic,
        after: Option<&str>,
        limit: usize,
    ) -> redis::RedisResult<Vec<String>> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        redis::cmd("ZRANGE")
            .arg(ids_key(topic))
            .arg(from)
            .arg("+")
            .arg("BYLEX")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .query_async(&mut self.connection.clone())
            .await
    }

    /// Every value of an indexed field that some entity has.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn indexed_values(
        &self,
        topic: Topic,
        field: &str,
    ) -> redis::RedisResult<Vec<String>> {
        let members: Vec<String> = redis::cmd("ZRANGE")
            .arg(index_key(topic, field))
            .arg(0)
            .arg(-1)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(members
            .into_iter()
            .filter_map(|member| member.split_once('\0').map(|(value, _)| value.to_owned()))
            .collect())
    }

    /// The position up to which each topic is applied, as the cache records it.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn positions(&self) -> redis::RedisResult<Positions> {
        let mut pipe = redis::pipe();
        for topic in Topic::ALL {
            pipe.cmd("GET").arg(position_key(topic));
        }
        let texts: Vec<Option<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        let mut positions = Positions::NONE;
        for (topic, text) in Topic::ALL.into_iter().zip(texts) {
            if let Some(position) = text.and_then(|text| text.parse::<Position>().ok()) {
                positions.raise(topic, position);
            }
        }
        Ok(positions)
    }
}

fn ids_of_members(members: Vec<String>) -> Vec<String> {
    members
        .into_iter()
        .filter_map(|member| member.split_once('\0').map(|(_, id)| id.to_owned()))
        .collect()
}
