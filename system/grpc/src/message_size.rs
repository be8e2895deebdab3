//! How large a message may be.

/// Largest message in either direction, bytes: large enough for a batch of large bodies, small enough to catch mistakes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
