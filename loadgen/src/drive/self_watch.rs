//! A driver's look at itself: did it get the CPU when it wanted it, did its event loop come round, did the clock run evenly? What a
//! loaded machine does to the generator must not be told as the target's figures.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use super::cpu_time::{ThreadTime, thread_time};
use crate::record::Times;
use crate::run_event::DriverHealth;

/// Between two looks: often enough to meet a stall of some ten milliseconds, seldom enough to cost nothing.
const PERIOD: Duration = Duration::from_millis(10);

/// Watches the thread that it was made on.
pub struct SelfWatch {
    began: Option<ThreadTime>,
    loop_lateness: RefCell<Times>,
    clock_jump: Cell<Duration>,
}

impl SelfWatch {
    /// From now on.
    pub fn start() -> Self {
        Self {
            began: thread_time(),
            loop_lateness: RefCell::default(),
            clock_jump: Cell::new(Duration::ZERO),
        }
    }

    /// Looks once a period, for ever. The timer itself is good to a millisecond.
    pub async fn look_on(&self) {
        let mut before = (Instant::now(), SystemTime::now());
        loop {
            let due = Instant::now() + PERIOD;
            tokio::time::sleep_until(due.into()).await;
            let late = due.elapsed();
            self.loop_lateness.borrow_mut().record(late);
            let now = (Instant::now(), SystemTime::now());
            let passed = now.0 - before.0;
            let by_wall_clock = now.1.duration_since(before.1).unwrap_or_default();
            // A stop between the two readings looks like a jump; what the loop was late is the most that explains.
            let jump = by_wall_clock.abs_diff(passed).saturating_sub(late);
            self.clock_jump.set(self.clock_jump.get().max(jump));
            before = now;
        }
    }

    /// What was seen so far.
    pub fn health(&self, generator_errors: u64) -> DriverHealth {
        let used = self
            .began
            .zip(thread_time())
            .map(|(before, now)| now.since(before));
        DriverHealth {
            cpu: used.map(|t| t.running),
            cpu_wait: used.map(|t| t.waiting),
            loop_lateness: self.loop_lateness.borrow().clone(),
            clock_jump: self.clock_jump.get(),
            generator_errors,
        }
    }
}
