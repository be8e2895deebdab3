//! The contracts of the first OrderShop, for services that were written for it, in any language. They serve the same store and queue
//! as OrderShop's own contracts: a client takes part in the same groups and serves the same functions.

mod deliveries;
mod error;
mod event_store;
mod group;
mod message_queue;
pub mod proto;
mod published;
mod receivers;
mod replies;
mod request;
mod subscriptions;
mod topic_stream;

pub use event_store::OriginalEventStore;
pub use message_queue::{MessageLimits, OriginalMessageQueue};
pub use published::PUBLISHED_CLAIM;
