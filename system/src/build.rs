//! How this program was built.

use ordershop_gateway::Build;

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    profile: env!("BUILD_PROFILE"),
};

/// The version and the profile, for `--version`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (profile ",
    env!("BUILD_PROFILE"),
    ")"
);
