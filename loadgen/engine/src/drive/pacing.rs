//! Wakes a task at exact times. The runtime's timer is accurate to about a millisecond. On Linux a kernel timer (timerfd), which the
//! runtime polls with its sockets, is accurate to about ten microseconds and costs nothing while waiting; elsewhere a thread
//! sleeps to the deadline. The pacer learns how late the machine wakes, sets the alarm earlier, and busy-waits the rest.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long before the deadline the runtime's timer ends: it may be up to a millisecond late.
const TIMER_EARLY: Duration = Duration::from_millis(3);
/// The alarm is set at most this early, because busy-waiting uses CPU.
const EARLY_NS_MAX: u64 = 20_000;
/// Minimum time between two alarms: arrivals due sooner wait for the next alarm. Each alarm costs two switches of
/// tasks and setting a timer: several times the cost of a request.
const BETWEEN_ALARMS: Duration = Duration::from_micros(50);
/// The longest time between two alarms, used when the thread would otherwise need more than a core.
const BETWEEN_ALARMS_MAX: Duration = Duration::from_micros(400);
/// How often the thread's CPU time is checked; above or below these shares of a core, alarms become rarer or denser.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const BUSY_ABOVE: f64 = 0.85;
const IDLE_BELOW: f64 = 0.6;
/// How fast the learnt lateness follows the last one measured.
const STEP_NS: u64 = 300;

/// Wakes one task at exact times.
pub struct Pacer {
    alarm: Alarm,
    /// How much earlier the alarm is set: three of four alarms are later than this.
    early_ns: Cell<u64>,
    /// The deadline of the last alarm; not when it rang, or lateness would add up.
    last_alarm: Cell<Option<Instant>>,
    between_alarms: Cell<Duration>,
    /// When the thread's CPU time was last checked, and its value.
    looked: Cell<(Instant, Duration)>,
}

impl Pacer {
    /// Creates the timer. Must be called within the runtime.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            alarm: Alarm::new()?,
            early_ns: Cell::new(EARLY_NS_MAX / 4),
            last_alarm: Cell::new(None),
            between_alarms: Cell::new(BETWEEN_ALARMS),
            looked: Cell::new((Instant::now(), thread_cpu())),
        })
    }

    /// Returns at the deadline (a little later where deadlines are dense), or at once when it is past. Dropping the
    /// wait is allowed; the next one is still exact.
    pub async fn wait_until(&self, deadline: Instant) {
        let last = self.last_alarm.get();
        let between = self.between_alarms.get();
        let deadline = last.map_or(deadline, |last| deadline.max(last + between));
        self.adapt_alarm_rate();
        if let Some(early) = deadline.checked_sub(TIMER_EARLY)
            && early > Instant::now()
        {
            tokio::time::sleep_until(early.into()).await;
        }
        let early = Duration::from_nanos(self.early_ns.get());
        let wake = deadline.checked_sub(early).unwrap_or(deadline);
        if wake > Instant::now() && self.alarm.ring_at(wake).await.is_ok() {
            self.learn(wake.elapsed());
        }
        while Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        // Only now: a wait that is dropped had no alarm, and must not hold up the next one, which may end earlier.
        self.last_alarm.set(Some(deadline));
    }

    /// Makes alarms rarer before the core is full: at high rates they cost most.
    fn adapt_alarm_rate(&self) {
        let (since, before) = self.looked.get();
        let passed = since.elapsed();
        if passed < LOOK_EVERY {
            return;
        }
        let now = thread_cpu();
        let busy = now.saturating_sub(before).as_secs_f64() / passed.as_secs_f64();
        let between = self.between_alarms.get();
        self.between_alarms.set(match busy {
            busy if busy > BUSY_ABOVE => (between * 2).min(BETWEEN_ALARMS_MAX),
            busy if busy < IDLE_BELOW => (between / 2).max(BETWEEN_ALARMS),
            _ => between,
        });
        self.looked.set((Instant::now(), now));
    }

    /// Up a third of a step for each alarm that was later than assumed, down one step for each that was not: it settles where three
    /// quarters are later. A higher value would be more exact by a few microseconds, but would busy-wait most of the time.
    fn learn(&self, late: Duration) {
        let early = self.early_ns.get();
        let learnt = match late.as_nanos() > u128::from(early) {
            true => (early + STEP_NS / 3).min(EARLY_NS_MAX),
            false => early.saturating_sub(STEP_NS),
        };
        self.early_ns.set(learnt);
    }
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(target_os = "linux")]
use kernel_timer::Alarm;

#[cfg(target_os = "linux")]
mod kernel_timer {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer that becomes readable when it has run out.
    pub struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // Its replacement is unsafe, for types that may close their descriptor early; `OwnedFd` keeps it open until it is dropped.
            #[allow(deprecated)]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// Returns some microseconds after this time.
        pub async fn ring_at(&self, time: Instant) -> io::Result<()> {
            const ONCE: Timespec = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let left = time.saturating_duration_since(Instant::now());
            let value = Timespec {
                tv_sec: left.as_secs() as i64,
                // Zero would switch the timer off.
                tv_nsec: i64::from(left.subsec_nanos().max(1)),
            };
            let setting = Itimerspec {
                it_interval: ONCE,
                it_value: value,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &setting)?;
            // Setting the timer cancels an earlier alarm, but the runtime may still report the timer as ready.
            while Instant::now() < time {
                self.0.readable().await?.clear_ready();
            }
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
use sleeping_thread::Alarm;

#[cfg(not(target_os = "linux"))]
mod sleeping_thread {
    use std::io;
    use std::sync::{Arc, mpsc};
    use std::time::Instant;

    use tokio::sync::Notify;

    /// A thread that sleeps to each time it is given.
    pub struct Alarm {
        times: mpsc::Sender<Instant>,
        bell: Arc<Notify>,
    }

    impl Alarm {
        pub fn new() -> io::Result<Self> {
            let (times, asked) = mpsc::channel::<Instant>();
            let bell = Arc::new(Notify::new());
            let ring = bell.clone();
            let sleeper = std::thread::Builder::new().name("pacer".into());
            sleeper.spawn(move || {
                for time in asked {
                    std::thread::sleep(time.saturating_duration_since(Instant::now()));
                    ring.notify_one();
                }
            })?;
            Ok(Self { times, bell })
        }

        /// Returns some ten microseconds after this time.
        pub async fn ring_at(&self, time: Instant) -> io::Result<()> {
            self.times
                .send(time)
                .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            // A notification for an earlier, cancelled wait may come first.
            while Instant::now() < time {
                self.bell.notified().await;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_wait_ends_before_its_deadline_and_a_past_one_ends_at_once() {
        let pacer = Pacer::start().unwrap();
        let start = Instant::now();
        for after_us in [0, 10, 200, 5_000, 5_030, 5_100, 20_000] {
            let deadline = start + Duration::from_micros(after_us);
            pacer.wait_until(deadline).await;
            assert!(Instant::now() >= deadline, "{after_us} µs");
        }
        let past = Instant::now();
        pacer.wait_until(start).await;
        assert!(past.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_does_not_end_the_next_one_early() {
        let pacer = Pacer::start().unwrap();
        // So far away that a busy machine gets to give it up before.
        let deadline = Instant::now() + Duration::from_millis(300);
        let given_up = pacer.wait_until(deadline);
        assert!(
            tokio::time::timeout(Duration::ZERO, given_up)
                .await
                .is_err(),
            "it is given up before its end"
        );
        let later = deadline + Duration::from_millis(10);
        pacer.wait_until(later).await;
        assert!(Instant::now() >= later);
    }
}
