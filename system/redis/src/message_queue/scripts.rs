//! The Lua scripts and their calls. Knows their arguments, not when they are called. A full Redis carries them out too: what waits for an
//! answer needs memory for a moment only, and reads must be answered. What is kept (events, asynchronous commands) is refused then.

use std::sync::LazyLock;

use redis::{Arg, Cmd, Script, ServerErrorKind, Value};
use serde_json::value::RawValue;

use super::config::QueueConfig;
use super::keys::QueueKeys;

/// Ends a batch and takes the next.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
/// Gives back a worker's messages.
pub(super) static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("give_back.lua")));

/// Pushes messages although Redis is full.
const PUSH: &str = include_str!("push.lua");
/// Records a worker's heartbeat although Redis is full.
const BEAT: &str = "#!lua flags=allow-oom\nreturn redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])";

/// The same push as an `RPUSH` that a full Redis refused.
pub(super) fn push_when_full(rpush: &Cmd) -> Cmd {
    let words = rpush.args_iter().skip(1).filter_map(|word| match word {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    });
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(PUSH).arg(1);
    for word in words {
        cmd.arg(word);
    }
    cmd
}

/// The heartbeat of a worker, at `now_ms` of Redis's clock.
pub(super) fn beat(keys: &QueueKeys, worker: &str, now_ms: u64) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(BEAT)
        .arg(1)
        .arg(&keys.workers)
        .arg(now_ms)
        .arg(worker);
    cmd
}

/// The result of [`TAKE`].
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Whether retries wait until they are due.
    pub delayed: bool,
    /// The messages, as queued.
    pub messages: Vec<Vec<u8>>,
}

impl Taken {
    /// Parses a reply; `None` if it isn't one of the script.
    pub(super) fn parse(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else {
            return None;
        };
        let mut parts = parts.into_iter();
        let (Some(Value::Int(delayed)), Some(Value::Array(items))) = (parts.next(), parts.next())
        else {
            return None;
        };
        Some(Self {
            delayed: delayed > 0,
            messages: items.into_iter().filter_map(bulk).collect(),
        })
    }
}

/// The bytes of a bulk string; `None` for any other value.
pub(super) fn bulk(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// Whether the server has lost its scripts.
pub(super) fn is_no_script(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// A batch's retries, outcomes and dead letters.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// The delay in ms, and the message.
    pub retries: Vec<(u64, Vec<u8>)>,
    /// The outcomes that are kept: the key, and the reply's JSON.
    pub outcomes: Vec<(String, Box<RawValue>)>,
    /// Dead letters, encoded.
    pub dead: Vec<Vec<u8>>,
}

/// The call of [`TAKE`]. `end` ends the present batch.
pub(super) fn take(
    keys: &QueueKeys,
    processing: &str,
    messages_max: usize,
    end: Option<&Leftovers>,
    config: &QueueConfig,
) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    let none = Leftovers::default();
    let left = end.unwrap_or(&none);
    cmd.arg(TAKE.get_hash()).arg(5 + left.outcomes.len());
    cmd.arg(&keys.source)
        .arg(processing)
        .arg(&keys.delayed)
        .arg(&keys.dead)
        .arg(&keys.suspects);
    for (key, _) in &left.outcomes {
        cmd.arg(key);
    }
    cmd.arg(messages_max)
        .arg(u8::from(end.is_some()))
        .arg(left.retries.len())
        .arg(config.outcome_ttl_s);
    for (delay_ms, message) in &left.retries {
        cmd.arg(*delay_ms).arg(&message[..]);
    }
    for (_, outcome) in &left.outcomes {
        cmd.arg(outcome.get());
    }
    for letter in &left.dead {
        cmd.arg(&letter[..]);
    }
    cmd
}
