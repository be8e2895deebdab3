//! Commands that are carried out although Redis is full: those that write what was accepted before. Knows their words, not what they mean.

use redis::{Cmd, Pipeline, RedisError};

use crate::refusal;
use crate::words::words;

/// Whether a command, or one of a pipeline, was refused because Redis is full.
#[must_use]
pub fn is_full(error: &RedisError) -> bool {
    refusal::any(error, refusal::is_oom)
}

/// A call that carries out commands although Redis is full, which takes no transaction. It returns 1, or 0 and does nothing where the first of
/// their keys doesn't have the value `expected` (empty: it isn't there).
#[must_use]
pub fn when_full(keys: &[String], expected: &str, commands: &Pipeline) -> Cmd {
    let mut call = redis::cmd("EVAL");
    call.arg(include_str!("when_full.lua"));
    call.arg(keys.len()).arg(keys).arg(expected);
    for command in commands.cmd_iter() {
        let words: Vec<&[u8]> = words(command).collect();
        call.arg(words.len()).arg(words);
    }
    call
}
