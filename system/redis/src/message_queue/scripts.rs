//! The Lua scripts and their calls. Knows their arguments, not when they are called. A full Redis carries them out too: what waits for an
//! answer needs memory for a moment only, and reads must be answered. What is kept (events, asynchronous commands) is refused then.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value};
use serde_json::value::RawValue;

use super::config::QueueConfig;
use super::keys::QueueKeys;
use crate::words::words;

/// Gives back a worker's messages.
pub(super) static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("give_back.lua")));

/// Pushes messages although Redis is full.
const PUSH: &str = include_str!("push.lua");
/// Records heartbeats, and when workers were enrolled, although Redis is full.
const BEAT: &str = "#!lua flags=allow-oom\nreturn redis.call('ZADD', KEYS[1], unpack(ARGV))";
/// Takes messages from a list to a processing list.
const TAKE: &str = include_str!("take.lua");
/// Ends a batch that leaves something behind.
const END: &str = include_str!("end.lua");
/// Puts messages whose delay is over at the end of their queue.
const DUE: &str = include_str!("due.lua");

/// The maximum number of messages that are taken at once: Lua's stack holds some 8,000 values.
const TAKE_MAX: usize = 4_000;

/// The same push as an `RPUSH` that a full Redis refused.
pub(super) fn push_when_full(rpush: &Cmd) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(PUSH).arg(1);
    for word in words(rpush).skip(1) {
        cmd.arg(word);
    }
    cmd
}

/// A script's call by its text, with its keys: it doesn't matter whether the server knows the script.
fn eval(script: &str, keys: &[&str]) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(script).arg(keys.len()).arg(keys);
    cmd
}

/// Sets members of a sorted set to `now_ms` of Redis's clock; returns how many are new.
pub(super) fn beat<'a>(key: &str, members: impl IntoIterator<Item = &'a str>, now_ms: u64) -> Cmd {
    let mut cmd = eval(BEAT, &[key]);
    for member in members {
        cmd.arg(now_ms).arg(member);
    }
    cmd
}

/// The call that takes at most `messages_max` messages from a list to a processing list, and returns them.
pub(super) fn take(list: &str, processing: &str, messages_max: usize) -> Cmd {
    let mut cmd = eval(TAKE, &[list, processing]);
    cmd.arg(messages_max.min(TAKE_MAX));
    cmd
}

/// The call that puts at most `messages_max` delayed messages that are due into their queue, and returns their number. None waits longer than
/// `delay_ms_max`.
pub(super) fn due(keys: &QueueKeys, messages_max: usize, delay_ms_max: u64) -> Cmd {
    let mut cmd = eval(DUE, &[&keys.delayed, &keys.source]);
    cmd.arg(messages_max).arg(delay_ms_max);
    cmd
}

/// The bytes of a bulk string; `None` for any other value.
pub(super) fn bulk(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
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

/// The command that ends a batch: the first `messages` of the processing list.
pub(super) fn end(
    keys: &QueueKeys,
    processing: &str,
    messages: usize,
    left: &Leftovers,
    config: &QueueConfig,
) -> Cmd {
    if left.retries.is_empty() && left.outcomes.is_empty() && left.dead.is_empty() {
        let mut cmd = redis::cmd("LTRIM");
        cmd.arg(processing).arg(messages).arg(-1);
        return cmd;
    }
    let mut all_keys = vec![processing, &keys.delayed, &keys.dead];
    all_keys.extend(left.outcomes.iter().map(|(key, _)| &**key));
    let mut cmd = eval(END, &all_keys);
    cmd.arg(messages)
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
