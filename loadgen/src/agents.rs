//! Several generators under one load: agents on other machines drive shares of one schedule, and the machine that leads the run sets up,
//! starts them at one instant and merges what they tell. Must not know how a report is built or shown.

mod clock;
mod connection;
mod engagement;
mod frame;
mod lead;
mod lines;
mod member;
mod serving;
mod session;
mod wire;

pub use connection::AgentsOptions;
pub use engagement::{Agents, Engaged, Task};
pub use serving::{AgentOptions, Listening};
