//! What a Redis or Valkey says that it is.

use std::fmt;

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// `redis` or `valkey`.
    pub server: String,
    /// Its version, such as `7.0.15`.
    pub version: String,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.server, self.version)
    }
}
