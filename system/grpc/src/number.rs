//! Numbers that the contracts have as `uint32`.

use std::fmt::Display;

/// The number, or the reason why it doesn't fit. The server checks its own, smaller range.
pub(crate) fn number(
    name: &str,
    number: impl Copy + Display + TryInto<u32>,
) -> Result<u32, String> {
    number
        .try_into()
        .map_err(|_| format!("{name} is too large: {number}"))
}
