//! A deliberate regression: CPU time wasted for each applied event. It tests whether a comparison of two builds finds a known difference;
//! off by default.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time to be wasted for each event.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlantedCpuCost {
    per_event: Duration,
}

impl PlantedCpuCost {
    /// Wastes this many microseconds for each event; 0 wastes nothing.
    #[must_use]
    pub fn us_per_event(us: u32) -> Self {
        Self {
            per_event: Duration::from_micros(u64::from(us)),
        }
    }

    /// Spins for these events. Measures the thread's CPU time, as waiting for a core must not count.
    pub(super) fn spend(self, events: usize) {
        if self.per_event.is_zero() {
            return;
        }
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let end = thread_cpu_time() + self.per_event.saturating_mul(events);
        while thread_cpu_time() < end {
            std::hint::spin_loop();
        }
    }
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // A thread's CPU time is never negative, and a second has fewer nanoseconds than fit.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_spent_for_each_event() {
        let before = thread_cpu_time();

        PlantedCpuCost::us_per_event(200).spend(10);

        assert!(thread_cpu_time() - before >= Duration::from_millis(2));
    }
}
