//! Takes the two readings for a journey's cost: at the end of the warm-up, and after the drain. Must not know what is
//! made of them.

use std::sync::Arc;
use std::time::Duration;

use loadgen_engine::drive::Interval;
use loadgen_engine::fault::StartedSystem;
use loadgen_engine::proc::{group_cpu_times, group_memory_peaks};
use loadgen_engine::scrape::Scrape;
use loadgen_report::Reading;

/// Takes the two readings of a run.
pub struct CostReadings {
    /// The system that was started here.
    system: Option<Arc<dyn StartedSystem>>,
    warm_up: Duration,
    /// Completed journeys recorded so far.
    journeys: u64,
    before: Option<Reading>,
}

impl CostReadings {
    /// The readings of a run; `system` is set if the system was started here.
    pub fn new(system: Option<Arc<dyn StartedSystem>>, warm_up: Duration) -> Self {
        Self {
            system,
            warm_up,
            journeys: 0,
            before: None,
        }
    }

    /// Takes the first reading if there is no warm-up. Call it before the workload starts.
    pub fn start(&mut self, scrape: Option<&Scrape>) {
        if self.warm_up.is_zero() {
            self.before = Some(self.read(scrape));
        }
    }

    /// Adds an interval; takes the first reading at the first one that ends after the warm-up.
    pub fn interval(&mut self, interval: &Interval, scrape: Option<&Scrape>) {
        self.journeys += interval.figures.journeys().completed;
        if self.before.is_none() && interval.start + interval.length >= self.warm_up {
            self.before = Some(self.read(scrape));
        }
    }

    /// Both readings, after the drain; `None` if there was no first one.
    pub fn end(self, scrape: Option<&Scrape>) -> Option<(Reading, Reading)> {
        let after = self.read(scrape);
        Some((self.before?, after))
    }

    fn read(&self, scrape: Option<&Scrape>) -> Reading {
        let system = self.system.as_ref();
        Reading {
            cpu: system.map_or_else(Default::default, |s| group_cpu_times(&s.roots())),
            // A Redis that was started elsewhere has had its peak in another run, perhaps.
            memory_peaks: system.map_or_else(Default::default, |s| group_memory_peaks(s.process())),
            scrape: scrape.cloned(),
            journeys: self.journeys,
        }
    }
}
