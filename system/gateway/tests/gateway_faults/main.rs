//! The gateway when its dependencies or its clients fail: statuses, bodies, broken connections, shutdown.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod answers;
mod described;
mod fakes;
mod feed;
mod gate;
mod overload;
mod repeats;
mod requests;
mod routes;
mod shutdown;
mod slow_clients;
mod strangers;
