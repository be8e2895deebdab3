//! What an archive asks of Redis beside the event store: how far everybody is, and the removal of events that are in its file. Knows the
//! commands, not which events are archived.

use redis::{Pipeline, RedisResult, Value};

use super::entry::{Entry, entries};
use super::keys::{CLAIM_PREFIX, Keys};
use super::ledger::claim_key;
use super::xinfo;
use crate::applied::position_key;
use crate::connection::RedisLink;
use crate::shared_connection::SharedConnection;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// The hash with a shop's name in its archives, and the time before which its orders were archived last.
pub(super) const ARCHIVE_KEY: &str = "archive";
/// Entries of the hash of versions that are looked at with one call.
const SCAN_COUNT: usize = 1_000;

/// How far a topic is handled by everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Every group has acknowledged, and the read model written, everything up to here.
    pub up_to: Position,
    /// Who is not beyond it.
    pub by: String,
    /// The topic's groups.
    pub groups: Vec<String>,
}

impl Handled {
    /// Says who keeps a topic's later events from being handled by everybody.
    #[must_use]
    pub fn behind(&self, topic: Topic) -> String {
        let Self { by, up_to, .. } = self;
        format!("{by} has not handled topic {topic} beyond {up_to}")
    }
}

/// What is removed of one topic in one transaction.
#[derive(Debug, Default)]
pub struct Removal {
    /// The events.
    pub positions: Vec<Position>,
    /// Aggregates whose versions go.
    pub aggregates: Vec<String>,
    /// Claims that go.
    pub claims: Vec<String>,
}

/// The connection of an archive.
#[derive(Clone)]
pub struct ArchiveLink {
    shared: SharedConnection,
    keys: Vec<Keys>,
}

impl ArchiveLink {
    /// Of a Redis.
    #[must_use]
    pub fn new(link: &RedisLink) -> Self {
        Self {
            shared: link.shared(),
            keys: Topic::ALL.map(Keys::new).to_vec(),
        }
    }

    fn keys(&self, topic: Topic) -> &Keys {
        &self.keys[topic.index()]
    }

    /// Whether a consumer of this group is active in every topic.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn has_consumers(&self, group: &str) -> RedisResult<bool> {
        let mut pipe = redis::pipe();
        for keys in &self.keys {
            pipe.cmd("EXISTS").arg(keys.group_lease(group));
        }
        let active: Vec<bool> = pipe.query_async(&mut self.shared.clone()).await?;
        Ok(active.into_iter().all(|active| active))
    }

    /// The shop's name in its archives, which is `new_name` from now on if it has none; and the later of `before_us` and the time of its
    /// last archive, which is kept: what that one has begun, each later one goes on with.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn begin(&self, new_name: &str, before_us: u64) -> RedisResult<(String, u64)> {
        let (_, name, last): (Value, String, Option<u64>) = redis::pipe()
            .cmd("HSETNX")
            .arg(ARCHIVE_KEY)
            .arg("shop")
            .arg(new_name)
            .cmd("HGET")
            .arg(ARCHIVE_KEY)
            .arg("shop")
            .cmd("HGET")
            .arg(ARCHIVE_KEY)
            .arg("before_us")
            .query_async(&mut self.shared.clone())
            .await?;
        let before_us = last.unwrap_or_default().max(before_us);
        redis::cmd("HSET")
            .arg(ARCHIVE_KEY)
            .arg("before_us")
            .arg(before_us)
            .exec_async(&mut self.shared.clone())
            .await?;
        Ok((name, before_us))
    }

    /// The shop's name in its archives, if it has one.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn shop(&self) -> RedisResult<Option<String>> {
        redis::cmd("HGET")
            .arg(ARCHIVE_KEY)
            .arg("shop")
            .query_async(&mut self.shared.clone())
            .await
    }

    /// How far a topic is handled.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn handled(&self, topic: Topic) -> RedisResult<Handled> {
        let connection = &mut self.shared.clone();
        let events = &self.keys(topic).events;
        let applied: Option<String> = redis::cmd("GET")
            .arg(position_key(topic))
            .query_async(connection)
            .await?;
        let mut handled = Handled {
            up_to: applied
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            by: "the read model's cache".to_owned(),
            groups: Vec::new(),
        };
        for (name, up_to) in handled_by_groups(connection, events).await? {
            if up_to < handled.up_to {
                handled.up_to = up_to;
                handled.by.clone_from(&name);
            }
            handled.groups.push(name);
        }
        Ok(handled)
    }

    /// The position of a stream's last entry. It is never removed: a stream that ends before an event that somebody knows went back.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn last(&self, topic: Topic) -> RedisResult<Position> {
        let tail: Value = redis::cmd("XREVRANGE")
            .arg(&self.keys(topic).events)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut self.shared.clone())
            .await?;
        let last = entries(topic.into(), tail).and_then(|mut tail| tail.pop());
        Ok(last.as_ref().map(Entry::position).unwrap_or_default())
    }

    /// Removes events of a topic, with their aggregates' versions and claims, in one transaction.
    ///
    /// # Errors
    /// Redis is away, or refuses it.
    pub async fn remove(&self, topic: Topic, removal: &Removal) -> RedisResult<()> {
        let keys = self.keys(topic);
        let mut pipe = redis::pipe();
        pipe.atomic();
        if !removal.positions.is_empty() {
            pipe.cmd("XDEL").arg(&keys.events);
            for position in &removal.positions {
                pipe.arg(position.to_string());
            }
        }
        let claims = removal.claims.iter().map(|claim| claim_key(claim));
        let fields: Vec<String> = removal.aggregates.iter().cloned().chain(claims).collect();
        forget(&mut pipe, keys, &fields);
        if pipe.is_empty() {
            return Ok(());
        }
        pipe.exec_async(&mut self.shared.clone()).await
    }

    /// Removes the claims of a topic whose names begin so and that were taken before this time; returns their number.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn forget_claims(
        &self,
        topic: Topic,
        prefix: &str,
        before_s: u64,
    ) -> RedisResult<usize> {
        let (keys, connection) = (self.keys(topic), &mut self.shared.clone());
        let (mut cursor, mut count) = (0_u64, 0);
        loop {
            let (next, page) = claims_page(connection, &keys.versions, prefix, cursor).await?;
            // 1 is the mark of a claim that was taken before claims had times.
            let old = page
                .into_iter()
                .filter(|(_, taken_s)| (2..before_s).contains(taken_s));
            let old: Vec<String> = old.map(|(key, _)| key).collect();
            if !old.is_empty() {
                let mut pipe = redis::pipe();
                forget(&mut pipe, keys, &old);
                pipe.exec_async(connection).await?;
                count += old.len();
            }
            cursor = next;
            if cursor == 0 {
                return Ok(count);
            }
        }
    }
}

fn forget(pipe: &mut Pipeline, keys: &Keys, fields: &[String]) {
    if !fields.is_empty() {
        pipe.cmd("HDEL").arg(&keys.versions).arg(fields).ignore();
    }
}

/// Some of the claims whose names begin so: each one's field, and the time at which it was taken, s since the Unix epoch; and the cursor of the
/// next ones, 0 at the end.
pub(super) async fn claims_page(
    connection: &mut SharedConnection,
    versions: &str,
    prefix: &str,
    cursor: u64,
) -> RedisResult<(u64, Vec<(String, u64)>)> {
    redis::cmd("HSCAN")
        .arg(versions)
        .arg(cursor)
        .arg("MATCH")
        .arg(format!("{CLAIM_PREFIX}{prefix}*"))
        .arg("COUNT")
        .arg(SCAN_COUNT)
        .query_async(connection)
        .await
}

/// Up to where each group of a stream has acknowledged everything.
pub(super) async fn handled_by_groups(
    connection: &mut SharedConnection,
    events: &str,
) -> RedisResult<Vec<(String, Position)>> {
    let mut handled = Vec::new();
    for group in xinfo::read_groups(connection, events).await? {
        let mut up_to = group.delivered;
        if group.pending > 0 {
            up_to = up_to.min(oldest_pending(connection, events, &group.name).await?);
        }
        handled.push((group.name, up_to));
    }
    Ok(handled)
}

/// The position just before a group's oldest entry that it was given and has not acknowledged.
async fn oldest_pending(
    connection: &mut SharedConnection,
    events: &str,
    group: &str,
) -> RedisResult<Position> {
    let (_, oldest, _, _): (u64, Option<String>, Value, Value) = redis::cmd("XPENDING")
        .arg(events)
        .arg(group)
        .query_async(connection)
        .await?;
    let oldest = oldest.and_then(|text| text.parse::<Position>().ok());
    // It may have been acknowledged meanwhile.
    Ok(oldest.map_or(
        Position {
            ms: u64::MAX,
            seq: 0,
        },
        Position::just_before,
    ))
}
