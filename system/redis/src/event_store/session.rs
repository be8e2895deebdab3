//! A consumer's own connection: reads its group's entries, unacknowledged ones first. A read under way survives the cancellation of its
//! caller, so that no delivered entry is lost. Knows the commands, not the lease under which they are sent.

use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::{Cmd, ErrorKind, Pipeline, RedisResult, Value};

use super::identity::ServerIdentity;
use super::retrying::{READ_GRACE_MS, bounded};
use crate::connection::{MultiplexedConnection, RedisLink};
use crate::shared_connection::SharedConnection;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;

/// Maximum pending entries claimed with one call.
const CLAIM_COUNT: usize = 1_000;

/// A consumer's place: stream, group, name and batch size.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub events: String,
    pub group: String,
    pub consumer: String,
    pub batch_max: usize,
}

/// A consumer's connection with the read that is under way on it.
pub(super) struct Session {
    connection: MultiplexedConnection,
    /// The server's id of this connection.
    id: ConnectionId,
    /// `None` if the server doesn't tell it.
    server: Option<ServerIdentity>,
    reading: Option<BoxFuture<'static, RedisResult<Value>>>,
}

/// A connection's number and name. The name proves that it is the same connection, as numbers start again with the server.
#[derive(Clone, Debug)]
pub(super) struct ConnectionId {
    number: u64,
    name: String,
}

impl Session {
    /// Connects, creates the group if it doesn't exist, and claims all entries that were delivered and never acknowledged. Ends the
    /// connection of an earlier session (`before`) first: a read that still blocks there would take entries that are never delivered.
    pub async fn open(
        link: &RedisLink,
        place: &Place,
        before: Option<&ConnectionId>,
    ) -> RedisResult<Self> {
        let work = async {
            let mut connection = link.dedicated_for(&place.events).await?;
            if let Some(before) = before {
                end_connection(&mut connection, before).await?;
            }
            let unique = uuid::Uuid::now_v7().simple();
            let name = format!("{}{unique}", name_of(&place.events, &place.group));
            let mut pipe = redis::pipe();
            pipe.cmd("CLIENT").arg("SETNAME").arg(&name).ignore();
            pipe.cmd("CLIENT").arg("ID");
            let (number,): (u64,) = pipe.query_async(&mut connection).await?;
            let server = ServerIdentity::read(&mut connection).await?;
            create_group(&mut connection, place).await?;
            claim_all(&mut connection, place).await?;
            Ok(Self {
                connection,
                id: ConnectionId { number, name },
                server,
                reading: None,
            })
        };
        bounded(Duration::from_millis(READ_GRACE_MS), work).await
    }

    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// The server that the connection leads to; `None` if it doesn't tell.
    pub fn server(&self) -> Option<&ServerIdentity> {
        self.server.as_ref()
    }

    /// Whether the stream has an entry at a position.
    pub async fn has_entry(&mut self, place: &Place, position: Position) -> RedisResult<bool> {
        let mut cmd = redis::cmd("XRANGE");
        let position = position.to_string();
        cmd.arg(&place.events).arg(&position).arg(&position);
        let read = cmd.query_async::<Vec<Value>>(&mut self.connection);
        let entries = bounded(Duration::from_millis(READ_GRACE_MS), read).await?;
        Ok(!entries.is_empty())
    }

    /// Reads this consumer's unacknowledged entries after a position, oldest first.
    pub async fn read_pending(&mut self, place: &Place, after: Position) -> RedisResult<Value> {
        let cmd = read_command(place, None, &after.to_string());
        let read = cmd.query_async(&mut self.connection);
        bounded(Duration::from_millis(READ_GRACE_MS), read).await
    }

    /// Acknowledges events on the connection that delivered them: a connection to the server after a restart would acknowledge what that may
    /// have lost the effects of. No read may be under way.
    pub async fn acknowledge(&mut self, xack: &Cmd) -> RedisResult<()> {
        let acknowledged = xack.query_async::<u64>(&mut self.connection);
        bounded(Duration::from_millis(READ_GRACE_MS), acknowledged).await?;
        Failpoint::EventsAcknowledged.pass();
        Ok(())
    }

    /// Waits at most `block` for new entries; nil if there are none. If it is cancelled, the next call resumes the read. `first` is sent before
    /// the read, in one round trip with it; it must be `None` while a read is under way.
    pub async fn read_new(
        &mut self,
        place: &Place,
        block: Duration,
        first: Option<Cmd>,
    ) -> RedisResult<Value> {
        let reading = self.reading.get_or_insert_with(|| {
            let mut pipe = Pipeline::with_capacity(2);
            if let Some(first) = first {
                pipe.add_command(first).ignore();
            }
            pipe.add_command(read_command(place, Some(block), ">"));
            let mut connection = self.connection.clone();
            Box::pin(async move {
                let limit = block + Duration::from_millis(READ_GRACE_MS);
                let read = pipe.query_async(&mut connection);
                let (entries,): (Value,) = bounded(limit, read).await?;
                Ok(entries)
            })
        });
        let result = reading.await;
        self.reading = None;
        result
    }

    /// Whether a read is under way that was cancelled.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Ends the read under way at the server; `false` if it may go on there. Entries that it delivered stay pending for the next session.
    pub async fn end(self, shared: SharedConnection, events: &str) -> bool {
        let Self { id, reading, .. } = self;
        if reading.is_some()
            && let Err(error) = end_connection(&mut shared.beside(events), &id).await
        {
            tracing::debug!(%error, "a read under way could not be ended; it ends by itself");
            return false;
        }
        true
    }
}

fn read_command(place: &Place, block: Option<Duration>, from: &str) -> redis::Cmd {
    let mut cmd = redis::cmd("XREADGROUP");
    cmd.arg("GROUP").arg(&place.group).arg(&place.consumer);
    cmd.arg("COUNT").arg(place.batch_max);
    if let Some(block) = block {
        // 0 would block without a limit.
        cmd.arg("BLOCK").arg(block.as_millis().max(1) as u64);
    }
    cmd.arg("STREAMS").arg(&place.events).arg(from);
    cmd
}

/// Creates the group at the topic's start, if it doesn't exist.
pub(super) async fn create_group(
    connection: &mut impl redis::aio::ConnectionLike,
    place: &Place,
) -> RedisResult<()> {
    let created: RedisResult<()> = redis::cmd("XGROUP")
        .arg("CREATE")
        .arg(&place.events)
        .arg(&place.group)
        .arg("0")
        .arg("MKSTREAM")
        .query_async(connection)
        .await;
    match created {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}

/// Claims all pending entries of the group for this consumer: under the lease, no other consumer is active.
async fn claim_all(connection: &mut MultiplexedConnection, place: &Place) -> RedisResult<()> {
    let mut cursor = String::from("0-0");
    loop {
        let reply: Value = redis::cmd("XAUTOCLAIM")
            .arg(&place.events)
            .arg(&place.group)
            .arg(&place.consumer)
            .arg(0)
            .arg(&cursor)
            .arg("COUNT")
            .arg(CLAIM_COUNT)
            .arg("JUSTID")
            .query_async(connection)
            .await?;
        let Value::Array(parts) = reply else {
            return Err((ErrorKind::UnexpectedReturnType, "XAUTOCLAIM").into());
        };
        let next = parts.into_iter().next().unwrap_or_default();
        cursor = redis::from_redis_value(next)?;
        if cursor == "0-0" {
            return Ok(());
        }
    }
}

/// How the names begin of the connections on which a group reads a stream. Groups whose names differ only in what no connection's name may
/// have share it.
fn name_of(events: &str, group: &str) -> String {
    let group = group.replace(|c: char| !c.is_ascii_graphic(), "_");
    format!("subscription:{events}:{group}:")
}

/// Ends the sessions of a group, which begin anew and take what is pending. Whoever is active remains so.
pub(super) async fn end_sessions(
    connection: &mut impl redis::aio::ConnectionLike,
    events: &str,
    group: &str,
) -> RedisResult<()> {
    let named = format!(" name={}", name_of(events, group));
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(connection)
        .await?;
    let theirs = clients.lines().filter(|client| client.contains(&named));
    let numbers = theirs.filter_map(|client| client.strip_prefix("id=")?.split(' ').next());
    for number in numbers {
        kill(connection, number).await?;
    }
    Ok(())
}

async fn end_connection(
    connection: &mut impl redis::aio::ConnectionLike,
    id: &ConnectionId,
) -> RedisResult<()> {
    let listed: String = redis::cmd("CLIENT")
        .arg("LIST")
        .arg("ID")
        .arg(id.number)
        .query_async(connection)
        .await?;
    match listed.contains(&id.name) {
        true => kill(connection, id.number).await,
        false => Ok(()),
    }
}

async fn kill(
    connection: &mut impl redis::aio::ConnectionLike,
    number: impl redis::ToRedisArgs,
) -> RedisResult<()> {
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("ID").arg(number);
    kill.query_async::<u64>(connection).await.map(drop)
}
