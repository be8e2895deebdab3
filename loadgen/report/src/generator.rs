//! How well a generator kept up, from what its drivers measured of themselves.

use std::time::Duration;

use crate::sections::Generator;
use loadgen_engine::drive::DriverHealth;
use loadgen_engine::record::Times;

/// What a generator measured of itself.
pub struct Own<'a> {
    /// Its drivers.
    pub drivers: &'a [DriverHealth],
    /// CPU time of its process during the run.
    pub process_cpu: Duration,
    /// Its journeys' schedule slip.
    pub slip: &'a Times,
    /// How often its live feed was opened again.
    pub feed_reconnects: u64,
}

impl Own<'_> {
    /// In a run of this length.
    pub fn over(&self, wall: Duration) -> Generator {
        let drivers = self.drivers;
        let of_each: Vec<f64> = drivers
            .iter()
            .map(|d| core_pct(d.cpu.unwrap_or(self.process_cpu), wall))
            .collect();
        let mut loop_lateness = Times::default();
        drivers
            .iter()
            .for_each(|d| loop_lateness.add(&d.loop_lateness));
        let longest = |of: fn(&DriverHealth) -> Duration| drivers.iter().map(of).max();
        let waited = longest(|d| d.cpu_wait.unwrap_or_default()).unwrap_or_default();
        let jump = longest(|d| d.clock_jump).unwrap_or_default();
        Generator {
            cpu_pct: of_each.iter().copied().fold(0.0, f64::max),
            drivers_cpu_pct: of_each,
            cpu_wait_pct: core_pct(waited, wall),
            loop_lateness_us: (&loop_lateness).into(),
            clock_jump_ms: hundredths(jump.as_secs_f64() * 1e3),
            own_errors: drivers.iter().map(|d| d.generator_errors).sum(),
            process_cpu_pct: core_pct(self.process_cpu, wall),
            schedule_slip_us: self.slip.into(),
            feed_reconnects: self.feed_reconnects,
        }
    }
}

/// CPU time as percent of one core.
pub fn core_pct(cpu: Duration, wall: Duration) -> f64 {
    if wall.is_zero() {
        0.0
    } else {
        hundredths(100.0 * cpu.as_secs_f64() / wall.as_secs_f64())
    }
}

/// A number to a hundredth.
pub fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
