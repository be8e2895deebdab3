//! Sends the heartbeats of this process's workers, and clears up after dead ones. All times are Redis's: the machines' clocks don't matter.
//! Knows nothing of the content of messages, but informs the callers of those that become dead letters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{AsyncCommands as _, Pipeline, RedisResult};

use super::envelope::{Envelope, ReplyEnvelope, error_payload};
use super::keys::{self, QueueKeys};
use super::scripts::{self, GIVE_BACK};
use super::shared::QueueShared;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueName;

/// The maximum number of delayed messages that are put back at once.
const DUE_MAX: usize = 1_000;

/// A periodic task.
#[derive(Clone, Copy, Debug)]
pub(super) enum Duty {
    /// Reads Redis's clock, and sends the heartbeats of this process's workers.
    Heartbeat,
    /// Looks for dead workers, and for what they have left behind.
    Recovery,
}

/// Performs its duty until the queue is closed.
pub(super) async fn run(shared: Arc<QueueShared>, duty: Duty) {
    tokio::select! {
        () = repeat(&shared, duty) => {}
        () = shared.closed.cancelled() => {}
    }
}

async fn repeat(shared: &QueueShared, duty: Duty) {
    let every_ms = match duty {
        Duty::Heartbeat => shared.config.heartbeat_ms,
        Duty::Recovery => shared.config.recover_ms,
    };
    let mut interval = tokio::time::interval(Duration::from_millis(every_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_broken = false;
    loop {
        interval.tick().await;
        let done = match duty {
            Duty::Heartbeat => beat(shared).await,
            Duty::Recovery => recover(shared).await,
        };
        match done {
            Ok(()) => was_broken = false,
            Err(error) => {
                if !std::mem::replace(&mut was_broken, true) {
                    tracing::warn!(%error, ?duty, "heartbeats or recovery of the queue's workers failed; trying again");
                }
            }
        }
    }
}

/// The present time by Redis's clock, ms.
async fn now_ms(connection: &mut impl redis::aio::ConnectionLike) -> RedisResult<u64> {
    let (s, us): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    Ok(s * 1_000 + us / 1_000)
}

/// Registers a worker, before it takes its first message.
pub(super) async fn enroll(
    connection: &mut impl redis::aio::ConnectionLike,
    keys: &QueueKeys,
    worker: &str,
) -> RedisResult<()> {
    let now = now_ms(connection).await?;
    scripts::beat(&keys.workers, [worker], now)
        .query_async(connection)
        .await
}

async fn beat(shared: &QueueShared) -> RedisResult<()> {
    let mut connection = shared.connection.clone();
    let asked = Instant::now();
    let now = now_ms(&mut connection).await?;
    shared.clock.told(asked, now);
    // A worker that has left before this must not be registered again.
    let by_queue = shared.roster.workers();
    if by_queue.is_empty() {
        return Ok(());
    }
    let mut pipeline = Pipeline::with_capacity(by_queue.len());
    for (queue, workers) in by_queue {
        let workers = workers.iter().map(String::as_str);
        let beat = scripts::beat(&QueueKeys::new(queue).workers, workers, now);
        pipeline.add_command(beat).ignore();
    }
    pipeline.exec_async(&mut connection).await
}

/// What is found of a queue: the workers whose heartbeats are old, those whose heartbeats are to come, and how many messages are delayed and
/// suspected.
type Found = (Vec<String>, Vec<String>, u64, u64);

async fn recover(shared: &QueueShared) -> RedisResult<()> {
    let queues = shared.roster.queues();
    if queues.is_empty() {
        return Ok(());
    }
    let mut connection = shared.connection.clone();
    let now = now_ms(&mut connection).await?;
    let silent_since = now.saturating_sub(shared.config.dead_after_ms);
    // A heartbeat later than now is of before Redis's clock was set back.
    let to_come = now + shared.config.dead_after_ms;
    let mut pipeline = Pipeline::with_capacity(4 * queues.len());
    for queue in &queues {
        let keys = QueueKeys::new(*queue);
        pipeline.zrangebyscore(&keys.workers, 0, silent_since);
        pipeline.zrangebyscore(&keys.workers, to_come, "+inf");
        pipeline.zcard(&keys.delayed).llen(&keys.suspects);
    }
    let found: Vec<Found> = pipeline.query_async(&mut connection).await?;
    // A failure of one queue must not delay the others.
    let mut result = Ok(());
    for (queue, (silent, ahead, delayed, suspects)) in queues.into_iter().zip(found) {
        if suspects > 0 {
            shared.roster.add_suspicion(queue);
        }
        // The process that delayed them may have died.
        if delayed > 0 {
            result = put_back(shared, queue).await.and(result);
        }
        for worker in silent.into_iter().chain(ahead) {
            // Workers of this process are alive, even if a heartbeat is late.
            if !shared.roster.has(&worker) {
                let dead_after_ms = Some(shared.config.dead_after_ms);
                let given_back = give_back(shared, queue, &worker, dead_after_ms, true).await;
                result = given_back.and(result);
            }
        }
    }
    result
}

/// Puts back the delayed messages that are due after `delay_ms`, unless the queue is closed before.
pub(super) fn put_back_later(shared: &Arc<QueueShared>, queue: QueueName, delay_ms: u64) {
    let shared_then = Arc::clone(shared);
    shared.tracker.spawn(async move {
        let due = tokio::time::sleep(Duration::from_millis(delay_ms));
        if shared_then.closed.run_until_cancelled(due).await.is_some()
            && let Err(error) = put_back(&shared_then, queue).await
        {
            tracing::warn!(%queue, %error, "delayed messages could not be put back; recovery does it later");
        }
    });
}

/// Puts back the delayed messages that are due.
async fn put_back(shared: &QueueShared, queue: QueueName) -> RedisResult<()> {
    let mut connection = shared.connection.clone();
    let due = scripts::due(
        &QueueKeys::new(queue),
        DUE_MAX,
        shared.config.retry_delay_ms_max,
    );
    while due.query_async::<usize>(&mut connection).await? == DUE_MAX {}
    Ok(())
}

/// Gives back a worker's messages: if `dead_after_ms` is given, only if it has been silent for so long. `died` counts a death of each.
pub(super) async fn give_back(
    shared: &QueueShared,
    queue: QueueName,
    worker: &str,
    dead_after_ms: Option<u64>,
    died: bool,
) -> RedisResult<()> {
    let dead_after_ms = dead_after_ms.map_or(-1, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let keys = QueueKeys::new(queue);
    let config = &shared.config;
    let mut connection = shared.connection.clone();
    if let Some((process, _)) = worker.rsplit_once('-') {
        // It may have died as a caller, too. Its own workers' replies to it have no expiry.
        let ttl_s = config.reply_ttl_s.cast_signed();
        let () = connection.expire(keys::replies(process), ttl_s).await?;
    }
    let (count, buried): (u64, Vec<Vec<u8>>) = GIVE_BACK
        .key(&keys.source)
        .key(keys.processing(worker))
        .key(&keys.workers)
        .key(&keys.dead)
        .key(&keys.suspects)
        .arg(worker)
        .arg(dead_after_ms)
        .arg(config.forget_after_ms)
        .arg(u8::from(died))
        .arg(config.deaths_max)
        .arg(config.alone_after_deaths)
        .arg(config.outcome_ttl_s)
        .invoke_async(&mut connection)
        .await?;
    Failpoint::MessagesGivenBack.pass();
    if count > 0 {
        shared.roster.add_suspicion(queue);
        tracing::warn!(%queue, worker, messages = count, dead_letters = buried.len(), "the messages of an ended worker were given back");
    }
    let mut pipeline = redis::pipe();
    let mut buffer = Vec::new();
    for raw in &buried {
        let Ok(envelope) = Envelope::parse(raw) else {
            continue;
        };
        if !envelope.reply_to.is_empty() {
            let reason = format!("{} workers ended while they held it", envelope.deaths);
            ReplyEnvelope::encode_into(&envelope.id, &error_payload(&reason), &mut buffer);
            pipeline
                .rpush(envelope.reply_to.as_ref(), &buffer[..])
                .ignore();
            pipeline
                .expire(envelope.reply_to.as_ref(), config.reply_ttl_s.cast_signed())
                .ignore();
        }
    }
    if !pipeline.is_empty() {
        pipeline.exec_async(&mut connection).await?;
    }
    Ok(())
}
