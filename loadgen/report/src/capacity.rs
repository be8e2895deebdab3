//! A search for the highest rate that a target sustains, as data: its probes, what each shows, and the report.

mod judge;
mod probe;
mod report;
mod saturation;

pub use probe::{Judged, Probe};
pub use report::{
    CAPACITY_FILE, CAPACITY_SCHEMA, CapacityReport, CapacityResult, CapacitySet, Findings,
    SearchSetting, write_report,
};
pub use saturation::shares;
