//! Sends this process's heartbeat, and clears up after processes without one. All times are Redis's: the machines' clocks don't matter. Knows
//! nothing of the content of messages, but informs the callers of those that become dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{AsyncCommands as _, Pipeline, RedisResult};

use super::envelope::{Envelope, ReplyEnvelope, error_payload};
use super::keys::{self, QueueKeys};
use super::scripts::{self, GIVE_BACK};
use super::shared::QueueShared;
use crate::shared_connection::SharedConnection;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueName;

/// The maximum number of delayed messages that are put back at once.
const DUE_MAX: usize = 1_000;
/// After so many heartbeats a process enrolls its workers again: somebody may have deleted what Redis knew of them.
const BEATS_TO_ENROLL: u64 = 30;

/// A periodic task.
#[derive(Clone, Copy, Debug)]
pub(super) enum Duty {
    /// Reads Redis's clock, and sends this process's heartbeat.
    Heartbeat,
    /// Looks for dead processes, and for what they have left behind.
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
    let mut known = Beats::new();
    for turn in 1_u64.. {
        interval.tick().await;
        let done = match duty {
            Duty::Heartbeat => beat(shared, turn.is_multiple_of(BEATS_TO_ENROLL)).await,
            Duty::Recovery => recover(shared, &mut known).await,
        };
        match done {
            Ok(()) => was_broken = false,
            Err(error) => {
                if !std::mem::replace(&mut was_broken, true) {
                    tracing::warn!(%error, ?duty, "the heartbeat or the recovery of the queue failed; trying again");
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

/// Registers a worker, before it takes its first message. The time is that of the heartbeats: a cluster's nodes have a clock each.
pub(super) async fn enroll(
    connection: &mut impl redis::aio::ConnectionLike,
    clock: &mut SharedConnection,
    keys: &QueueKeys,
    worker: &str,
) -> RedisResult<()> {
    let now = now_ms(clock).await?;
    scripts::beat(&keys.workers, [worker], now)
        .exec_async(connection)
        .await
}

/// `enrolls`: also enrolls the workers again.
async fn beat(shared: &QueueShared, enrolls: bool) -> RedisResult<()> {
    let mut connection = shared.connection.clone();
    let asked = Instant::now();
    let now = now_ms(&mut connection).await?;
    shared.clock.told(asked, now);
    // A worker that has left before this must not be registered again.
    let by_queue = shared.roster.workers();
    if by_queue.is_empty() {
        return Ok(());
    }
    let process = shared.instance.as_str();
    let is_new: bool = scripts::beat(keys::PROCESSES, [process], now)
        .query_async(&mut connection)
        .await?;
    // If Redis lost what it knew of the process, or others gave it up, its workers may be forgotten too.
    if !is_new && !enrolls {
        return Ok(());
    }
    let mut pipeline = Pipeline::with_capacity(by_queue.len());
    for (queue, workers) in by_queue {
        let workers = workers.iter().map(String::as_str);
        let enrolled = scripts::beat(&QueueKeys::new(queue).workers, workers, now);
        pipeline.add_command(enrolled).ignore();
    }
    pipeline.exec_async(&mut connection).await
}

/// Removes this process from those that are looked at, unless it left workers behind.
pub(super) async fn leave(shared: &QueueShared) {
    if shared.roster.workers().is_empty() {
        let mut connection = shared.connection.clone();
        let left: RedisResult<()> = connection.zrem(keys::PROCESSES, &shared.instance).await;
        if let Err(error) = left {
            tracing::debug!(%error, "the process counts as silent from now on");
        }
    }
}

/// The last heartbeat of each process, ms by Redis's clock.
type Beats = BTreeMap<String, u64>;

/// What is found of a queue: its workers, with the times at which they were enrolled, and how many messages are delayed and suspected.
type Found = (Vec<(String, u64)>, u64, u64);

/// Looks for dead processes; if there are any, or processes came and went, at the queues too. `known` are the processes of the last look.
async fn recover(shared: &QueueShared, known: &mut Beats) -> RedisResult<()> {
    let queues = shared.roster.queues();
    if queues.is_empty() {
        return Ok(());
    }
    let before = std::mem::take(known);
    let mut connection = shared.connection.clone();
    let now = now_ms(&mut connection).await?;
    let beats: Vec<(String, u64)> = connection.zrange_withscores(keys::PROCESSES, 0, -1).await?;
    let mut beats = Beats::from_iter(beats);
    let config = &shared.config;
    let mut changes = Pipeline::new();
    let mut is_any_silent = false;
    for (process, at) in &mut beats {
        let silent_ms = now.saturating_sub(*at);
        is_any_silent |= silent_ms >= config.dead_after_ms;
        if silent_ms > config.forget_after_ms {
            changes.zrem(keys::PROCESSES, process).ignore();
        }
        if *at >= now + config.dead_after_ms {
            // It is of before Redis's clock was set back: the process is dead unless the next one comes in time.
            *at = now;
            let later = changes.cmd("ZADD").arg(keys::PROCESSES);
            later.arg("XX").arg(now).arg(process).ignore();
        }
    }
    if !beats.keys().eq(before.keys()) {
        shared.roster.look_on();
    }
    if is_any_silent || shared.roster.is_to_look() {
        look(shared, queues, &beats, now).await?;
    }
    if !changes.is_empty() {
        changes.exec_async(&mut connection).await?;
    }
    *known = beats;
    Ok(())
}

/// Gives back what dead workers held, and puts back what is due.
async fn look(
    shared: &QueueShared,
    queues: Vec<QueueName>,
    beats: &Beats,
    now: u64,
) -> RedisResult<()> {
    let mut connection = shared.connection.clone();
    let mut pipeline = Pipeline::with_capacity(3 * queues.len());
    for queue in &queues {
        let keys = QueueKeys::new(*queue);
        pipeline.zrange_withscores(&keys.workers, 0, -1);
        pipeline.zcard(&keys.delayed).llen(&keys.suspects);
    }
    let found: Vec<Found> = pipeline.query_async(&mut connection).await?;
    let config = &shared.config;
    // A failure of one queue must not delay the others.
    let mut result = Ok(());
    for (queue, (mut workers, delayed, suspects)) in queues.into_iter().zip(found) {
        // Redis may have lost that it knew them.
        for worker in shared.roster.left(queue) {
            if !workers.iter().any(|(known, _)| *known == worker) {
                workers.push((worker, now));
            }
        }
        if suspects > 0 {
            shared.roster.add_suspicion(queue);
        }
        if delayed + suspects > 0 {
            shared.roster.look_on();
        }
        // The process that delayed them may have died.
        if delayed > 0 {
            result = put_back(shared, queue).await.and(result);
        }
        for (worker, enrolled) in workers {
            let silent_ms = match shared.roster.left_at(&worker) {
                Some(at) => u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX),
                // A process that left, or that Redis forgot, is dead if it doesn't come back.
                None => now.abs_diff(*beats.get(keys::process_of(&worker)).unwrap_or(&enrolled)),
            };
            // Workers of this process are alive, even if its heartbeat is late.
            if silent_ms >= config.dead_after_ms && !shared.roster.has(&worker) {
                // Not forgotten at once: a stopped process that resumes may take one more message before its next heartbeat.
                let is_forgotten = silent_ms > config.forget_after_ms;
                let given_back = give_back(shared, queue, &worker, true, is_forgotten).await;
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
            shared_then.roster.look_on();
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

/// Gives back a worker's messages. `died` counts a death of each; `is_forgotten` removes a worker that held none.
pub(super) async fn give_back(
    shared: &QueueShared,
    queue: QueueName,
    worker: &str,
    died: bool,
    is_forgotten: bool,
) -> RedisResult<()> {
    let keys = QueueKeys::new(queue);
    let config = &shared.config;
    let mut connection = shared.connection.clone();
    // Its process may have died as a caller, too. Its own workers' replies to it have no expiry.
    let replies = keys::replies(keys::process_of(worker));
    let ttl_s = config.reply_ttl_s.cast_signed();
    let () = connection.expire(replies, ttl_s).await?;
    let (count, buried): (u64, Vec<Vec<u8>>) = GIVE_BACK
        .key(&keys.source)
        .key(keys.processing(worker))
        .key(&keys.workers)
        .key(&keys.dead)
        .key(&keys.suspects)
        .arg(worker)
        .arg(u8::from(is_forgotten))
        .arg(u8::from(died))
        .arg(config.deaths_max)
        .arg(config.alone_after_deaths)
        .arg(config.outcome_ttl_s)
        .invoke_async(&mut connection)
        .await?;
    Failpoint::MessagesGivenBack.pass();
    shared.roster.given_back(worker);
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
