//! Those who share a topic's partitions, the consumers of a group or the event stores: each tells that it is there, and each partition is for one of
//! them, the same by everybody's count. Knows who is there, not who is active: that is by lease.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::{RedisResult, Script};
use tokio::sync::Mutex;

use super::keys::Keys;
use super::retrying::bounded;
use crate::shared_connection::SharedConnection;
use ordershop_contract::topic::Topic;

/// Says that one is there, forgets those that were silent for too long, and returns all. By Redis's clock, which all of them share.
/// KEYS: the members; ARGV: the one's name, how long one may be silent, ms
static MEET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "#!lua flags=allow-oom
         local time = redis.call('TIME')
         local now = time[1] * 1000 + math.floor(time[2] / 1000)
         redis.call('ZADD', KEYS[1], now, ARGV[1])
         for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now - ARGV[2])) do
           redis.call('ZREM', KEYS[1], gone)
         end
         redis.call('PEXPIRE', KEYS[1], ARGV[2])
         return redis.call('ZRANGE', KEYS[1], 0, -1)",
    )
});

/// What each member here sees of its group in a topic: the same in all of the topic's partitions.
#[derive(Debug, Default)]
pub(super) struct MembersHere(std::sync::Mutex<BTreeMap<(String, Topic, String), Weak<Members>>>);

impl MembersHere {
    /// What a member of a group sees. Who is silent for `silence_max` is gone.
    pub fn of(
        &self,
        connection: &SharedConnection,
        (group, topic, name): (&str, Topic, &str),
        silence_max: Duration,
    ) -> Arc<Members> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, there| there.strong_count() > 0);
        let known = (group.to_owned(), topic, name.to_owned());
        let known = all.entry(known).or_default();
        known.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Members {
                connection: connection.clone(),
                key: Keys::members(topic, group),
                name: name.to_owned(),
                silence_max,
                known: Mutex::default(),
            });
            *known = Arc::downgrade(&made);
            made
        })
    }
}

/// One member's view of its group in a topic.
#[derive(Debug)]
pub(super) struct Members {
    connection: SharedConnection,
    key: String,
    name: String,
    /// Who is silent for so long is gone.
    silence_max: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When they were asked for last.
    at: Option<Instant>,
    /// In the order of their names.
    names: Vec<String>,
}

impl Members {
    /// Whether the partition with this number is for another one that is there. While Redis is away, everybody keeps what it has.
    pub async fn is_for_another(&self, number: u8) -> bool {
        let mut known = self.known.lock().await;
        let is_fresh = |at: Instant| at.elapsed() < self.silence_max / 3;
        if !known.at.is_some_and(is_fresh) {
            known.at = Some(Instant::now());
            match self.meet().await {
                Ok(mut names) => {
                    names.sort_unstable();
                    known.names = names;
                }
                Err(error) => {
                    tracing::debug!(key = self.key, %error, "it can't be asked who shares the partitions");
                }
            }
        }
        let place = usize::from(number).checked_rem(known.names.len());
        let owner = place.map(|place| &known.names[place]);
        owner.is_some_and(|owner| *owner != self.name)
    }

    /// Lets the next question go to Redis.
    pub async fn ask_again(&self) {
        self.known.lock().await.at = None;
    }

    async fn meet(&self) -> RedisResult<Vec<String>> {
        let mut meet = MEET.key(&self.key);
        let silence_max = u64::try_from(self.silence_max.as_millis()).unwrap_or(u64::MAX);
        meet.arg(&self.name).arg(silence_max);
        let mut call = self.connection.clone();
        bounded(self.silence_max, meet.invoke_async(&mut call)).await
    }

    /// Says that one goes, if it goes from its last partition here, so that the others need not find out.
    pub async fn leave(members: Arc<Self>) {
        let Some(this) = Arc::into_inner(members) else {
            return;
        };
        let mut leave = redis::cmd("ZREM");
        leave.arg(&this.key).arg(&this.name);
        let mut call = this.connection.clone();
        let left: RedisResult<()> = bounded(this.silence_max, leave.query_async(&mut call)).await;
        if let Err(error) = left {
            tracing::debug!(key = this.key, %error, "it could not be said that one goes");
        }
    }
}
