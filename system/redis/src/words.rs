//! The words of a command. Must not know what they mean.

use redis::{Arg, Cmd};

/// The words of a command, its name first.
pub(crate) fn words(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command.args_iter().filter_map(|word| match word {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    })
}
