//! A load generator that also measures itself: scenario → schedule → drive → record → report → render. Each stage imports only
//! the stages to its left. Of the system under test, this crate knows only its HTTP interface.

pub mod ab;
pub mod audit;
pub mod budget;
pub mod capacity;
pub mod compare;
pub mod drive;
pub mod duration;
pub mod fault;
pub mod feed;
pub mod feeder;
pub mod http_client;
pub mod live;
pub mod metrics_listen;
pub mod metrics_scrape;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod record;
pub mod render;
pub mod report;
pub mod run;
pub mod run_event;
pub mod scenario;
pub mod schedule;
pub mod share;
pub mod system_process;
pub mod trace;
