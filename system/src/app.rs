//! The processes of the system: one with all roles, one with one role, or a supervisor of such. The only module that knows all parts.

pub mod archive;
pub mod backup;
pub mod dead_letters;
mod error;
pub mod health;
mod peer_readiness;
mod redis_choice;
mod redis_place;
pub mod restore;
pub mod roles;
mod running;
mod starting;
pub mod stop_request;
pub mod supervisor;
mod tcp_listener;
mod wiring;

pub use self::error::AppError;
pub use self::running::App;
