//! Takes replies from this caller's list and passes them to the waiting calls. Knows nothing of how calls are sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use redis::Value;

use super::envelope::ReplyEnvelope;
use super::scripts::bulk;
use super::shared::QueueShared;
use crate::connection::MultiplexedConnection;
use crate::refusal;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::QueueError;

/// How many waits for replies are under way at most: when one is answered, Redis goes on with the next, so that most replies cost no message to
/// it. Together they end within the response timeout of the connection.
const WAITS_MAX: usize = 4;

/// Reads until the queue is closed.
pub(super) async fn run(shared: Arc<QueueShared>) {
    tokio::select! {
        () = read_forever(&shared) => {}
        () = shared.closed.cancelled() => {}
    }
    shared.waiters.close();
}

async fn read_forever(shared: &QueueShared) {
    let mut backoff = Backoff::between(shared.config.reconnect_ms, shared.config.reconnect_ms_max);
    let mut was_broken = false;
    loop {
        let opened = Instant::now();
        let error = match shared.link.dedicated_for(&shared.reply_key).await {
            Ok(connection) => {
                let error = read(shared, connection).await;
                if opened.elapsed() > Duration::from_millis(shared.config.reconnect_ms_max) {
                    // The connection worked for a while, so this is a new failure.
                    backoff.reset();
                    was_broken = false;
                }
                error
            }
            Err(error) => {
                // The server is gone, and may have lost the pending messages: an error now is better than a timeout later.
                let words = refusal::words(&error);
                let away = QueueError::Indeterminate(words.clone());
                shared.waiters.fail_all(&away);
                words
            }
        };
        if !std::mem::replace(&mut was_broken, true) {
            tracing::warn!(error, "replies can't be read; trying again");
        }
        backoff.wait().await;
    }
}

/// Reads until the connection breaks.
async fn read(shared: &QueueShared, connection: MultiplexedConnection) -> String {
    let config = &shared.config;
    let block = Duration::from_millis(config.block_ms);
    let limit = block + Duration::from_millis(config.response_timeout_ms);
    let mut blmpop = redis::cmd("BLMPOP");
    blmpop
        .arg(block.as_secs_f64())
        .arg(1)
        .arg(&shared.reply_key);
    blmpop.arg("LEFT").arg("COUNT").arg(config.reply_batch_max);
    let wait =
        async |mut connection: MultiplexedConnection| connection.send_packed_command(&blmpop).await;
    let mut waits = FuturesOrdered::new();
    loop {
        if waits.len() <= 1 {
            waits.extend((waits.len()..WAITS_MAX).map(|_| wait(connection.clone())));
        }
        // There is always one.
        let answer = waits.next().map(|answer| answer.unwrap_or(Ok(Value::Nil)));
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(Value::Array(parts))) => {
                if let Some(Value::Array(replies)) = parts.into_iter().nth(1) {
                    Failpoint::RepliesTaken.pass();
                    dispatch(shared, replies);
                }
            }
            Ok(Ok(Value::Nil)) => {}
            Ok(Ok(other)) => return format!("unexpected answer {other:?}"),
            Ok(Err(error)) => return refusal::words(&error),
            Err(_) => return format!("no answer within {} ms", limit.as_millis()),
        }
    }
}

fn dispatch(shared: &QueueShared, replies: Vec<Value>) {
    let raws: Vec<Vec<u8>> = replies.into_iter().filter_map(bulk).collect();
    let parsed: Vec<ReplyEnvelope<'_>> = raws
        .iter()
        .filter_map(|raw| {
            ReplyEnvelope::parse(raw)
                .inspect_err(|error| tracing::warn!(%error, "a malformed reply was dropped"))
                .ok()
        })
        .collect();
    shared
        .waiters
        .answer(parsed.into_iter().map(|reply| (reply.id, reply.payload)));
}
