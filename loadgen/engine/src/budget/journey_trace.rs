//! One followed journey in full, for whoever shows journeys as traces. Must not know in which form.

use serde::{Deserialize, Serialize};

use super::critical_path::CriticalPath;
use super::figures::PathEnd;

/// A followed journey: its requests and awaited states, each with its parts. All times are wall-clock microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JourneyTrace {
    /// The journey's name.
    pub journey: String,
    /// Its trace id, as its requests have carried it.
    pub trace: u128,
    /// When it should have started.
    pub from_us: i64,
    /// When its last answer was read or its last state was visible.
    pub to_us: i64,
    /// The scenario's pauses in it, microseconds.
    pub paused_us: i64,
    /// The step at which it failed, if it did.
    pub failed_at: Option<String>,
    /// Its requests and states, ordered by their end.
    pub paths: Vec<TracedPath>,
}

/// A request or an awaited state of a journey.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TracedPath {
    /// Where it ends.
    pub end: PathEnd,
    /// The step's or the state's name.
    pub name: String,
    /// The span id that the request has carried; `None` for a state.
    pub span: Option<u64>,
    /// Its parts.
    pub path: CriticalPath,
}
