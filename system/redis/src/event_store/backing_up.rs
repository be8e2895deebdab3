//! What a backup reads of the event store: how far the groups are, the claims that follow from no event, dead letters, the ends of the streams,
//! and the events up to there. Knows the commands, not when each is read.

use std::collections::BTreeMap;

use redis::{Pipeline, RedisResult, Value};
use serde::{Deserialize, Serialize};

use super::archiving::{ARCHIVE_KEY, claims_page, handled_by_groups};
use super::entry::{Entry, entries, events_only};
use super::keys::{CLAIM_PREFIX, Keys};
use super::xinfo;
use crate::shared_connection::SharedConnection;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;

/// A claim that follows from no event, such as an idempotency key's.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptClaim {
    /// Whose it is.
    #[serde(rename = "topic")]
    pub partition: Partition,
    /// Its name.
    pub name: String,
    /// When it was taken, s since the Unix epoch; 1 if that isn't known.
    pub taken_at_s: u64,
}

/// A dead letter of a consumer group.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptLetter {
    /// The partition.
    #[serde(rename = "topic")]
    pub partition: Partition,
    /// The group.
    pub group: String,
    /// Its position among the group's letters.
    pub position: Position,
    /// What it says.
    pub fields: Vec<(String, String)>,
}

/// The end of a partition's stream at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// The last position that was given to an entry.
    pub last: Position,
    /// The number of entries.
    pub entries: u64,
}

/// The shop's place in its archives.
#[derive(Debug, Serialize, Deserialize)]
pub struct ArchiveMark {
    /// The shop's name in them.
    pub shop: String,
    /// The time before which it was archived last, µs since the Unix epoch.
    pub before_us: u64,
}

/// Some entries of a stream.
pub struct Page {
    /// The events among them.
    pub events: Vec<RecordedEvent>,
    /// The number of entries.
    pub entries: u64,
    /// The position of the last one.
    pub last: Position,
}

/// Up to where each group of a partition has handled everything.
pub(crate) async fn groups(
    connection: &mut SharedConnection,
    partition: Partition,
) -> RedisResult<BTreeMap<String, Position>> {
    let groups = handled_by_groups(connection, &Keys::new(partition).events).await?;
    Ok(groups.into_iter().collect())
}

/// Some of a partition's claims whose names begin so, and the cursor of the next ones, 0 at the end.
pub(crate) async fn claims(
    connection: &mut SharedConnection,
    partition: Partition,
    prefix: &str,
    cursor: u64,
) -> RedisResult<(u64, Vec<KeptClaim>)> {
    let versions = Keys::new(partition).versions;
    let (next, page) = claims_page(connection, &versions, prefix, cursor).await?;
    let kept = |(field, taken_at_s): (String, u64)| KeptClaim {
        partition,
        name: field.trim_start_matches(CLAIM_PREFIX).to_owned(),
        taken_at_s,
    };
    Ok((next, page.into_iter().map(kept).collect()))
}

/// The dead letters of a group.
pub(crate) async fn letters(
    connection: &mut SharedConnection,
    partition: Partition,
    group: &str,
) -> RedisResult<Vec<KeptLetter>> {
    let key = Keys::new(partition).dead_letters(group);
    let all = redis::cmd("XRANGE").arg(key).arg("-").arg("+").to_owned();
    let found: Vec<(String, Vec<(String, String)>)> = all.query_async(connection).await?;
    let letters = found.into_iter().filter_map(|(position, fields)| {
        Some(KeptLetter {
            partition,
            group: group.to_owned(),
            position: position.parse().ok()?,
            fields,
        })
    });
    Ok(letters.collect())
}

/// Asks for the end of each partition's stream: as many replies as there are partitions.
pub(crate) fn ask_ends(pipe: &mut Pipeline, partitions: Partitions) {
    for partition in partitions.all() {
        xinfo::ask_stream(pipe, &Keys::new(partition).events);
    }
}

/// The ends, by the replies.
pub(crate) fn ends(
    partitions: Partitions,
    replies: impl Iterator<Item = Value>,
) -> RedisResult<BTreeMap<Partition, StreamEnd>> {
    let ends = partitions.all().zip(replies).map(|(partition, reply)| {
        let xinfo::Stream { last, entries, .. } = xinfo::stream(reply)?;
        Ok((partition, StreamEnd { last, entries }))
    });
    ends.collect()
}

/// The shop's place in its archives, if it has any.
pub(crate) async fn archive_mark(
    connection: &mut SharedConnection,
) -> RedisResult<Option<ArchiveMark>> {
    let (shop, before_us): (Option<String>, Option<u64>) = redis::cmd("HMGET")
        .arg(ARCHIVE_KEY)
        .arg("shop")
        .arg("before_us")
        .query_async(connection)
        .await?;
    let before_us = before_us.unwrap_or_default();
    Ok(shop.map(|shop| ArchiveMark { shop, before_us }))
}

/// The entries of a partition after a position, up to an end, `count` at most; `None` if there are none.
pub(crate) async fn page(
    connection: &mut SharedConnection,
    partition: Partition,
    after: Position,
    end: Position,
    count: usize,
) -> RedisResult<Option<Page>> {
    let reply: Value = redis::cmd("XRANGE")
        .arg(Keys::new(partition).events)
        .arg(format!("({after}"))
        .arg(end.to_string())
        .arg("COUNT")
        .arg(count)
        .query_async(connection)
        .await?;
    let found = entries(partition, reply).unwrap_or_default();
    let last = found.last().map(Entry::position);
    Ok(last.map(|last| Page {
        entries: found.len() as u64,
        last,
        events: events_only(found),
    }))
}
