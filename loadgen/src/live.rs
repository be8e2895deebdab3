//! The progress of a run: a full screen in a terminal, plain lines elsewhere, JSON lines for programs. Each is a listener of the run's
//! events and knows nothing else of the run; none decides anything.

mod audit_bar;
mod json_lines;
mod lines;
mod run_progress;
mod screen;
mod view;

pub use audit_bar::AuditBar;
pub use json_lines::JsonLines;
pub use lines::Lines;
pub use run_progress::{Moment, Phase, RunProgress};
pub use screen::{Screen, can_be_shown};
pub use view::{Tab, View, draw};
