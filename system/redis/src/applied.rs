//! How far the read model has applied the partitions. A projection publishes its partition's position when events are applied, and again when they are
//! written, so that nobody has to ask again: whoever waits subscribes, as long as somebody waits. Knows where positions are kept and how they
//! are told, not what is applied.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::{Cmd, ErrorKind, RedisResult};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::connection::RedisLink;
use crate::listener::Message;
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::now_us;
use ordershop_contract::event_store::Applied;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::{BadPosition, Position, Positions, Projected};

/// Interval between looks whether somebody still waits and whether the connection still answers.
const LOOK: Duration = Duration::from_secs(1);
/// Most batches with events of sampled requests that are remembered: more than are applied between two waits.
const BATCHES_MAX: usize = 256;

/// The key of the position up to which a partition's events are applied.
#[must_use]
pub fn position_key(partition: impl Into<Partition>) -> String {
    format!("position:{{{}}}", partition.into())
}

/// The position that is kept there; without one the cache is empty.
///
/// # Errors
/// It is something else.
pub fn position_of(kept: Option<String>) -> RedisResult<Position> {
    let odd = |error: BadPosition| (ErrorKind::UnexpectedReturnType, "a position", error.0).into();
    kept.map_or(Ok(Position::START), |text| text.parse().map_err(odd))
}

/// The sharded channels of a partition's positions in a database. They have the slot of the partition's keys, and belong to all databases of a server.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Tells what queries see where it is projected.
    pub applied: String,
    /// Tells what is written: what every read model sees.
    pub written: String,
}

impl Channels {
    /// The channels of a partition in the link's database.
    #[must_use]
    pub fn of(link: &RedisLink, partition: impl Into<Partition>) -> Self {
        let applied = format!("applied:{}:{{{}}}", link.database(), partition.into());
        Self {
            written: format!("{applied}:written"),
            applied,
        }
    }
}

/// The message that a partition is applied up to a position; `received_at_us` says when its events came, if one of them is of a sampled request.
#[must_use]
pub fn message(
    channel: &str,
    partition: Partition,
    position: Position,
    received_at_us: Option<u64>,
) -> Cmd {
    let mut text = Positions::of(partition, position).to_string();
    if let Some(at) = received_at_us {
        text.push_str(&format!(" {at}"));
    }
    let mut publish = redis::cmd("SPUBLISH");
    publish.arg(channel).arg(text);
    publish
}

/// What has been heard since the subscription began.
#[derive(Debug, Default)]
struct Heard {
    /// `None` while nothing is subscribed.
    positions: Option<Positions>,
    /// The latest batches with events of sampled requests.
    batches: VecDeque<Projected>,
}

impl Heard {
    /// Takes positions that are reached at least, and returns whether they say anything new.
    fn raise(&mut self, kept: &Positions) -> bool {
        let positions = self.positions.get_or_insert_default();
        let is_news = kept.is_beyond(positions);
        positions.merge(kept);
        is_news
    }

    /// Takes a message's position, and returns whether it says anything new. On a channel of `latest`, one below the last shows that the topic is
    /// projected anew; on any other it is one that was reached before.
    fn take(&mut self, message: &Message, latest: &[String], at_us: u64) -> bool {
        let is_latest = latest.contains(&message.channel);
        let (moved, received_at_us) = match message.text.split_once(' ') {
            Some((moved, at)) => (moved, at.parse().ok()),
            None => (&*message.text, None),
        };
        let moved: Positions = moved.parse().unwrap_or_default();
        let positions = self.positions.get_or_insert_default();
        let mut is_news = received_at_us.is_some();
        for (partition, to) in moved.iter() {
            let before = positions.get(partition);
            if is_latest {
                positions.set(partition, to);
            } else {
                positions.raise(partition, to);
            }
            is_news |= positions.get(partition) != before;
            if let Some(received_at_us) = received_at_us {
                if self.batches.len() == BATCHES_MAX {
                    self.batches.pop_front();
                }
                self.batches.push_back(Projected {
                    partition,
                    to,
                    received_at_us,
                    applied_at_us: at_us,
                });
            }
        }
        is_news
    }
}

/// Waits for positions, for all who wait in this process. It is subscribed while somebody waits, and otherwise costs nothing.
#[derive(Clone, Debug)]
pub struct AppliedWatch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: RedisLink,
    partitions: Partitions,
    connection: SharedConnection,
    /// The channels that tell the positions that are waited for.
    latest: Vec<String>,
    /// Those that tell what is reached at least.
    least: Vec<String>,
    heard: watch::Sender<Heard>,
    /// Signals that somebody has begun to wait.
    asked: Notify,
}

impl AppliedWatch {
    /// Waits for positions that are applied, until `stop` is cancelled. What was applied before it listens is not told as applied again, so it
    /// also listens to what is written. Must be called in a tokio runtime.
    #[must_use]
    pub fn of_applied(
        link: RedisLink,
        partitions: Partitions,
        connection: SharedConnection,
        stop: CancellationToken,
    ) -> Self {
        let channels = partitions.all().map(|of| Channels::of(&link, of));
        let channels = channels.map(|of| (of.applied, of.written)).unzip();
        Self::start((link, partitions), connection, channels, stop)
    }

    /// Waits for positions that are written, until `stop` is cancelled. Must be called in a tokio runtime.
    #[must_use]
    pub fn of_written(
        link: RedisLink,
        partitions: Partitions,
        connection: SharedConnection,
        stop: CancellationToken,
    ) -> Self {
        let channels = partitions.all().map(|of| Channels::of(&link, of).written);
        let channels = (channels.collect(), Vec::new());
        Self::start((link, partitions), connection, channels, stop)
    }

    /// Reads positions over `connection`, and listens over one of its own to each server.
    fn start(
        (link, partitions): (RedisLink, Partitions),
        connection: SharedConnection,
        (latest, least): (Vec<String>, Vec<String>),
        stop: CancellationToken,
    ) -> Self {
        let watch = Self(Arc::new(Inner {
            link,
            partitions,
            connection,
            latest,
            least,
            heard: watch::Sender::default(),
            asked: Notify::new(),
        }));
        let inner = Arc::clone(&watch.0);
        tokio::spawn(stop.run_until_cancelled_owned(async move { inner.listen().await }));
        watch
    }

    /// Waits until a partition is applied beyond `after`, at most `wait_max`; returns how far each is applied, or `None` if Redis is away.
    pub async fn beyond(&self, after: &Positions, wait_max: Duration) -> Option<Applied> {
        let mut heard = self.0.heard.subscribe();
        self.0.asked.notify_one();
        let moved = heard.wait_for(|heard| {
            let now = heard.positions.as_ref();
            now.is_some_and(|now| now.is_beyond(after))
        });
        // If none moved in time, the present ones are the answer.
        let _ = tokio::time::timeout(wait_max, moved).await;
        let heard = self.0.heard.borrow();
        let news = |batch: &&Projected| after.get(batch.partition) < Some(batch.to);
        Some(Applied {
            positions: heard.positions.clone()?,
            batches: heard.batches.iter().filter(news).copied().collect(),
        })
    }
}

impl Inner {
    async fn listen(&self) {
        let mut backoff = Backoff::default();
        loop {
            self.asked.notified().await;
            let heard = self.hear(&mut backoff).await;
            self.heard.send_replace(Heard::default());
            if let Err(error) = heard {
                tracing::debug!(%error, "the read model's positions can't be heard; trying again");
                if self.heard.receiver_count() > 0 {
                    self.asked.notify_one();
                }
                backoff.wait().await;
            }
        }
    }

    /// Listens until nobody waits any more.
    async fn hear(&self, backoff: &mut Backoff) -> RedisResult<()> {
        let channels = [&self.latest[..], &self.least].concat();
        let mut listener = self.link.listen(&channels).await?;
        // What is published from now on is heard, so nothing is missed between this read and the first message.
        let positions = self.positions().await?;
        self.heard
            .send_modify(|heard| heard.positions = Some(positions));
        backoff.reset();
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK);
        loop {
            tokio::select! {
                taken = listener.next() => {
                    let taken = taken?;
                    let at_us = now_us();
                    self.heard.send_if_modified(|heard| {
                        let mut is_news = false;
                        for message in &taken {
                            is_news |= heard.take(message, &self.latest, at_us);
                        }
                        is_news
                    });
                }
                _ = looks.tick() => {
                    let asked = self.asked.notified().now_or_never().is_some();
                    if !asked && self.heard.receiver_count() == 0 {
                        return Ok(());
                    }
                    let answer = tokio::time::timeout(LOOK, listener.look()).await;
                    answer.map_err(|_| (ErrorKind::Io, "the subscription doesn't answer"))??;
                    if self.link.is_cluster() {
                        // This finds out whether another node has a slot by now.
                        let kept = self.positions().await?;
                        self.heard.send_if_modified(|heard| heard.raise(&kept));
                    }
                }
            }
        }
    }

    /// The positions as they are kept; the start for a partition that has none.
    async fn positions(&self) -> RedisResult<Positions> {
        let mut pipe = redis::pipe();
        for partition in self.partitions.all() {
            pipe.cmd("GET").arg(position_key(partition));
        }
        let kept: Vec<Option<String>> = pipe.query_async(&mut self.connection.clone()).await?;
        let mut positions = Positions::NONE;
        for (partition, kept) in self.partitions.all().zip(kept) {
            positions.set(partition, position_of(kept)?);
        }
        Ok(positions)
    }
}
