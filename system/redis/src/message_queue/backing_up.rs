//! What a backup holds of the queues: messages that may have been begun, those that were accepted, and dead letters. A call that nobody has
//! begun is left out: its caller has no answer, and has given up. Knows the lists, not what messages say.

use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisResult, Value};
use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::functions;
use super::keys::QueueKeys;

const KEPT: &str = include_str!("kept.lua");

/// A message of a queue.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptMessage {
    /// The queue: `service.function`.
    queue: String,
    /// Whether it is a dead letter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dead: bool,
    /// As it is in its list.
    message: String,
}

/// What a queue has: held, delayed, suspects, waiting, dead letters.
type Lists = (
    Vec<Vec<u8>>,
    Vec<Vec<u8>>,
    Vec<Vec<u8>>,
    Vec<Vec<u8>>,
    Vec<Vec<u8>>,
);

/// The names of all queues that were ever consumed, and the name of the script that reads one.
pub(crate) async fn queues(
    connection: &mut impl ConnectionLike,
) -> RedisResult<(Vec<String>, String)> {
    let mut pipe = Pipeline::with_capacity(2);
    pipe.cmd("SMEMBERS").arg(functions::KEY);
    pipe.cmd("SCRIPT").arg("LOAD").arg(KEPT);
    let (mut names, script): (Vec<String>, String) = pipe.query_async(connection).await?;
    names.sort_unstable();
    Ok((names, script))
}

/// Asks for what a queue has.
pub(crate) fn ask(pipe: &mut Pipeline, script: &str, queue: &str) {
    let source = QueueKeys::new(queue).source;
    pipe.cmd("EVALSHA").arg(script).arg(1).arg(source);
}

/// What a queue has, by the reply, in the order in which it is to be carried out.
pub(crate) fn messages(queue: &str, reply: Value) -> RedisResult<Vec<KeptMessage>> {
    let (held, delayed, suspects, waiting, dead): Lists = redis::from_redis_value(reply)?;
    let kept = |dead, message| KeptMessage {
        queue: queue.to_owned(),
        dead,
        message,
    };
    let held = held.iter().map(|raw| (raw, true));
    let others = delayed.iter().chain(&suspects).chain(&waiting);
    let living = held.chain(others.map(|raw| (raw, false)));
    let living = living.filter_map(|(raw, is_held)| again(raw, is_held));
    let dead = dead.iter().map(|raw| String::from_utf8_lossy(raw));
    Ok(living
        .map(|message| kept(false, message))
        .chain(dead.map(|letter| kept(true, letter.into_owned())))
        .collect())
}

/// A message as it is sent again, to nobody who waits; `None` for a call that wasn't begun, and for what is no message.
fn again(raw: &[u8], is_held: bool) -> Option<String> {
    let envelope = Envelope::parse(raw).ok()?;
    let redeliveries = match is_held {
        // It may have been begun: what it has done already must not be done again.
        true => envelope.redeliveries.saturating_add(1),
        false => envelope.redeliveries,
    };
    if redeliveries == 0 && !envelope.reply_to.is_empty() {
        return None;
    }
    let again = Envelope {
        redeliveries,
        reply_to: "".into(),
        deadline_ms: 0,
        ..envelope
    };
    String::from_utf8(again.encode()).ok()
}

/// Removes all messages of the queues that are known.
pub(crate) async fn clear(connection: &mut impl ConnectionLike) -> RedisResult<()> {
    let (names, _) = queues(connection).await?;
    let mut pipe = redis::pipe();
    for name in &names {
        let keys = QueueKeys::new(name);
        pipe.cmd("UNLINK").arg(keys.source).arg(keys.dead).ignore();
    }
    if pipe.is_empty() {
        return Ok(());
    }
    pipe.exec_async(connection).await
}

/// Adds a message to its queue, or to its dead letters.
pub(crate) fn put_back(pipe: &mut Pipeline, kept: &KeptMessage) {
    let keys = QueueKeys::new(&kept.queue);
    pipe.cmd("SADD").arg(functions::KEY).arg(&kept.queue);
    let list = if kept.dead { &keys.dead } else { &keys.source };
    pipe.cmd("RPUSH").arg(list).arg(&kept.message);
    if let Ok(envelope) = Envelope::parse(kept.message.as_bytes())
        && envelope.kept
    {
        pipe.cmd("SET").arg(keys.outcome(&envelope.id)).arg("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(redeliveries: u32, reply_to: &str) -> Vec<u8> {
        format!(
            r#"{{"redeliveries":{redeliveries},"id":"m","reply_to":"{reply_to}","correlation_id":"c","causation_id":"k","deadline_ms":5,"payload":{{"a": 1}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn calls_are_kept_if_they_may_have_been_begun_and_nobody_waits_for_them_any_more() {
        for (redeliveries, reply_to, is_held, expected) in [
            (0, "mq:reply:{x}", false, None),
            (0, "mq:reply:{x}", true, Some(1)),
            (2, "mq:reply:{x}", false, Some(2)),
            (2, "mq:reply:{x}", true, Some(3)),
            (0, "", false, Some(0)),
            (0, "", true, Some(1)),
        ] {
            let kept = again(&message(redeliveries, reply_to), is_held);

            let kept = kept.map(String::into_bytes);
            let kept = kept.as_deref().map(|raw| Envelope::parse(raw).unwrap());
            assert_eq!(kept.as_ref().map(|kept| kept.redeliveries), expected);
            if let Some(kept) = kept {
                assert_eq!((&*kept.reply_to, kept.deadline_ms), ("", 0));
                assert_eq!(kept.payload.get(), r#"{"a": 1}"#);
            }
        }
        assert!(again(b"nonsense", true).is_none());
    }
}
