//! Reads the cache, and over it what is applied and not yet written: many hashes and indexes in one pipeline. Knows keys and the `version|JSON`
//! form, not queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::Value;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::keys::{Collection, id_of_member, ids_key, index_key, index_range, partitions_with};
use super::overlay::Overlay;
use ordershop_contract::partition::{Partition, Partitions};
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

/// Ids of which the cache is asked, of one collection in one partition.
struct Unknown<'a> {
    of: (Collection, Partition),
    ids: Vec<&'a str>,
    /// By id: which wish it is of, and its place there.
    places: Vec<(usize, usize)>,
}

impl Unknown<'_> {
    const fn none(of: (Collection, Partition)) -> Self {
        Self {
            of,
            ids: Vec::new(),
            places: Vec::new(),
        }
    }
}

/// Read access to the cache. Entities are read together with their partitions' positions: a position below the one that was known before shows
/// that Redis went back.
#[derive(Clone)]
pub struct ReadStore {
    connection: SharedConnection,
    partitions: Partitions,
    overlay: Arc<Overlay>,
    /// The position up to which the cache has each partition, as far as this process knows.
    written: watch::Sender<Positions>,
    /// The position up to which readers here see each partition: of what is projected here, beyond that of the cache by what the overlay holds.
    applied: watch::Sender<Positions>,
    /// How often a partition's applied position fell.
    falls: Arc<AtomicU64>,
}

impl ReadStore {
    /// Reads over a shared connection.
    #[must_use]
    pub fn new(link: &RedisLink, partitions: Partitions) -> Self {
        Self {
            connection: link.shared(),
            partitions,
            overlay: Arc::new(Overlay::new(partitions)),
            written: watch::Sender::new(Positions::NONE),
            applied: watch::Sender::new(Positions::NONE),
            falls: Arc::default(),
        }
    }

    pub(super) const fn partitions(&self) -> Partitions {
        self.partitions
    }

    pub(super) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The positions up to which the cache has the partitions, as far as this process knows.
    pub(super) fn written(&self) -> &watch::Sender<Positions> {
        &self.written
    }

    /// The positions up to which readers here see the partitions.
    pub(super) fn applied(&self) -> &watch::Sender<Positions> {
        &self.applied
    }

    /// How often a partition's applied position fell: what is read meanwhile may be older than what was asked for.
    pub(super) fn falls(&self) -> u64 {
        self.falls.load(Ordering::Relaxed)
    }

    /// Sets a partition's applied position, which may fall.
    pub(super) fn set_applied(&self, partition: impl Into<Partition>, position: Position) {
        let partition = partition.into();
        self.applied.send_if_modified(|applied| {
            let before = applied.get(partition).unwrap_or_default();
            applied.set(partition, position);
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
        let mut found: Vec<Vec<Option<Option<String>>>> = Vec::with_capacity(wanted.len());
        // One command for each collection's partition, however many asked for entities of it.
        let mut unknown: Vec<Unknown<'_>> = Vec::new();
        for (wish, (collection, ids)) in wanted.iter().enumerate() {
            let mut unwritten = Vec::with_capacity(ids.len());
            for (place, id) in ids.iter().map(AsRef::as_ref).enumerate() {
                let partition = collection.partition_of(self.partitions, id);
                let entry = self.overlay.entry(*collection, partition, id);
                if entry.is_none() {
                    let one = (*collection, partition);
                    let there = unknown.iter().position(|unknown| unknown.of == one);
                    let there = there.unwrap_or_else(|| {
                        unknown.push(Unknown::none(one));
                        unknown.len() - 1
                    });
                    unknown[there].ids.push(id);
                    unknown[there].places.push((wish, place));
                }
                unwritten.push(entry);
            }
            found.push(unwritten);
        }
        let known = self.written.borrow().clone();
        if !unknown.is_empty() {
            let mut pipe = redis::pipe();
            for Unknown { of, ids, .. } in &unknown {
                let (collection, partition) = *of;
                pipe.cmd("GET").arg(position_key(partition));
                pipe.cmd("HMGET").arg(collection.key(partition)).arg(ids);
            }
            let replies: Vec<Value> = pipe.query_async(&mut self.connection.clone()).await?;
            let mut replies = replies.into_iter();
            for Unknown { of, places, .. } in unknown {
                let mut reply = || replies.next().unwrap_or_default();
                let position = redis::from_redis_value(reply())?;
                self.check(of.1, &known, position)?;
                let texts: Vec<Option<String>> = redis::from_redis_value(reply())?;
                for ((wish, place), text) in places.into_iter().zip(texts) {
                    found[wish][place] = Some(text);
                }
            }
        }
        let stored = |text: Option<Option<String>>| text.flatten().and_then(Stored::new);
        let stored = found
            .into_iter()
            .map(|texts| texts.into_iter().map(stored).collect());
        Ok(stored.collect())
    }

    /// Compares a partition's position with the one that was known before it was read. A position never falls but with Redis itself.
    fn check(
        &self,
        partition: Partition,
        known: &Positions,
        found: Option<String>,
    ) -> redis::RedisResult<()> {
        let found: Position = found.and_then(|text| text.parse().ok()).unwrap_or_default();
        if known.get(partition).unwrap_or_default() <= found {
            return Ok(());
        }
        tracing::warn!(topic = %partition, %found, "Redis went back behind what was applied");
        self.written
            .send_modify(|positions| positions.set(partition, found));
        self.set_applied(partition, found);
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
        let mut candidates: Vec<Vec<String>> = Vec::with_capacity(wanted.len());
        let mut asked = Vec::with_capacity(wanted.len());
        let mut pipe = redis::pipe();
        for (wish, (topic, field, value)) in wanted.iter().enumerate() {
            candidates.push(Vec::new());
            for partition in partitions_with(self.partitions, *topic, value) {
                candidates[wish].extend(self.overlay.ids_with(partition, field, value));
                let (from, to) = index_range(value);
                pipe.cmd("ZRANGE")
                    .arg(index_key(partition, field))
                    .arg(from)
                    .arg(to)
                    .arg("BYLEX");
                asked.push(wish);
            }
        }
        let members: Vec<Vec<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        for (wish, members) in asked.into_iter().zip(members) {
            let ids = &mut candidates[wish];
            let unwritten = ids.len();
            for id in members.iter().filter_map(|member| id_of_member(member)) {
                if !ids[..unwritten].iter().any(|there| there == id) {
                    ids.push(id.to_owned());
                }
            }
        }
        Ok(candidates)
    }

    /// Waits until the cache has what is applied of a topic: what reads a whole collection doesn't look over it.
    async fn all_written(&self, topic: Topic) -> redis::RedisResult<()> {
        let is_of_topic = |partition: Partition| partition.topic == topic;
        let applied = self.applied.borrow().only(is_of_topic);
        let mut written = self.written.subscribe();
        let caught_up = written.wait_for(|written| !applied.is_beyond(written));
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
        let mut pipe = redis::pipe();
        for partition in self.partitions.of_topic(topic) {
            pipe.cmd("ZRANGE")
                .arg(ids_key(partition))
                .arg(&from)
                .arg("+")
                .arg("BYLEX")
                .arg("LIMIT")
                .arg(0)
                .arg(limit);
        }
        let ids: Vec<Vec<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        let mut ids = ids.concat();
        if self.partitions != Partitions::ONE {
            ids.sort_unstable();
            ids.truncate(limit);
        }
        Ok(ids)
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
        let mut pipe = redis::pipe();
        for partition in self.partitions.of_topic(topic) {
            let key = index_key(partition, field);
            pipe.cmd("ZRANGE").arg(key).arg(0).arg(-1);
        }
        let members: Vec<Vec<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        Ok(members
            .into_iter()
            .flatten()
            .filter_map(|member| member.split_once('\0').map(|(value, _)| value.to_owned()))
            .collect())
    }
}
