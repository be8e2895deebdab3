//! Plans the replay of real orders from a shop's export (CSV): which products and customers to create, and which
//! invoice is ordered or cancelled when. Pure planning: it knows neither HTTP nor scenarios nor the clock, and
//! imports only the text form of durations from the rest of the crate. The same export, mapping and seed give the same plan.

mod columns;
mod error;
mod invoice;
mod money;
mod plan;
mod planner;
mod reader;
mod reason;
mod speed;
mod spread;
mod time;
mod time_pattern;

pub use columns::{Columns, DecimalSeparator, Delimiter, Repeats, TraceConfig};
pub use error::TraceError;
pub use plan::{
    JourneyKind, LineCounts, PlannedCustomer, PlannedJourney, PlannedOrder, PlannedProduct,
    TracePlan,
};
pub use reason::Reason;
pub use speed::Speed;
pub use time::TimeFormat;
