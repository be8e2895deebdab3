//! A driver's share of the arrivals, each with its time by the current schedule: if the schedule is held during the run,
//! future arrivals get the times of the new one. The journey of each arrival never changes.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::Exp1;
use tokio::sync::watch;

use super::{Arrival, FOREVER, JourneyChooser, POISSON_SEED, Schedule};
use crate::scenario::Journey;
use crate::scenario::expression::Vars;
use crate::share::Share;

/// The arrivals of an open workload, in the order of their times.
pub struct Arrivals(Source);

enum Source {
    Recorded(Box<dyn Iterator<Item = Arrival> + Send>),
    Scheduled(Scheduled),
}

/// How arrivals of a schedule are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly spaced.
    Even,
    /// Independent of each other: a Poisson process whose intensity is the rate. The same seed gives the same times.
    Poisson(u64),
}

struct Scheduled {
    /// Each arrival's number N (see [`Schedule`]) and its journey. Endless, because a hold may add arrivals.
    due: Box<dyn Iterator<Item = (f64, usize)> + Send>,
    /// The first arrival after the schedule's end; the end may move.
    ahead: Option<(f64, usize)>,
    /// The number of the last arrival returned.
    last: f64,
    schedule: Schedule,
    changes: Option<watch::Receiver<Schedule>>,
}

impl Spacing {
    /// The arrivals' numbers N (see [`Schedule`]), without an end.
    pub(super) fn numbers(self) -> Box<dyn Iterator<Item = f64> + Send> {
        match self {
            Self::Even => Box::new((0_u64..).map(|k| k as f64)),
            // The gaps of a Poisson process with intensity 1 are exponential with mean 1; N⁻¹ of their sums has the intensity r(t).
            Self::Poisson(seed) => {
                let mut rng = SmallRng::seed_from_u64(seed ^ POISSON_SEED);
                let mut arrived = 0.0_f64;
                Box::new(std::iter::from_fn(move || {
                    arrived += rng.sample::<f64, _>(Exp1);
                    Some(arrived)
                }))
            }
        }
    }
}

impl Arrivals {
    /// Arrivals at recorded times, already in order.
    pub fn recorded(arrivals: impl Iterator<Item = Arrival> + Send + 'static) -> Self {
        Self(Source::Recorded(Box::new(arrivals)))
    }

    /// A share of a schedule's arrivals, with journeys chosen by weight. The same seed gives the same sequence, and all shares
    /// together give that sequence, whatever their number.
    pub fn scheduled(
        schedule: Schedule,
        spacing: Spacing,
        journeys: &[Journey],
        seed: u64,
        share: Share,
    ) -> Self {
        let mut chooser = JourneyChooser::new(journeys, seed);
        let numbers = spacing.numbers();
        let all = numbers.map(move |number| (number, chooser.choose()));
        Self(Source::Scheduled(Scheduled {
            due: Box::new(share.pick(all)),
            ahead: None,
            last: 0.0,
            schedule,
            changes: None,
        }))
    }

    /// The same arrivals, but by the latest schedule sent on `changes`.
    pub fn following(mut self, changes: watch::Receiver<Schedule>) -> Self {
        if let Source::Scheduled(scheduled) = &mut self.0 {
            scheduled.changes = Some(changes);
        }
        self
    }

    /// The end of the current schedule; `None` for recorded arrivals, which end with the last one.
    pub fn end(&self) -> Option<Duration> {
        match &self.0 {
            Source::Recorded(_) => None,
            Source::Scheduled(scheduled) => Some(scheduled.schedule.duration()),
        }
    }

    /// Returns when the schedule has changed; never, if it can't change.
    pub async fn changed(&mut self) {
        if let Source::Scheduled(Scheduled {
            changes: Some(changes),
            ..
        }) = &mut self.0
        {
            // An error means that the sender is gone: no more changes.
            if changes.changed().await.is_ok() {
                return changes.mark_changed();
            }
        }
        std::future::pending().await
    }

    /// The new time, in nanoseconds, of the last arrival returned, which has not started yet, by the current schedule.
    pub fn again_ns(&mut self, arrival: &Arrival) -> u64 {
        match &mut self.0 {
            Source::Recorded(_) => arrival.offset_ns,
            Source::Scheduled(scheduled) => {
                scheduled.look();
                let anew = scheduled.offset_ns(scheduled.last);
                anew.unwrap_or(arrival.offset_ns)
            }
        }
    }
}

impl Scheduled {
    fn look(&mut self) {
        if let Some(changes) = &mut self.changes
            && changes.has_changed().unwrap_or(false)
        {
            self.schedule = changes.borrow_and_update().clone();
        }
    }

    fn offset_ns(&self, number: f64) -> Option<u64> {
        // A schedule held at rate 0 has its next arrival in the far future.
        let some_day = || self.schedule.is_held().then_some(FOREVER.as_nanos() as u64);
        self.schedule.reached_ns(number).or_else(some_day)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        match &mut self.0 {
            Source::Recorded(arrivals) => arrivals.next(),
            Source::Scheduled(scheduled) => {
                scheduled.look();
                let (number, journey) = scheduled.ahead.take().or_else(|| scheduled.due.next())?;
                let Some(offset_ns) = scheduled.offset_ns(number) else {
                    scheduled.ahead = Some((number, journey));
                    return None;
                };
                scheduled.last = number;
                Some(Arrival {
                    offset_ns,
                    journey,
                    vars: Vars::new(),
                })
            }
        }
    }
}
