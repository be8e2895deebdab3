//! Runs whose load agents drive: real agents, real runs, on one machine.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../support/held.rs"]
mod held;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/service.rs"]
mod service;

mod ab;
mod agent;
mod capacity;
mod losses;
mod refusals;
mod secured;
mod shares;
mod started;

use service::{Asked, Folder, Service};

/// Answers everything, and set-up's POSTs with a number of their own.
fn numbered() -> Service {
    let made = std::sync::atomic::AtomicU64::new(0);
    Service::start(move |asked: &Asked| {
        let id = match asked.method.as_str() {
            "POST" => made.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
            _ => 0,
        };
        (200, format!("{{\"id\": {id}}}"))
    })
}

/// An open workload of one GET, 100 a second.
fn gets(duration: &str) -> Folder {
    let room = program::ROOM;
    let text = format!(
        "name = \"t\"\ndescription = \"d\"\n{room}[workload]\nkind = \"open\"\nrate = 100.0\nduration = \"{duration}\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/thing\" }}\n"
    );
    Folder::new().with("t.toml", &text)
}
