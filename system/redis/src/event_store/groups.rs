//! The progress of the consumer groups and of the read model. Knows where each is kept, not what is done with it.

use redis::RedisResult;
use redis::aio::ConnectionLike;

use super::keys::Keys;
use super::readings::{Readings, entries_after};
use super::xinfo;
use crate::applied::position_key;
use crate::shared_connection::SharedConnection;
use ordershop_contract::event_lag::LagHistogram;
use ordershop_contract::event_store::{GroupStatus, READ_MODEL};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;

/// Reads the status of every partition's groups, in two round trips. The read model's is told by what is read in this process, else by its position.
pub(super) async fn statuses(
    mut connection: SharedConnection,
    partitions: Partitions,
    readings: &Readings,
) -> RedisResult<Vec<GroupStatus>> {
    let mut pipe = redis::pipe();
    let all = || partitions.all();
    let keys: Vec<Keys> = all().map(Keys::new).collect();
    let readings: Vec<_> = all().map(|of| readings.of(of)).collect();
    for ((partition, keys), reading) in all().zip(&keys).zip(&readings) {
        xinfo::ask_groups(&mut pipe, &keys.events);
        match reading {
            Some(_) => xinfo::ask_stream(&mut pipe, &keys.events),
            None => drop(pipe.cmd("GET").arg(position_key(partition))),
        }
    }
    let replies = connection.req_packed_commands(&pipe, 0, 2 * keys.len());
    let mut replies = replies.await?.into_iter();
    let mut statuses = Vec::new();
    for (partition, reading) in all().zip(readings) {
        let groups = xinfo::groups(replies.next().unwrap_or_default())?;
        let late = |group: &xinfo::Group| group.lag.is_some_and(|lag| lag > 0);
        let last = match groups.iter().any(late) {
            true => {
                let events = &keys[partition.index()].events;
                xinfo::read_stream(&mut connection, events).await?.last
            }
            false => Position::END,
        };
        statuses.extend(groups.into_iter().map(|group| GroupStatus {
            group: group.name,
            // A replica counts what it was told, which is less than what was read: as the next master it would tell of a backlog for ever.
            undelivered: group.lag.map(|lag| match group.delivered >= last {
                true => 0,
                false => lag,
            }),
            delivered: group.read,
            pending: group.pending,
            ..unknown(partition)
        }));
        let reply = replies.next().unwrap_or_default();
        let events = &keys[partition.index()].events;
        let mut status = GroupStatus {
            group: READ_MODEL.to_owned(),
            ..unknown(partition)
        };
        if let Some(reading) = reading {
            status.undelivered = Some(
                xinfo::stream(reply)?
                    .added
                    .saturating_sub(reading.delivered),
            );
            status.delivered = Some(reading.delivered);
            status.pending = reading.pending;
        } else if let Some(kept) =
            redis::from_redis_value::<Option<String>>(reply.extract_error()?)?
        {
            let position = kept.parse().unwrap_or(Position::START);
            status.undelivered = Some(entries_after(&mut connection, events, position).await?);
        }
        statuses.push(status);
    }
    let mut pipe = redis::pipe();
    for status in &statuses {
        pipe.cmd("XLEN")
            .arg(keys[status.partition.index()].dead_letters(&status.group));
    }
    let lengths: Vec<u64> = pipe.query_async(&mut connection).await?;
    for (status, length) in statuses.iter_mut().zip(lengths) {
        status.dead_letters = length;
    }
    // No read model has come to those.
    let is_nothing =
        |status: &GroupStatus| status.group == READ_MODEL && status.undelivered.is_none();
    statuses.retain(|status| !is_nothing(status) || status.dead_letters > 0);
    Ok(statuses)
}

fn unknown(partition: Partition) -> GroupStatus {
    GroupStatus {
        group: String::new(),
        partition,
        undelivered: None,
        delivered: None,
        pending: 0,
        dead_letters: 0,
        lag: LagHistogram::default(),
    }
}
