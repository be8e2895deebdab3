//! The dead letters of queues: listed, sent again, dropped. A letter is named by its queue and a hash of its content. Knows nothing of why a
//! message became one.

use std::sync::LazyLock;

use crate::shared_connection::SharedConnection;
use ordershop_contract::dead_letters::DeadLetter;
use ordershop_contract::message_queue::QueueError;
use redis::Script;
use serde::Deserialize;

use super::envelope::Envelope;
use super::functions;
use super::keys::QueueKeys;
use super::outbox::unavailable;

/// Letters that are read at once.
const READ_MAX: usize = 500;

/// Takes a letter out, and puts its message at the end of the queue; its outcome is open again, if it is kept.
static RESEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
         redis.call('RPUSH', KEYS[2], ARGV[2])
         if KEYS[3] then redis.call('SET', KEYS[3], '') end
         return 1",
    )
});

/// A letter as it is in the list.
#[derive(Deserialize)]
struct StoredLetter {
    reason: String,
    at_ms: u64,
    message: String,
}

/// The names of all queues that were ever consumed.
pub(super) async fn queues(connection: &mut SharedConnection) -> Result<Vec<String>, QueueError> {
    let mut names: Vec<String> = redis::cmd("SMEMBERS")
        .arg(functions::KEY)
        .query_async(connection)
        .await
        .map_err(unavailable)?;
    names.sort_unstable();
    Ok(names)
}

fn key(queue: &str) -> String {
    QueueKeys::new(queue).dead
}

/// Adds a queue's letters, after the first `skip` ones, until there are `limit`; returns how many are still to be left out.
pub(super) async fn list(
    connection: &mut SharedConnection,
    queue: &str,
    skip: usize,
    limit: usize,
    letters: &mut Vec<DeadLetter>,
) -> Result<usize, QueueError> {
    let length: usize = redis::cmd("LLEN")
        .arg(key(queue))
        .query_async(connection)
        .await
        .map_err(unavailable)?;
    if skip >= length {
        return Ok(skip - length);
    }
    let wanted = limit.saturating_sub(letters.len());
    let raws = read(connection, queue, skip, wanted).await?;
    letters.extend(raws.iter().map(|raw| letter(queue, raw)));
    Ok(0)
}

async fn read(
    connection: &mut SharedConnection,
    queue: &str,
    from: usize,
    count: usize,
) -> Result<Vec<Vec<u8>>, QueueError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    redis::cmd("LRANGE")
        .arg(key(queue))
        .arg(from)
        .arg(from + count - 1)
        .query_async(connection)
        .await
        .map_err(unavailable)
}

fn letter(queue: &str, raw: &[u8]) -> DeadLetter {
    let stored = serde_json::from_slice(raw).unwrap_or_else(|_| StoredLetter {
        reason: "unknown".to_owned(),
        at_ms: 0,
        message: String::from_utf8_lossy(raw).into_owned(),
    });
    DeadLetter {
        id: id(queue, raw),
        reason: stored.reason,
        at_ms: stored.at_ms,
        content: stored.message,
    }
}

/// A letter's name: the queue and the FNV-1a hash of its bytes.
fn id(queue: &str, raw: &[u8]) -> String {
    let hash = raw.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{queue}:{hash:016x}")
}

/// The letter of this name in the queue's list: its bytes, and what they say.
pub(super) async fn find(
    connection: &mut SharedConnection,
    queue: &str,
    wanted: &str,
) -> Result<Option<(Vec<u8>, DeadLetter)>, QueueError> {
    for from in (0..).step_by(READ_MAX) {
        let raws = read(connection, queue, from, READ_MAX).await?;
        let end = raws.len() < READ_MAX;
        if let Some(raw) = raws.into_iter().find(|raw| id(queue, raw) == wanted) {
            let letter = letter(queue, &raw);
            return Ok(Some((raw, letter)));
        }
        if end {
            break;
        }
    }
    Ok(None)
}

/// Puts a letter's message into its queue again; `false` if somebody else was quicker.
pub(super) async fn resend(
    connection: &mut SharedConnection,
    queue: &str,
    raw: &[u8],
    letter: &DeadLetter,
) -> Result<bool, QueueError> {
    let envelope = Envelope::parse(letter.content.as_bytes()).map_err(|error| {
        QueueError::Invalid(format!(
            "{} is not a message ({error}); it can only be dropped",
            letter.id
        ))
    })?;
    let keys = QueueKeys::new(queue);
    let outcome = envelope.kept.then(|| keys.outcome(&envelope.id));
    // Nobody waits any more. It counts as redelivered: what it has done already must not be done again.
    let again = Envelope {
        redeliveries: envelope.redeliveries.max(1),
        deaths: 0,
        reply_to: "".into(),
        deadline_ms: 0,
        ..envelope
    };
    let mut call = RESEND.key(&keys.dead);
    call.key(&keys.source).arg(raw).arg(again.encode());
    if let Some(outcome) = outcome {
        call.key(outcome);
    }
    call.invoke_async(connection).await.map_err(unavailable)
}

/// Deletes a letter; `false` if somebody else was quicker.
pub(super) async fn drop(
    connection: &mut SharedConnection,
    queue: &str,
    raw: &[u8],
) -> Result<bool, QueueError> {
    redis::cmd("LREM")
        .arg(key(queue))
        .arg(1)
        .arg(raw)
        .query_async(connection)
        .await
        .map_err(unavailable)
}
