//! Where the time of one journey goes: each of a few sampled journeys is followed from its intended start until its states are
//! visible, and every request and awaited state is split into parts that follow each other and add up to the whole. What nobody
//! accounts for is a part of its own, `unexplained`, and is never hidden. Knows no report.
//!
//! The generator tells its own times; the target tells the others, if it likes: durations in `Server-Timing`, times in events
//! on a feed of sampled requests. All of them are put on one line of wall-clock microseconds. Within a process durations are exact;
//! a part between two processes is off by what their clocks are, which on several machines may make it negative: it is shown so.

pub mod chain;
pub mod figures;
pub mod following;
mod sample;
mod server_timing;
pub mod way;

pub use sample::{Sample, Sampler};

/// Until a request's turn came: it should have been sent before.
pub const SLIP: &str = "schedule slip";
/// Waiting for a connection or opening one.
pub const CONNECTION: &str = "connection";
/// Writing the request.
pub const WRITE: &str = "write";
/// From the request's last byte to the answer's first, where the target doesn't say more.
pub const SERVER: &str = "server and network";
/// From the answer's first byte to its last.
pub const READ: &str = "read";
/// The journey's steps before the request that a state follows from.
pub const EARLIER: &str = "earlier steps";
/// From an event's publication until whoever reacts on it has it.
pub const STREAM_WAIT: &str = "stream wait";
/// Until what an event changes is in the read model.
pub const PROJECTION: &str = "projection";
/// From there until the generator knew.
pub const FEED: &str = "feed";
/// What nobody accounts for: mostly network and scheduling. May be negative.
pub const UNEXPLAINED: &str = "unexplained";

/// The parts in the order in which they follow each other; `queue` and the like are OrderShop's names in `Server-Timing`. Others
/// stand behind them, in the order of their names.
pub const ORDER: [&str; 15] = [
    EARLIER,
    SLIP,
    CONNECTION,
    WRITE,
    "gateway",
    "queue",
    HANDLER,
    APPEND,
    SERVER,
    "reply",
    READ,
    STREAM_WAIT,
    PROJECTION,
    FEED,
    UNEXPLAINED,
];

/// Deciding, in the process that handles a command or reacts on an event.
pub const HANDLER: &str = "handler";
/// Writing events to the event store.
pub const APPEND: &str = "append";

/// The place of a part among others.
#[must_use]
pub fn place(part: &str) -> (usize, &str) {
    let known = ORDER.iter().position(|known| *known == part);
    // Unknown ones are parts of the server's time: behind `server`, before `unexplained`.
    (known.map_or(2 * ORDER.len() - 3, |at| 2 * at), part)
}
