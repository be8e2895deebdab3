//! How large a message may be.

/// Largest message in either direction, bytes: large enough for a batch of large bodies, small enough to catch mistakes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most bytes of the replies in one message, which carries more than them.
pub const REPLIES_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 1024 * 1024;
