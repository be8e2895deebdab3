//! Leases: keys with an owner and a time to live, renewed while they are held. A lease chooses *who* is active; the fence prevents writes
//! by others. Knows nothing of the work done under a lease.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::{RedisResult, Script};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::retrying::bounded;
use crate::shared_connection::SharedConnection;

/// Takes the lease if it is free. One that runs out while Redis is full can be taken again. One that would last longer than any that is taken
/// was taken or renewed before Redis's clock was set back: it lasts as long as one that is taken now, unless its owner renews it.
static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "#!lua flags=allow-oom
         if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
         redis.call('PEXPIRE', KEYS[1], ARGV[2], 'XX', 'LT')
         return 0",
    )
});
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

/// A lease that is held until it is lost. A task of its own renews it, however long the holder works. If it is dropped without
/// [`Lease::release`], it expires.
#[derive(Debug)]
pub(super) struct Lease {
    state: Arc<LeaseState>,
    _renewal: DropGuard,
}

#[derive(Debug)]
struct LeaseState {
    connection: SharedConnection,
    key: String,
    value: String,
    ttl: Duration,
    since: Instant,
    /// Held at least until then, ms after `since`.
    valid_until_ms: AtomicU64,
    lost: CancellationToken,
}

impl Lease {
    /// Takes the lease `key` for `owner` if it is free; `None` if it is held, be it by an earlier life of the same owner: what that one has
    /// under way must end, or its lease expire, before anybody else is active.
    pub async fn acquire(
        connection: SharedConnection,
        key: &str,
        owner: &str,
        ttl: Duration,
    ) -> RedisResult<Option<Self>> {
        let since = Instant::now();
        // The life's id keeps an earlier life from renewing or releasing the lease.
        let value = format!("{owner}|{}", uuid::Uuid::now_v7().simple());
        let mut call = connection.clone();
        let mut acquire = ACQUIRE.key(key);
        acquire.arg(&value).arg(millis(ttl));
        let taken: bool = bounded(ttl, acquire.invoke_async(&mut call)).await?;
        if !taken {
            return Ok(None);
        }
        let state = Arc::new(LeaseState {
            connection,
            key: key.to_owned(),
            value,
            ttl,
            since,
            valid_until_ms: AtomicU64::new(millis(ttl)),
            lost: CancellationToken::new(),
        });
        let ended = CancellationToken::new();
        tokio::spawn(
            ended
                .clone()
                .run_until_cancelled_owned(renew(Arc::clone(&state))),
        );
        Ok(Some(Self {
            state,
            _renewal: ended.drop_guard(),
        }))
    }

    /// Whether the lease is held for at least `least` longer; asks Redis if the local clock doesn't suffice.
    pub async fn is_held_for(&self, least: Duration) -> bool {
        if !self.is_lost() && self.state.remaining() >= least {
            return true;
        }
        let renewed = self.state.renew_once().await;
        matches!(renewed, Ok(true)) && !self.is_lost()
    }

    /// Whether Redis has the lease now: one that went back, or another one, may not.
    pub async fn confirm(&self) -> RedisResult<bool> {
        self.state.renew_once().await
    }

    /// Whether another owner may hold the lease.
    pub fn is_lost(&self) -> bool {
        self.state.lost.is_cancelled()
    }

    /// Waits until another owner may hold the lease.
    pub async fn lost(&self) {
        self.state.lost.cancelled().await;
    }

    /// Releases the lease, so that the next owner need not wait until it expires.
    pub async fn release(self) {
        let state = Arc::clone(&self.state);
        drop(self);
        let mut invocation = RELEASE.key(&state.key);
        invocation.arg(&state.value);
        let mut call = state.connection.clone();
        let released: RedisResult<i64> =
            bounded(state.ttl, invocation.invoke_async(&mut call)).await;
        if let Err(error) = released {
            tracing::debug!(key = state.key, %error, "a lease could not be released; it expires");
        }
    }
}

impl LeaseState {
    fn remaining(&self) -> Duration {
        let until = Duration::from_millis(self.valid_until_ms.load(Ordering::Acquire));
        until.saturating_sub(self.since.elapsed())
    }

    async fn renew_once(&self) -> RedisResult<bool> {
        let sent = self.since.elapsed();
        // One command instead of a script's three. Another owner's lease is renewed too, once: this one is lost then.
        let mut renewal = redis::cmd("GETEX");
        renewal.arg(&self.key).arg("PX").arg(millis(self.ttl));
        let mut call = self.connection.clone();
        let holder: Option<String> = bounded(self.ttl, renewal.query_async(&mut call)).await?;
        let ours = holder.as_ref() == Some(&self.value);
        if ours {
            self.valid_until_ms
                .fetch_max(millis(sent + self.ttl), Ordering::AcqRel);
        } else {
            self.lost.cancel();
        }
        Ok(ours)
    }
}

async fn renew(state: Arc<LeaseState>) {
    loop {
        // Twice before it ends, with time to spare for a blocking read.
        tokio::time::sleep(state.ttl * 2 / 5).await;
        match state.renew_once().await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(key = state.key, "a lease was lost");
                return;
            }
            Err(error) if state.remaining().is_zero() => {
                tracing::warn!(key = state.key, %error, "a lease could not be renewed in time");
                state.lost.cancel();
                return;
            }
            Err(_) => {}
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
