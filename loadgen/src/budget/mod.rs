//! The latency budget: where the time of a journey goes. A few sampled journeys are followed from the intended start until their states are
//! visible, and every request and awaited state is split into parts that follow each other and add up to the whole. Time without
//! an explanation is a part too, `unexplained`, and is never hidden. Must not know reports.
//!
//! The generator measures its own times; the target may report the others: durations in `Server-Timing`, times in events
//! on a feed of sampled requests. All times are wall-clock microseconds. Within a process durations are exact;
//! a part between two processes is off by the difference of their clocks. On several machines it may be negative, and is shown so.

pub mod chain;
pub mod figures;
pub mod following;
mod sample;
mod server_timing;
pub mod way;

pub use sample::{Sample, Sampler};

/// From a request's intended start until its turn came.
pub const SLIP: &str = "schedule slip";
/// Waiting for a connection, or opening one.
pub const CONNECTION: &str = "connection";
/// Writing the request.
pub const WRITE: &str = "write";
/// From the request's last byte to the answer's first, if the target reports no parts of it.
pub const SERVER: &str = "server and network";
/// From the answer's first byte to its last.
pub const READ: &str = "read";
/// The journey's steps before the request that led to a state.
pub const EARLIER: &str = "earlier steps";
/// From an event's publication until its consumer has received it.
pub const STREAM_WAIT: &str = "stream wait";
/// From then until the read model has applied the event.
pub const PROJECTION: &str = "projection";
/// From then until the generator saw it on the feed.
pub const FEED: &str = "feed";
/// Time without an explanation: mostly network and scheduling. May be negative.
pub const UNEXPLAINED: &str = "unexplained";

/// The parts in the order in which they follow each other; `queue` and the like are OrderShop's names in `Server-Timing`. Other parts
/// come after the server's, in the order of their names.
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

/// Deciding, in the process that handles a command or an event.
pub const HANDLER: &str = "handler";
/// Writing events to the event store.
pub const APPEND: &str = "append";

/// The sort key of a part among others.
#[must_use]
pub fn place(part: &str) -> (usize, &str) {
    let known = ORDER.iter().position(|known| *known == part);
    // Unknown parts belong to the server's time: they come before `unexplained`.
    (known.map_or(2 * ORDER.len() - 3, |at| 2 * at), part)
}
