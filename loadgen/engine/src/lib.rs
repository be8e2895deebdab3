//! The load: schedule → drive → record. Each module imports only what is left of it, and nothing here knows the system that is driven
//! but its HTTP surface: what is particular to one system stands behind the traits [`record::ledger::Meanings`] and
//! [`fault::ProcessNames`].

pub mod budget;
pub mod drive;
pub mod fault;
pub mod feed;
pub mod http_client;
mod pairs;
pub mod proc;
pub mod record;
pub mod schedule;
pub mod scrape;
