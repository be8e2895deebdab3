//! What the parts of OrderShop agree on: the event store and the message queue as traits, and what is said over them. Every part may import
//! this crate; it imports the domain alone, and knows neither Redis nor HTTP nor gRPC.

pub mod admission;
pub mod backoff;
pub mod call_flow;
pub mod clock;
pub mod correlation;
pub mod dead_letters;
pub mod epoch;
pub mod event_lag;
pub mod event_store;
pub mod failpoint;
pub mod id;
pub mod message_queue;
pub mod metrics;
pub mod open_queue;
pub mod partition;
pub mod payload;
pub mod position;
pub mod queue_names;
pub mod readiness;
pub mod reply;
pub mod secret;
pub mod topic;
pub mod wire;
pub mod worker;
