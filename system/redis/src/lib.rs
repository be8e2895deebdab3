//! The event store and the message queue on Redis (or Valkey), the read model's positions, the connections to it, and a server of our own.
//! Knows nothing of what events and messages say.

pub mod address;
pub mod applied;
pub mod backup;
mod cluster;
mod cluster_router;
pub mod connection;
mod dial;
pub mod durability;
pub mod event_store;
pub mod guard;
pub mod info;
mod listener;
pub mod message_queue;
pub mod metrics;
mod multiplexed_connection;
pub mod partitions;
pub mod put_back;
mod refusal;
pub mod replicas;
mod reply_decoder;
pub mod requirements;
mod restoration_mark;
mod sentinel;
pub mod server;
pub mod shared_connection;
pub mod supervision;
pub mod when_full;
mod words;
