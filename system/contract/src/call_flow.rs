//! The calls of this process to one queue: how many wait, how quickly they are answered, and so how long a further one would wait (Little's
//! law: the calls that wait, divided by the answers a second). A queue that is long for a moment is a burst and is let be. One that stays
//! long is overloaded: calls are refused until the wait is short again, as CoDel does with packets. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// So few calls may always wait: they try out whether the queue is served again.
const WAITING_MIN: u64 = 16;
/// The interval over which answers are counted; the last two say how many a second there are.
const INTERVAL: Duration = Duration::from_millis(250);
/// The wait that may last is this part of a call's timeout, and at least [`WAIT_LEAST`]: 312 ms of 5 s.
const WAIT_PART: u32 = 16;
const WAIT_LEAST: Duration = Duration::from_millis(250);
/// How long a longer wait may last is this part of a call's timeout, and at least [`PATIENCE_LEAST`]: 1.25 s of 5 s. A server that stands still
/// for a second is no overload.
const PATIENCE_PART: u32 = 4;
const PATIENCE_LEAST: Duration = Duration::from_secs(1);

/// The calls to one queue.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    waiting: u64,
    /// `None` while few calls wait.
    backlog: Option<Backlog>,
}

/// Since more calls wait than a few.
#[derive(Debug)]
struct Backlog {
    since: Instant,
    /// When the present interval began.
    interval: Instant,
    answers: u64,
    /// The length of the interval before, and the answers in it.
    before: (Duration, u64),
    refuses: bool,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// The number of calls that wait.
    pub waiting: u64,
    /// The number that may wait, at the present rate of answers.
    pub waiting_max: u64,
}

impl Flow {
    /// Counts one more call, or refuses it.
    pub(crate) fn admit(&mut self, timeout: Duration, now: Instant) -> Result<(), Full> {
        if self.waiting < WAITING_MIN {
            self.backlog = None;
        } else {
            let backlog = self.backlog.get_or_insert_with(|| Backlog::begin(now));
            let wait = WAIT_LEAST.max(timeout / WAIT_PART);
            let patience = PATIENCE_LEAST.max(timeout / PATIENCE_PART);
            let waiting_max = backlog.answered_within(wait, now);
            if backlog.refuses(self.waiting, waiting_max, patience, now) {
                return Err(Full {
                    waiting: self.waiting,
                    waiting_max,
                });
            }
        }
        self.waiting += 1;
        Ok(())
    }

    /// Counts one call less.
    pub(crate) fn leave(&mut self, answered: bool) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(backlog) = &mut self.backlog {
            backlog.answers += u64::from(answered);
        }
    }
}

impl Backlog {
    fn begin(now: Instant) -> Self {
        Self {
            since: now,
            interval: now,
            answers: 0,
            before: (Duration::ZERO, 0),
            refuses: false,
        }
    }

    /// The number of calls that are answered within `wait` at the present rate; never fewer than those that may always wait.
    fn answered_within(&mut self, wait: Duration, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.interval);
        if elapsed >= INTERVAL {
            self.before = (elapsed, self.answers);
            self.interval = now;
            self.answers = 0;
        }
        let elapsed = now.saturating_duration_since(self.interval) + self.before.0;
        let answers = u128::from(self.answers + self.before.1);
        let number = answers * wait.as_micros() / elapsed.as_micros().max(1);
        u64::try_from(number).unwrap_or(u64::MAX).max(WAITING_MIN)
    }

    /// Once the wait has been too long for `patience`, whatever makes it too long is refused, until it is half as long as it may be.
    fn refuses(
        &mut self,
        waiting: u64,
        waiting_max: u64,
        patience: Duration,
        now: Instant,
    ) -> bool {
        let too_long = waiting >= waiting_max;
        if waiting < waiting_max / 2 {
            self.since = now;
            self.refuses = false;
        } else if too_long && now.saturating_duration_since(self.since) >= patience {
            self.refuses = true;
        }
        too_long && self.refuses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A queue that is offered and serves so many calls each millisecond.
    struct Simulated {
        flow: Flow,
        now: Instant,
        refused: u64,
        answered: u64,
    }

    impl Simulated {
        fn new() -> Self {
            Self {
                flow: Flow::default(),
                now: Instant::now(),
                refused: 0,
                answered: 0,
            }
        }

        fn run(&mut self, ms: u64, offered_per_ms: u64, served_per_ms: u64) {
            for _ in 0..ms {
                for _ in 0..offered_per_ms {
                    let admitted = self.flow.admit(TIMEOUT, self.now);
                    self.refused += u64::from(admitted.is_err());
                }
                for _ in 0..served_per_ms.min(self.flow.waiting) {
                    self.flow.leave(true);
                    self.answered += 1;
                }
                self.now += Duration::from_millis(1);
            }
        }
    }

    #[test]
    fn a_queue_that_keeps_up_refuses_nothing() {
        let mut simulated = Simulated::new();
        simulated.run(1, 100, 2);
        simulated.run(10_000, 2, 2);
        assert_eq!((simulated.refused, simulated.answered), (0, 20_002));
    }

    #[test]
    fn of_three_times_what_can_be_done_all_that_can_is_and_the_rest_is_refused() {
        let mut simulated = Simulated::new();
        simulated.run(30_000, 6, 2);
        assert_eq!(simulated.answered, 60_000, "the server is never idle");
        // 2 calls a ms, for a sixteenth of 5 s.
        let waiting = simulated.flow.waiting;
        assert!((600..=640).contains(&waiting), "{waiting}");

        simulated.run(1_000, 0, 2);
        assert_eq!(simulated.flow.waiting, 0, "it is idle again");
        let refused = simulated.refused;
        simulated.run(1_000, 1, 2);
        assert_eq!(simulated.refused, refused, "and refuses nothing");
    }

    #[test]
    fn a_burst_and_a_second_of_standstill_are_no_overload() {
        let mut simulated = Simulated::new();
        simulated.run(1_000, 1, 2);
        simulated.run(1, 2_000, 2);
        simulated.run(1_000, 1, 4);
        simulated.run(1_000, 1, 0);
        simulated.run(2_000, 1, 4);
        assert_eq!((simulated.refused, simulated.flow.waiting), (0, 0));
    }

    #[test]
    fn what_nobody_serves_is_refused_except_a_few_that_try_it_out() {
        let mut simulated = Simulated::new();
        simulated.run(1_200, 1, 0);
        assert_eq!(simulated.refused, 0);
        simulated.run(800, 1, 0);
        let refused = simulated.refused;
        assert!(refused >= 700, "{refused}");
        while simulated.flow.waiting > 0 {
            simulated.flow.leave(false);
        }
        simulated.run(50, 1, 0);
        assert_eq!(simulated.refused, refused);
    }
}
