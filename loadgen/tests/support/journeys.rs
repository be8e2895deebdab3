//! Scenarios of a few journeys, one after the other, against a service that is not OrderShop.

#[path = "room.rs"]
mod room;

use crate::service::Service;
pub use room::ROOM;

/// A scenario of one journey with these steps, done `n` times, one after the other, by a feeder that stops; `more` is inserted before the
/// workload.
pub fn journeys(n: usize, more: &str, steps: &str) -> String {
    let items: Vec<String> = (0..n).map(|i| i.to_string()).collect();
    format!(
        r#"name = "test"
description = "d"
thresholds = ["journeys.failed == 0", "journeys.completed == {n}"]
{more}
{ROOM}
[workload]
kind = "closed"
users = 1
duration = "60s"
[[feeders]]
name = "number"
items = [{}]
pick = "sequential"
at_end = "stop"
[[journeys]]
name = "j"
[[journeys.steps]]
remember = {{ key = "number", value = "{{{{number}}}}" }}
{steps}"#,
        items.join(", ")
    )
}

/// The requests so far, each as its method and path.
pub fn lines(service: &Service) -> Vec<String> {
    service.asked().iter().map(|asked| asked.line()).collect()
}
