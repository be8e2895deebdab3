//! What a client did with its connections, for reports.

use serde::{Deserialize, Serialize};

/// What a client did with its connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionFigures {
    /// Connections opened.
    pub opened: u64,
    /// Requests sent, each redirect and each repetition for itself.
    pub requests: u64,
    /// Kept connections that the target had closed before they were used again.
    pub closed_idle: u64,
    /// Requests sent once more, because the target can't have begun them or they change nothing.
    pub repeated: u64,
    /// The most requests at once on one connection.
    pub streams_max: u64,
}

impl ConnectionFigures {
    /// Adds another client's figures.
    pub fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.requests += other.requests;
        self.closed_idle += other.closed_idle;
        self.repeated += other.repeated;
        self.streams_max = self.streams_max.max(other.streams_max);
    }
}
