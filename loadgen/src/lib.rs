//! The programs: one run, a search for the highest rate, builds compared in turns, and what is shown of them while they go on. The only
//! part that knows all the others, OrderShop among them.

pub mod ab;
pub mod agents;
pub mod build_version;
pub mod capacity;
mod descriptors;
pub mod live;
mod loads;
pub mod metrics_listen;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod out_folder;
pub mod run;
pub mod run_event;
pub mod seconds_csv;
mod small_pages;
mod targets;
pub mod terminal;
