//! The event store on Redis Streams: one stream and one writer a partition, and consumer groups for subscribers. Knows keys and commands; not
//! the meaning of events, nor who appends them.

mod acknowledgement;
pub mod archiving;
pub(crate) mod backing_up;
mod causes;
mod commit;
mod config;
pub(crate) mod dead_letters;
mod entry;
mod fence;
mod follower;
mod forwarder;
mod forwarding;
mod groups;
mod identity;
mod inbox;
mod inlet;
mod keys;
mod lags;
mod lease;
mod ledger;
mod members;
mod projection_letters;
mod projection_subscription;
pub(crate) mod putting_back;
mod readings;
mod reads;
mod receiver;
pub mod restoring;
mod retrying;
mod session;
mod share;
mod standing_by;
mod subscription;
mod takeover;
mod turn;
mod usage;
mod version_cache;
mod writer;
mod xinfo;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::acknowledgement::Acknowledger;
use self::causes::TermsBegan;
pub use self::config::EventStoreConfig;
use self::entry::{Entry, entries_of_read, events_only};
use self::follower::Followers;
use self::forwarder::Forwarder;
use self::inlet::{Inlet, check_transaction};
use self::keys::{Keys, WRITER};
use self::lags::Lags;
use self::members::MembersHere;
pub use self::projection_letters::ProjectionLetters;
use self::projection_subscription::ProjectionSubscription;
use self::readings::Readings;
use self::reads::{Reads, unavailable, understood};
use self::session::Place;
use self::share::Share;
use self::subscription::{DeliveryProgress, RedisSubscription};
use self::turn::Turn;
use self::writer::{Writer, WriterMetrics};
use crate::applied::{AppliedWatch, Channels};
use crate::connection::RedisLink;
use crate::metrics::AppendMetrics;
use crate::shared_connection::SharedConnection;
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{
    Appended, Applied, EventStore, EventStoreError, EventSubscription, GroupStatus, READ_MODEL,
    RecordedEvent, ServerUsage, SubscribeRequest, Transaction,
};
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;

/// The maximum number of events that one read or batch may ask for.
const READ_MAX: usize = 10_000;

/// The event store on Redis. Of several on one Redis one leads each partition: the others hand on to it, and replace it when it is gone. Where there
/// are several partitions, the stores share them.
pub struct RedisEventStore {
    link: RedisLink,
    config: Arc<EventStoreConfig>,
    reads: Reads,
    inlets: Vec<Inlet>,
    /// The connection for reads, acknowledgements and dead letters.
    shared: SharedConnection,
    /// The connection for leases only: a long reply on another connection must not delay their renewal.
    leases: SharedConnection,
    followers: Followers,
    applied: AppliedWatch,
    lags: Lags,
    readings: Readings,
    members: MembersHere,
    closing: CancellationToken,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisEventStore {
    /// Starts a writer for every partition. Redis need not run yet: until it does, calls wait or fail as unavailable.
    pub fn start(link: RedisLink, metrics: &AppendMetrics, config: EventStoreConfig) -> Arc<Self> {
        let config = Arc::new(config);
        let shared = link.shared();
        let leases = link.shared();
        let answers = link.shared();
        let closing = CancellationToken::new();
        let partitions = config.partitions;
        let keys: Vec<Keys> = partitions.all().map(Keys::new).collect();
        let owner = uuid::Uuid::now_v7().simple().to_string();
        let published_us = Arc::default();
        let began = TermsBegan::none(partitions);
        let members = MembersHere::default();
        let mut inlets = Vec::new();
        let mut writers = Vec::new();
        for partition in partitions.all() {
            let (inlet, inbox) = inlet::open(partition, &config);
            let keys = keys[partition.index()].clone();
            let forwarder = Forwarder::new(
                link.clone(),
                Arc::clone(&config),
                partition,
                keys.clone(),
                &owner,
            );
            let writer = Writer {
                link: link.clone(),
                config: Arc::clone(&config),
                partition,
                share: share(&config, &members, &leases, (WRITER, partition, &owner)),
                keys,
                answers: answers.clone(),
                owner: owner.clone(),
                inbox,
                inlet: inlet.clone(),
                forwarder,
                closing: closing.clone(),
                metrics: WriterMetrics::new(metrics, partition),
                known: Position::START,
                began: began.clone(),
                published_us: Arc::clone(&published_us),
            };
            inlets.push(inlet);
            writers.push(tokio::spawn(writer.run()));
        }
        Arc::new(Self {
            followers: Followers::new(link.clone(), config.follow_connections()),
            applied: AppliedWatch::of_applied(
                link.clone(),
                partitions,
                shared.clone(),
                closing.clone(),
            ),
            lags: Lags::default(),
            readings: Readings::default(),
            members,
            link,
            reads: Reads {
                keys,
                shared: shared.clone(),
                config: Arc::clone(&config),
            },
            config,
            inlets,
            shared,
            leases,
            closing,
            writers: Mutex::new(writers),
        })
    }
}

/// The share of a consumer in a partition, or of a store ([`WRITER`]).
fn share(
    config: &EventStoreConfig,
    members: &MembersHere,
    leases: &SharedConnection,
    (group, partition, name): (&str, Partition, &str),
) -> Share {
    let whose = (group, partition.topic, name);
    let is_shared = config.partitions != Partitions::ONE;
    Share {
        leases: leases.clone(),
        lease_key: Keys::new(partition).group_lease(group),
        lease_ttl: config.lease_ttl(),
        members: is_shared.then(|| members.of(leases, whose, config.lease_ttl())),
        number: partition.number,
        untaken: None,
    }
}

fn check_limit(name: &str, limit: usize) -> Result<(), EventStoreError> {
    if (1..=READ_MAX).contains(&limit) {
        return Ok(());
    }
    Err(EventStoreError::Invalid(format!(
        "{name} must be 1 to {READ_MAX}; it is {limit}"
    )))
}

#[async_trait]
impl EventStore for RedisEventStore {
    fn partitions(&self) -> Partitions {
        self.config.partitions
    }

    async fn append(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Appended>, EventStoreError> {
        if self.closing.is_cancelled() {
            return Err(EventStoreError::Closed);
        }
        transactions.iter().try_for_each(check_transaction)?;
        for transaction in &transactions {
            self.reads.keys(transaction.partition)?;
        }
        let Some(first) = transactions.first().map(|t| t.partition) else {
            return Ok(Vec::new());
        };
        if transactions.iter().all(|t| t.partition == first) {
            return self.inlets[first.index()].append(transactions).await;
        }
        let order: Vec<Partition> = transactions.iter().map(|t| t.partition).collect();
        let mut by_partition: BTreeMap<Partition, Vec<Transaction>> = BTreeMap::new();
        for transaction in transactions {
            let those = by_partition.entry(transaction.partition).or_default();
            those.push(transaction);
        }
        let calls = by_partition.into_iter().map(async |(partition, those)| {
            let answers = self.inlets[partition.index()].append(those).await?;
            Ok::<_, EventStoreError>((partition, answers.into_iter()))
        });
        let answers = futures_util::future::try_join_all(calls).await?;
        let mut answers: BTreeMap<_, _> = answers.into_iter().collect();
        let answered = order.into_iter();
        Ok(answered
            .filter_map(|partition| answers.get_mut(&partition)?.next())
            .collect())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequest,
    ) -> Result<Box<dyn EventSubscription>, EventStoreError> {
        if self.closing.is_cancelled() {
            return Err(EventStoreError::Closed);
        }
        check_limit("batch_max", request.batch_max)?;
        if request.group == WRITER || request.group.is_empty() || request.consumer.is_empty() {
            return Err(EventStoreError::Invalid(format!(
                "a group and a consumer must have a name, and no group may be named {WRITER:?}"
            )));
        }
        let partition = request.partition;
        let keys = self.reads.keys(partition)?;
        let whose = (&*request.group, partition, &*request.consumer);
        let turn = Turn {
            share: share(&self.config, &self.members, &self.leases, whose),
            consumer: request.consumer.clone(),
            config: Arc::clone(&self.config),
            lease: None,
        };
        let lag = self.lags.of(&request.group, partition);
        if request.group == READ_MODEL {
            return Ok(Box::new(ProjectionSubscription {
                link: self.link.clone(),
                partition,
                events: keys.events.clone(),
                batch_max: request.batch_max,
                turn,
                lag,
                readings: self.readings.clone(),
                shared: self.shared.clone(),
                closing: self.closing.clone(),
                session: None,
                epoch: Epoch::default(),
                channel: Channels::of(&self.link, partition).applied,
                told: None,
                unhandled: Vec::new(),
            }));
        }
        let place = Place {
            events: keys.events.clone(),
            group: request.group,
            consumer: request.consumer,
            batch_max: request.batch_max,
        };
        // Creates the group now, so that its backlog counts from now on. If Redis is away, the first session creates it.
        if let Err(error) = session::create_group(&mut self.shared.clone(), &place).await {
            tracing::warn!(topic = %partition, group = place.group, %error, "the consumer group can't be created yet; the first session creates it");
        }
        Ok(Box::new(RedisSubscription {
            link: self.link.clone(),
            partition,
            turn,
            acknowledger: Acknowledger {
                events: keys.events.clone(),
                group: place.group.clone(),
                dead_letters: keys.dead_letters(&place.group),
                shared: self.shared.clone(),
                retry_max_ms: self.config.ack_retry_max_ms,
            },
            lag,
            place,
            shared: self.shared.clone(),
            closing: self.closing.clone(),
            delivery: DeliveryProgress::default(),
        }))
    }

    async fn read(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        check_limit("limit", limit)?;
        self.reads.after(partition, after, limit).await
    }

    async fn claimed(&self, topic: Topic, claim: &str) -> Result<Vec<Partition>, EventStoreError> {
        self.reads.claimed(topic, claim).await
    }

    async fn last_position(&self, partition: Partition) -> Result<Position, EventStoreError> {
        self.reads.last_position(partition).await
    }

    async fn follow(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
        wait_max: Duration,
    ) -> Result<Vec<RecordedEvent>, EventStoreError> {
        check_limit("limit", limit)?;
        let key = &self.reads.keys(partition)?.events;
        let (began, mut after) = (Instant::now(), after);
        loop {
            let left = wait_max.saturating_sub(began.elapsed());
            let reading = self.followers.read(key, after, limit, left);
            let reply = self
                .closing
                .run_until_cancelled(reading)
                .await
                .ok_or(EventStoreError::Closed)?
                .map_err(unavailable)?;
            let found = understood(entries_of_read(partition, reply))?;
            let last = found.last().map(Entry::position);
            let events = events_only(found);
            match last {
                Some(last) if events.is_empty() => after = last,
                _ => return Ok(events),
            }
        }
    }

    async fn applied(
        &self,
        after: &Positions,
        wait_max: Duration,
    ) -> Result<Applied, EventStoreError> {
        let waiting = self.applied.beyond(after, wait_max);
        let told = self.closing.run_until_cancelled(waiting).await;
        let away = || EventStoreError::Unavailable("Redis tells no positions".to_owned());
        told.ok_or(EventStoreError::Closed)?.ok_or_else(away)
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, EventStoreError> {
        let read = || groups::statuses(self.shared.clone(), self.config.partitions, &self.readings);
        let mut statuses = self.reads.retried(read).await?;
        for status in &mut statuses {
            status.lag = self.lags.now(&status.group, status.partition);
        }
        Ok(statuses)
    }

    async fn server_usage(&self) -> Result<Option<ServerUsage>, EventStoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("default").arg("commandstats");
        let read = || async { self.shared.clone().send_to_each(&info).await };
        let mut all: Option<ServerUsage> = None;
        for reply in self.reads.retried(read).await? {
            let info: String = redis::from_redis_value(reply)
                .map_err(|e| EventStoreError::Unavailable(e.to_string()))?;
            let Some(usage) = usage::usage(&info) else {
                return Ok(None);
            };
            all = Some(match all {
                None => usage,
                Some(before) => usage::sum(before, usage),
            });
        }
        Ok(all)
    }

    /// Writes the transactions that wait, and releases the writers' leases, so that another event store takes over at once. The leases of
    /// subscriptions are released when they are dropped.
    async fn close(&self) {
        self.closing.cancel();
        let writers =
            std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        for writer in writers {
            if let Err(error) = writer.await {
                tracing::error!(%error, "a writer ended with an error");
            }
        }
    }
}

impl Drop for RedisEventStore {
    /// Ends the writers of a store that is no longer used.
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
