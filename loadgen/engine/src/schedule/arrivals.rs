//! A driver's share of the arrivals, each with its time by the current schedule: if the schedule is held during the run,
//! future arrivals get the times of the new one. The journey of each arrival never changes.

use std::time::Duration;

use tokio::sync::watch;

use super::hold::FOREVER;
use super::mix::JourneyChooser;
use super::spacing::Spacing;
use super::stages::Schedule;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::share::Share;

/// A journey that should start at an exact time.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Nanoseconds after the start of the run.
    pub offset_ns: u64,
    /// Index into the scenario's journeys.
    pub journey: usize,
    /// Variables it starts with: for a recorded trace, the recorded values.
    pub vars: Vars,
}

/// The arrivals of an open workload, in the order of their times.
pub struct Arrivals(ArrivalSource);

enum ArrivalSource {
    Recorded(Box<dyn Iterator<Item = Arrival> + Send>),
    Scheduled(Scheduled),
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

impl Arrivals {
    /// Arrivals at recorded times, already in order.
    pub fn recorded(arrivals: impl Iterator<Item = Arrival> + Send + 'static) -> Self {
        Self(ArrivalSource::Recorded(Box::new(arrivals)))
    }

    /// A share of a schedule's arrivals, with journeys chosen from the mix by weight. The same seed gives the same sequence, and all shares
    /// together give that sequence, whatever their number.
    pub fn scheduled(
        schedule: Schedule,
        spacing: Spacing,
        mix: &[(usize, f64)],
        seed: u64,
        share: Share,
    ) -> Self {
        let mut chooser = JourneyChooser::new(mix, seed);
        let numbers = spacing.numbers();
        let all = numbers.map(move |number| (number, chooser.choose()));
        Self(ArrivalSource::Scheduled(Scheduled {
            due: Box::new(share.pick(all)),
            ahead: None,
            last: 0.0,
            schedule,
            changes: None,
        }))
    }

    /// The same arrivals, but by the latest schedule sent on `changes`.
    pub fn following(mut self, changes: watch::Receiver<Schedule>) -> Self {
        if let ArrivalSource::Scheduled(scheduled) = &mut self.0 {
            scheduled.changes = Some(changes);
        }
        self
    }

    /// The end of the current schedule; `None` for recorded arrivals, which end with the last one.
    pub fn end(&self) -> Option<Duration> {
        match &self.0 {
            ArrivalSource::Recorded(_) => None,
            ArrivalSource::Scheduled(scheduled) => Some(scheduled.schedule.duration()),
        }
    }

    /// Returns when the schedule has changed; never, if it can't change.
    pub async fn changed(&mut self) {
        if let ArrivalSource::Scheduled(Scheduled {
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
    pub fn rescheduled_ns(&mut self, arrival: &Arrival) -> u64 {
        match &mut self.0 {
            ArrivalSource::Recorded(_) => arrival.offset_ns,
            ArrivalSource::Scheduled(scheduled) => {
                scheduled.update_schedule();
                let anew = scheduled.offset_ns(scheduled.last);
                anew.unwrap_or(arrival.offset_ns)
            }
        }
    }
}

impl Scheduled {
    fn update_schedule(&mut self) {
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
            ArrivalSource::Recorded(arrivals) => arrivals.next(),
            ArrivalSource::Scheduled(scheduled) => {
                scheduled.update_schedule();
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
