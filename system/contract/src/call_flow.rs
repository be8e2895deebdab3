//! The calls of this process to one queue: how many wait, how quickly they are answered, and so how long a further one would wait (Little's
//! law: the calls that wait, divided by the answers a second). A queue that is long for a moment is a burst and is let be. One that stays
//! long is overloaded: calls beyond that length are refused, as CoDel does with packets. Pure: the time is an argument.

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
/// For so long after a refusal a flow that bars herds has no patience.
const CALM: Duration = Duration::from_secs(5);

/// The calls to one queue.
#[derive(Debug, Default)]
pub struct Flow {
    waiting: u64,
    /// `None` while few calls wait.
    backlog: Option<Backlog>,
    /// The last refusal, and how many might wait then.
    refused: Option<(Instant, u64)>,
    bars_herds: bool,
}

/// More calls wait than a few.
#[derive(Debug)]
struct Backlog {
    /// Since when at least half as many wait as may.
    since: Instant,
    /// When the present interval began.
    interval: Instant,
    answers: u64,
    /// The length of the interval before, and the answers in it.
    before: (Duration, u64),
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The number of calls that wait.
    pub waiting: u64,
    /// The number that may wait, at the present rate of answers.
    pub waiting_max: u64,
}

impl Flow {
    /// A flow that has no patience for 5 s after a refusal. Otherwise all that were refused are let in when they come again together, as soon
    /// as the wait is short: more than can be done in time, where each begins something long.
    #[must_use]
    pub fn that_bars_herds() -> Self {
        Self {
            bars_herds: true,
            ..Self::default()
        }
    }

    /// Counts one more call, or refuses it.
    ///
    /// # Errors
    /// The calls that wait take too long already.
    pub fn admit(&mut self, timeout: Duration, now: Instant) -> Result<(), Full> {
        self.check(timeout, now)?;
        self.enter();
        Ok(())
    }

    /// Whether one more call would be refused.
    ///
    /// # Errors
    /// The calls that wait take too long already.
    pub fn check(&mut self, timeout: Duration, now: Instant) -> Result<(), Full> {
        if self.waiting < WAITING_MIN {
            self.backlog = None;
            return Ok(());
        }
        let refused = self.refused;
        let refused =
            refused.filter(|(at, _)| self.bars_herds && now.saturating_duration_since(*at) < CALM);
        let wait = WAIT_LEAST.max(timeout / WAIT_PART);
        let patience = PATIENCE_LEAST.max(timeout / PATIENCE_PART);
        let begin = || Backlog::begin(now, refused.map(|(_, waiting_max)| (wait, waiting_max)));
        let backlog = self.backlog.get_or_insert_with(begin);
        let waiting_max = backlog.answered_within(wait, now);
        if self.waiting < waiting_max / 2 {
            backlog.since = now;
        }
        let lasted = now.saturating_duration_since(backlog.since);
        let impatient = refused.is_some() || lasted >= patience;
        if self.waiting < waiting_max || !impatient {
            return Ok(());
        }
        self.refused = Some((now, waiting_max));
        Err(Full {
            waiting: self.waiting,
            waiting_max,
        })
    }

    /// Counts one more call, whether or not too much waits.
    pub fn enter(&mut self) {
        self.waiting += 1;
    }

    /// Counts one call less.
    pub fn leave(&mut self, answered: bool) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(backlog) = &mut self.backlog {
            backlog.answers += u64::from(answered);
        }
    }
}

impl Backlog {
    /// `before`: so many answers in so long, if that is known.
    fn begin(now: Instant, before: Option<(Duration, u64)>) -> Self {
        Self {
            since: now,
            interval: now,
            answers: 0,
            before: before.unwrap_or_default(),
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

    #[test]
    fn those_that_were_refused_are_not_all_let_in_when_they_come_again_together() {
        let mut simulated = Simulated::new();
        simulated.flow = Flow::that_bars_herds();
        simulated.run(10_000, 6, 2);
        for _ in 0..3 {
            simulated.run(400, 0, 2);
            assert_eq!(simulated.flow.waiting, 0, "it is idle again");
            simulated.run(100, 40, 2);
            let waiting = simulated.flow.waiting;
            assert!((500..=700).contains(&waiting), "{waiting}");
        }
        simulated.run(6_000, 1, 2);
        let refused = simulated.refused;
        simulated.run(100, 40, 2);
        assert_eq!(simulated.refused, refused, "a burst later is let be");
    }
}
