//! Waking at an exact time. The runtime's timer is good to about a millisecond; a thread that sleeps to the deadline and wakes the
//! driver is good to some ten microseconds, and costs no CPU meanwhile. The last piece is spun.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The system wakes a sleeping thread about this much late (50 µs of timer slack on Linux, and the way through the runtime).
const WAKE_EARLY: Duration = Duration::from_micros(80);
/// From here on the runtime's timer is not needed: it would be up to a millisecond late.
const TIMER_EARLY: Duration = Duration::from_millis(3);

/// Wakes one task at exact times.
pub struct Pacer {
    deadlines: mpsc::Sender<Instant>,
    wake: Arc<Notify>,
}

impl Pacer {
    /// Starts its thread, which ends when this is dropped.
    pub fn start() -> std::io::Result<Self> {
        let (deadlines, asked) = mpsc::channel::<Instant>();
        let wake = Arc::new(Notify::new());
        let bell = wake.clone();
        std::thread::Builder::new()
            .name("pacer".into())
            .spawn(move || {
                for deadline in asked {
                    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
                    bell.notify_one();
                }
            })?;
        Ok(Self { deadlines, wake })
    }

    /// Returns at the deadline, or at once when it is past. Dropping the wait is allowed; the next one is still exact.
    pub async fn wait_until(&self, deadline: Instant) {
        if let Some(early) = deadline.checked_sub(TIMER_EARLY)
            && early > Instant::now()
        {
            tokio::time::sleep_until(early.into()).await;
        }
        let bell = deadline.checked_sub(WAKE_EARLY).unwrap_or(deadline);
        if bell > Instant::now() && self.deadlines.send(bell).is_ok() {
            // A ring meant for a wait that was given up may come first.
            while Instant::now() < bell {
                self.wake.notified().await;
            }
        }
        while Instant::now() < deadline {
            std::hint::spin_loop();
        }
    }
}
