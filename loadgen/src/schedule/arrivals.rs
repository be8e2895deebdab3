//! A driver's share of the arrivals, each with its time by the schedule as it stands: where a schedule is held while it goes on,
//! the arrivals that have not come yet get the times of the new one. Which arrival is which journey never changes.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::Exp1;
use tokio::sync::watch;

use super::{Arrival, FOREVER, JourneyChooser, POISSON_SEED, Schedule};
use crate::scenario::Journey;
use crate::scenario::expression::Vars;
use crate::share::Share;

/// Arrivals in the order of their times: what an open workload is driven by, however it was made.
pub struct Arrivals(Source);

enum Source {
    Recorded(Box<dyn Iterator<Item = Arrival> + Send>),
    Scheduled(Scheduled),
}

/// How arrivals of a schedule lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly.
    Even,
    /// Independent of each other: a Poisson process whose intensity is the rate. The same seed gives the same times.
    Poisson(u64),
}

struct Scheduled {
    /// Each arrival's number N (see [`Schedule`]) and its journey: endless, because a hold may add arrivals.
    due: Box<dyn Iterator<Item = (f64, usize)> + Send>,
    /// The first one after the schedule's end, which may move.
    ahead: Option<(f64, usize)>,
    /// The number that was drawn last.
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
    /// At recorded times, already in order.
    pub fn recorded(arrivals: impl Iterator<Item = Arrival> + Send + 'static) -> Self {
        Self(Source::Recorded(Box::new(arrivals)))
    }

    /// A share of a schedule's arrivals, each a journey chosen by weight; the same seed gives the same sequence, and all shares
    /// together give it whatever their number.
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

    /// The same, by whatever schedule is told last.
    pub fn following(mut self, changes: watch::Receiver<Schedule>) -> Self {
        if let Source::Scheduled(scheduled) = &mut self.0 {
            scheduled.changes = Some(changes);
        }
        self
    }

    /// When the schedule ends as it stands; recorded arrivals end with the last of them.
    pub fn end(&self) -> Option<Duration> {
        match &self.0 {
            Source::Recorded(_) => None,
            Source::Scheduled(scheduled) => Some(scheduled.schedule.duration()),
        }
    }

    /// Returns when the schedule has changed; never where it can't.
    pub async fn changed(&mut self) {
        if let Source::Scheduled(Scheduled {
            changes: Some(changes),
            ..
        }) = &mut self.0
        {
            // An error says that nobody is left who could change it.
            if changes.changed().await.is_ok() {
                return changes.mark_changed();
            }
        }
        std::future::pending().await
    }

    /// The time of the arrival that was drawn last and has not been started, by the schedule as it stands now; nanoseconds.
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
        // Held at no rate at all the next one comes some day.
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
