//! A driver's watch on itself: whether it got the CPU when it needed it, its event loop was on time and the clock ran evenly. A
//! loaded machine's effects on the generator must not be reported as the target's.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use super::event::DriverHealth;
use crate::proc::{ThreadTime, thread_time};
use crate::record::Times;

/// Time between two checks: often enough to notice stalls of tens of milliseconds, rare enough to cost nothing.
const PERIOD: Duration = Duration::from_millis(10);

/// Watches the thread that created it.
pub struct SelfWatch {
    began: Option<ThreadTime>,
    loop_lateness: RefCell<Times>,
    clock_jump: Cell<Duration>,
}

impl SelfWatch {
    /// Starts watching.
    pub fn start() -> Self {
        Self {
            began: thread_time(),
            loop_lateness: RefCell::default(),
            clock_jump: Cell::new(Duration::ZERO),
        }
    }

    /// Checks once a period, forever. The timer itself is accurate to a millisecond.
    pub async fn watch(&self) {
        let mut before = (Instant::now(), SystemTime::now());
        loop {
            let due = Instant::now() + PERIOD;
            tokio::time::sleep_until(due.into()).await;
            let late = due.elapsed();
            self.loop_lateness.borrow_mut().record(late);
            let now = (Instant::now(), SystemTime::now());
            let passed = now.0 - before.0;
            let jump = match now.1.duration_since(before.1) {
                Ok(by_wall_clock) => by_wall_clock.abs_diff(passed),
                Err(back) => back.duration() + passed,
            };
            // A pause between the two readings looks like a jump; the loop's lateness is the longest such pause.
            let jump = jump.saturating_sub(late);
            self.clock_jump.set(self.clock_jump.get().max(jump));
            before = now;
        }
    }

    /// What was measured so far.
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
