//! The checks: events in, findings out. Pure; one file for each check.

mod accepted_present;
mod client_histories;
mod mails;
mod money;
mod nothing_left;
mod order_histories;
mod ordered;
mod paid_and_shipped;
mod read_model;
mod stock;
mod versions;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod races;
#[cfg(test)]
mod story;
#[cfg(test)]
mod table;
#[cfg(test)]
mod told;

pub use accepted_present::accepted_present;
pub use client_histories::ClientHistories;
pub use mails::mails;
pub use money::money;
pub use nothing_left::nothing_left;
pub use order_histories::order_histories;
pub use ordered::ordered;
pub use paid_and_shipped::paid_and_shipped;
pub use read_model::ReadModel;
pub use stock::Stock;
pub use versions::Versions;
