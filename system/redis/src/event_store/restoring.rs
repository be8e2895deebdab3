//! Puts events back into streams that nobody writes: each partition's stream is written anew beside the old one and takes its place in one
//! transaction. Knows the commands, not where the events come from.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};

use super::entry::{Entry, entries, recorded_xadd};
use super::keys::{Keys, WRITER};
use super::lease::Lease;
use super::ledger::claim_key;
use super::xinfo::{self, Group};
use crate::connection::{MultiplexedConnection, RedisLink};
use ordershop_contract::event_store::{Claim, RecordedEvent};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;

/// A lease is renewed at the latest after this time; a shop that starts meanwhile stands by.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// Entries that are read or written with one call.
const BATCH: usize = 1_000;

/// The shop's streams while no writer but this one may write.
pub struct Restoration {
    partitions: Partitions,
    /// One a partition.
    connections: Vec<MultiplexedConnection>,
    leases: Vec<Lease>,
}

/// Why a stream can't be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestorationError {
    /// Redis is away, or refuses a command.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    /// A shop runs.
    #[error("a shop runs on this Redis; stop it first")]
    ShopRuns,
    /// A group has work under way.
    #[error(
        "{group} has not acknowledged {pending} events of topic {partition}; start the shop, let it finish, and stop it"
    )]
    Pending {
        /// The group.
        group: String,
        /// The partition.
        partition: Partition,
        /// How many.
        pending: u64,
    },
    /// The archive is of another history.
    #[error(
        "the shop has another event at position {position} of topic {partition}: the archive is not of this shop"
    )]
    OtherEvent {
        /// The partition.
        partition: Partition,
        /// The position.
        position: Position,
    },
    /// A lease ran out.
    #[error(
        "a lease was lost while the streams were written; nothing of topic {0} was changed, repeat it"
    )]
    LeaseLost(Partition),
}

/// A stream that is written anew.
pub struct NewStream {
    partition: Partition,
    keys: Keys,
    name: String,
    groups: Vec<(Group, u64)>,
    waiting: Pipeline,
    waiting_entries: usize,
    /// The end of the page of the old stream that was read last, `None` at its end.
    unread: Option<Position>,
    page: std::collections::VecDeque<(Position, Vec<Value>)>,
    written: u64,
    last: Position,
}

impl NewStream {
    /// Takes the next entry of the old stream if its position fits.
    fn next_if(&mut self, fits: impl Fn(Position) -> bool) -> Option<(Position, Vec<Value>)> {
        let (position, _) = self.page.front()?;
        if fits(*position) {
            return self.page.pop_front();
        }
        None
    }
}

impl Restoration {
    /// Takes the writer's place in every partition.
    ///
    /// # Errors
    /// A shop runs, or Redis is away.
    pub async fn begin(link: &RedisLink, partitions: Partitions) -> Result<Self, RestorationError> {
        let owner = uuid::Uuid::now_v7().simple().to_string();
        let mut leases = Vec::new();
        for partition in partitions.all() {
            let lease = Keys::new(partition).group_lease(WRITER);
            let taken = Lease::acquire(link.shared(), &lease, &owner, LEASE_TTL).await?;
            match taken {
                Some(lease) => leases.push(lease),
                None => {
                    for lease in leases {
                        lease.release().await;
                    }
                    return Err(RestorationError::ShopRuns);
                }
            }
        }
        let mut connections = Vec::new();
        for partition in partitions.all() {
            let events = Keys::new(partition).events;
            connections.push(link.dedicated_for(&events).await?);
        }
        Ok(Self {
            partitions,
            connections,
            leases,
        })
    }

    /// How many partitions each topic has.
    #[must_use]
    pub const fn partitions(&self) -> Partitions {
        self.partitions
    }

    /// Whether no partition has a stream.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn is_empty(&mut self) -> RedisResult<bool> {
        for partition in self.partitions.all() {
            let mut exists = redis::cmd("EXISTS");
            exists.arg(Keys::new(partition).versions);
            let connection = &mut self.connections[partition.index()];
            if exists.query_async(connection).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Begins to write a partition's stream anew. If it has no groups yet, it gets those of `groups_of`, each with what it has handled.
    ///
    /// # Errors
    /// A group has work under way, or Redis is away.
    pub async fn rewrite(
        &mut self,
        partition: Partition,
        groups_of: &BTreeMap<String, Position>,
    ) -> Result<NewStream, RestorationError> {
        let keys = Keys::new(partition);
        let name = keys.restoring();
        let unlink = redis::cmd("UNLINK").arg(&name).to_owned();
        let connection = &mut self.connections[partition.index()];
        unlink.exec_async(connection).await?;
        let mut there = xinfo::read_groups(connection, &keys.events).await?;
        if let Some(busy) = there.iter().find(|group| group.pending > 0) {
            return Err(RestorationError::Pending {
                group: busy.name.clone(),
                partition,
                pending: busy.pending,
            });
        }
        if there.is_empty() {
            there.extend(groups_of.iter().map(|(name, delivered)| Group {
                name: name.clone(),
                pending: 0,
                delivered: *delivered,
                read: None,
                lag: None,
            }));
        }
        Ok(NewStream {
            partition,
            keys,
            name,
            groups: there.into_iter().map(|group| (group, 0)).collect(),
            waiting: redis::pipe(),
            waiting_entries: 0,
            unread: Some(Position::START),
            page: std::collections::VecDeque::new(),
            written: 0,
            last: Position::START,
        })
    }

    /// Puts an event of the archive in its place; entries of the old stream before it are written first, of the events those that
    /// it `keeps`.
    ///
    /// # Errors
    /// The old stream has another event there, or Redis is away.
    pub async fn put(
        &mut self,
        stream: &mut NewStream,
        event: &RecordedEvent,
        mut keeps: impl FnMut(&RecordedEvent) -> bool,
    ) -> Result<(), RestorationError> {
        self.keep_before(stream, Some(event.position), &mut keeps)
            .await?;
        if let Some((position, fields)) = stream.next_if(|at| at == event.position) {
            let same = matches!(one(stream.partition, position, fields), Some(old) if old.event_id == event.event_id);
            if !same {
                return Err(RestorationError::OtherEvent {
                    partition: stream.partition,
                    position,
                });
            }
        }
        let add = recorded_xadd(&stream.name, event);
        self.write(stream, event.position, add).await?;
        Ok(())
    }

    /// Puts an event of a backup in its place, and writes its aggregate's version and its claims: in a Redis that is marked as not yet whole,
    /// in which nothing else is in the stream's place.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn put_whole(
        &mut self,
        stream: &mut NewStream,
        event: &RecordedEvent,
        claim: Option<Claim>,
    ) -> Result<(), RestorationError> {
        let versions = &stream.keys.versions;
        let set = stream.waiting.cmd("HSET").arg(versions);
        set.arg(event.entity_id.as_str()).arg(event.version);
        match claim {
            Some(Claim::Take(name)) => {
                let taken_at_s = event.published_at_us / 1_000_000;
                set.arg(claim_key(&name)).arg(taken_at_s);
            }
            Some(Claim::Release(name)) => {
                let release = stream.waiting.cmd("HDEL").arg(versions);
                release.arg(claim_key(&name));
            }
            None => {}
        }
        self.put(stream, event, |_| true).await
    }

    /// Writes what is left of the old stream, of the events those that it `keeps`.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn rest(
        &mut self,
        stream: &mut NewStream,
        mut keeps: impl FnMut(&RecordedEvent) -> bool,
    ) -> RedisResult<()> {
        self.keep_before(stream, None, &mut keeps).await?;
        self.flush(stream).await
    }

    async fn keep_before(
        &mut self,
        stream: &mut NewStream,
        before: Option<Position>,
        keeps: &mut impl FnMut(&RecordedEvent) -> bool,
    ) -> RedisResult<()> {
        loop {
            let is_due = |at| before.is_none_or(|before| at < before);
            if let Some((position, fields)) = stream.next_if(is_due) {
                let event = one(stream.partition, position, fields.clone());
                if event.is_none_or(|event| keeps(&event)) {
                    let mut add = redis::cmd("XADD");
                    add.arg(&stream.name).arg(position.to_string());
                    for field in fields {
                        let field: Vec<u8> = redis::from_redis_value(field)?;
                        add.arg(field);
                    }
                    self.write(stream, position, add).await?;
                }
                continue;
            }
            let (true, Some(after)) = (stream.page.is_empty(), stream.unread) else {
                return Ok(());
            };
            let page: Vec<(String, Vec<Value>)> = redis::cmd("XRANGE")
                .arg(&stream.keys.events)
                .arg(format!("({after}"))
                .arg("+")
                .arg("COUNT")
                .arg(BATCH)
                .query_async(&mut self.connections[stream.partition.index()])
                .await?;
            stream.page = page
                .into_iter()
                .filter_map(|(position, fields)| Some((position.parse().ok()?, fields)))
                .collect();
            stream.unread = stream.page.back().map(|(position, _)| *position);
        }
    }

    async fn write(
        &mut self,
        stream: &mut NewStream,
        position: Position,
        add: redis::Cmd,
    ) -> RedisResult<()> {
        stream.waiting.add_command(add).ignore();
        stream.waiting_entries += 1;
        stream.written += 1;
        stream.last = position;
        for (group, read) in &mut stream.groups {
            *read += u64::from(position <= group.delivered);
        }
        if stream.waiting_entries >= BATCH {
            self.flush(stream).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, stream: &mut NewStream) -> RedisResult<()> {
        if stream.waiting_entries > 0 {
            let waiting = std::mem::take(&mut stream.waiting);
            stream.waiting_entries = 0;
            let connection = &mut self.connections[stream.partition.index()];
            waiting.exec_async(connection).await?;
        }
        Ok(())
    }

    /// Puts a new stream in the place of the old one, with the versions of what came back and the claims that are held by it, and without
    /// the keys in `cache`, which are made of the stream.
    ///
    /// # Errors
    /// A lease was lost, or Redis is away.
    pub async fn replace(
        &mut self,
        stream: NewStream,
        versions: &HashMap<String, u64>,
        claims: &[String],
        cache: &[String],
    ) -> Result<(), RestorationError> {
        let partition = stream.partition;
        let lease = &self.leases[partition.index()];
        if !lease.is_held_for(LEASE_TTL / 2).await {
            return Err(RestorationError::LeaseLost(partition));
        }
        if stream.written == 0 {
            return Ok(());
        }
        let keys = &stream.keys;
        let connection = &mut self.connections[partition.index()];
        let old_last = xinfo::read_stream(connection, &keys.events).await?.last;
        let mut pipe = redis::pipe();
        pipe.atomic();
        // Whoever led before must not go on with what it remembers.
        pipe.cmd("INCR").arg(&keys.fence).ignore();
        let last = stream.last.max(old_last);
        pipe.cmd("XSETID")
            .arg(&stream.name)
            .arg(last.to_string())
            .ignore();
        for (group, read) in &stream.groups {
            pipe.cmd("XGROUP").arg("CREATE").arg(&stream.name);
            pipe.arg(&group.name)
                .arg(group.delivered.min(last).to_string());
            pipe.arg("ENTRIESREAD").arg(*read).ignore();
        }
        pipe.cmd("RENAME")
            .arg(&stream.name)
            .arg(&keys.events)
            .ignore();
        let taken_s = ordershop_contract::clock::now_us() / 1_000_000;
        let claims = claims.iter().map(|claim| (claim_key(claim), taken_s));
        let versions = versions.iter().map(|(id, version)| (id.clone(), *version));
        let fields: Vec<(String, u64)> = versions.chain(claims).collect();
        for fields in fields.chunks(BATCH) {
            pipe.cmd("HSET").arg(&keys.versions).arg(fields).ignore();
        }
        pipe.cmd("UNLINK").arg(cache).ignore();
        pipe.exec_async(connection).await?;
        Ok(())
    }

    /// Leaves the writer's place.
    pub async fn end(self) {
        for lease in self.leases {
            lease.release().await;
        }
    }
}

/// An entry as an event, if it is one.
fn one(partition: Partition, position: Position, fields: Vec<Value>) -> Option<RecordedEvent> {
    let id = Value::BulkString(position.to_string().into_bytes());
    let reply = Value::Array(vec![Value::Array(vec![id, Value::Array(fields)])]);
    match entries(partition, reply)?.pop()? {
        Entry::Event(event) => Some(event),
        _ => None,
    }
}
