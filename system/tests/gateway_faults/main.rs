//! The gateway when what is behind it fails, and when its clients do: statuses, bodies, broken connections, the end.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod answers;
mod fakes;
mod feed;
mod gate;
mod requests;
mod shutdown;
