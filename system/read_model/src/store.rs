//! Reads the cache, and over it what is applied and not yet written: many hashes and indexes in one pipeline. Knows keys and the `version|JSON`
//! form, not queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::Value;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::keys::{Collection, id_of_member, ids_key, index_key, index_range};
use super::overlay::Overlay;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_redis::applied::position_key;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::shared_connection::SharedConnection;

/// How long a page waits at most for what is applied to be written, ms: far longer than a projection's linger.
const WRITE_WAIT_MS_MAX: u64 = 1_000;

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
    connection: SharedConnection,
    overlay: Arc<Overlay>,
    /// The position up to which the cache has each topic, as far as this process knows.
    written: watch::Sender<Positions>,
    /// The position up to which readers here see each topic: of what is projected here, beyond that of the cache by what the overlay holds.
    applied: watch::Sender<Positions>,
    /// How often a topic's applied position fell.
    falls: Arc<AtomicU64>,
}

impl ReadStore {
    /// Reads over a shared connection.
    #[must_use]
    pub fn new(link: &RedisLink) -> Self {
        Self {
            connection: link.shared(),
            overlay: Arc::default(),
            written: watch::Sender::new(Positions::NONE),
            applied: watch::Sender::new(Positions::NONE),
            falls: Arc::default(),
        }
    }

    pub(super) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The positions up to which the cache has the topics, as far as this process knows.
    pub(super) fn written(&self) -> &watch::Sender<Positions> {
        &self.written
    }

    /// The positions up to which readers here see the topics.
    pub(super) fn applied(&self) -> &watch::Sender<Positions> {
        &self.applied
    }

    /// How often a topic's applied position fell: what is read meanwhile may be older than what was asked for.
    pub(super) fn falls(&self) -> u64 {
        self.falls.load(Ordering::Relaxed)
    }

    /// Sets a topic's applied position, which may fall.
    pub(super) fn set_applied(&self, topic: Topic, position: Position) {
        self.applied.send_if_modified(|applied| {
            let before = applied.get(topic).unwrap_or_default();
            applied.set(topic, position);
            if position < before {
                self.falls.fetch_add(1, Ordering::Relaxed);
            }
            position != before
        });
    }

    /// For each collection and ids: the entities, `None` for one that doesn't exist. One round trip.
    ///
    /// # Errors
    /// Redis is away, or went back behind a known position; the known positions are lower then.
    pub async fn fetch<S: AsRef<str>>(
        &self,
        wanted: &[(Collection, Vec<S>)],
    ) -> redis::RedisResult<Vec<Vec<Option<Stored>>>> {
        // Before the cache is read: what is written and taken from the overlay meanwhile is found there.
        let unwritten = wanted
            .iter()
            .map(|(collection, ids)| self.overlay.entries(*collection, ids));
        let mut found: Vec<Vec<Option<Option<String>>>> = unwritten.collect();
        let known = *self.written.borrow();
        // One command for each collection, however many asked for entities of it.
        let mut unknown: Vec<(Collection, Vec<&str>)> = Vec::new();
        for ((collection, ids), found) in wanted.iter().zip(&found) {
            let there = unknown.iter().position(|(one, _)| one == collection);
            let place = there.unwrap_or_else(|| {
                unknown.push((*collection, Vec::new()));
                unknown.len() - 1
            });
            let ids = ids.iter().zip(found).filter(|(_, found)| found.is_none());
            unknown[place].1.extend(ids.map(|(id, _)| id.as_ref()));
        }
        unknown.retain(|(_, ids)| !ids.is_empty());
        let mut texts: Vec<(Collection, std::vec::IntoIter<Option<String>>)> = Vec::new();
        if !unknown.is_empty() {
            let mut pipe = redis::pipe();
            for (collection, ids) in &unknown {
                pipe.cmd("GET").arg(position_key(collection.topic()));
                pipe.cmd("HMGET").arg(collection.key()).arg(ids);
            }
            let replies: Vec<Value> = pipe.query_async(&mut self.connection.clone()).await?;
            let mut replies = replies.into_iter();
            for (collection, _) in unknown {
                let mut reply = || replies.next().unwrap_or_default();
                let position = redis::from_redis_value(reply())?;
                self.check(collection.topic(), &known, position)?;
                let found: Vec<Option<String>> = redis::from_redis_value(reply())?;
                texts.push((collection, found.into_iter()));
            }
        }
        for ((collection, _), found) in wanted.iter().zip(&mut found) {
            let mut texts = texts.iter_mut().find(|(one, _)| one == collection);
            for place in found.iter_mut().filter(|found| found.is_none()) {
                *place = Some(texts.as_mut().and_then(|(_, texts)| texts.next()).flatten());
            }
        }
        let stored = |text: Option<Option<String>>| text.flatten().and_then(Stored::new);
        let stored = found
            .into_iter()
            .map(|texts| texts.into_iter().map(stored).collect());
        Ok(stored.collect())
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
        self.written
            .send_modify(|positions| positions.set(topic, found));
        self.set_applied(topic, found);
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
        // Before the cache is read, as above.
        let unwritten = wanted
            .iter()
            .map(|(topic, field, value)| self.overlay.ids_with(*topic, field, value));
        let unwritten: Vec<Vec<String>> = unwritten.collect();
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
        let candidates = members.iter().zip(unwritten).map(|(members, unwritten)| {
            let written = members.iter().filter_map(|member| id_of_member(member));
            let mut ids: Vec<String> = written.map(str::to_owned).collect();
            for id in unwritten {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            ids
        });
        Ok(candidates.collect())
    }

    /// Waits until the cache has what is applied of a topic: what reads a whole collection doesn't look over it.
    async fn all_written(&self, topic: Topic) -> redis::RedisResult<()> {
        let applied = self.applied.borrow().get(topic);
        let mut written = self.written.subscribe();
        let caught_up = written.wait_for(|written| written.get(topic) >= applied);
        let wait_max = Duration::from_millis(WRITE_WAIT_MS_MAX);
        match tokio::time::timeout(wait_max, caught_up).await {
            Ok(_) => Ok(()),
            Err(_) => Err((
                redis::ErrorKind::Client,
                "what was applied could not be written to the cache in time",
            )
                .into()),
        }
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
        self.all_written(topic).await?;
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
        self.all_written(topic).await?;
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
}
