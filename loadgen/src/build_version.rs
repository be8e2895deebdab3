//! The version of this program and the profile that it was built with.

/// For `--version`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (profile ",
    env!("BUILD_PROFILE"),
    ")"
);
