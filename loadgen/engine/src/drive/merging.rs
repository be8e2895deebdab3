//! Merges what several drivers tell, or several agents, so that listeners see a single one. Nothing is averaged and no sample is lost.

use std::collections::BTreeMap;

use super::event::{DriverEvent, Finished, Interval, Refusal};
use crate::record::ledger::Ledger;

/// How far a driver has come.
#[derive(Clone, Copy)]
enum DriverProgress {
    /// The number of intervals that it has reported.
    Intervals(u64),
    /// It reports no more.
    Finished,
}

/// The progress and the figures of several drivers, or of several agents, as one.
pub struct Merging {
    /// Journeys in flight, one entry for each driver that has begun to drain.
    draining: Vec<usize>,
    /// The progress of each driver.
    progress: Vec<DriverProgress>,
    /// Intervals that some drivers have reported and others have not.
    open: BTreeMap<u64, Interval>,
    finished: Finished,
}

impl Merging {
    /// Nothing has been told yet by this many. `ledger` is what set-up has created, if it is noted.
    pub fn new(drivers: usize, ledger: Option<Box<Ledger>>) -> Self {
        Self {
            draining: Vec::new(),
            progress: vec![DriverProgress::Intervals(0); drivers],
            open: BTreeMap::new(),
            finished: Finished {
                ledger,
                ..Finished::default()
            },
        }
    }

    /// Merges the event of one of them and returns the events of all that follow from it.
    ///
    /// # Errors
    /// If it failed.
    pub fn merge(&mut self, index: usize, event: DriverEvent) -> Result<Vec<DriverEvent>, Refusal> {
        match event {
            DriverEvent::Interval(interval) => {
                let number = interval.start.as_secs();
                self.progress[index] = DriverProgress::Intervals(number + 1);
                match self.open.get_mut(&number) {
                    Some(so_far) => so_far.add(*interval),
                    None => drop(self.open.insert(number, *interval)),
                }
                Ok(self.complete())
            }
            DriverEvent::Draining { in_flight } => {
                self.draining.push(in_flight);
                let all = self.draining.len() == self.progress.len();
                Ok(all
                    .then(|| DriverEvent::Draining {
                        in_flight: self.draining.iter().sum(),
                    })
                    .into_iter()
                    .collect())
            }
            DriverEvent::Finished(finished) => {
                self.finished.add(finished);
                Ok(self.gone(index))
            }
            DriverEvent::Failed(refusal) => Err(refusal),
            DriverEvent::Warning(text) => Ok(vec![DriverEvent::Warning(text)]),
            // Events of the whole run are sent once, by whoever leads it.
            _ => Ok(Vec::new()),
        }
    }

    /// No more will be told by this one. Returns the events that follow from it.
    pub fn gone(&mut self, index: usize) -> Vec<DriverEvent> {
        self.progress[index] = DriverProgress::Finished;
        self.complete()
    }

    /// The final figures, when nobody has more to tell.
    pub fn finished(&mut self) -> Option<Finished> {
        let finished = |progress: &DriverProgress| matches!(progress, DriverProgress::Finished);
        let all = self.progress.iter().all(finished);
        all.then(|| std::mem::take(&mut self.finished))
    }

    /// Takes the intervals that every driver has reported.
    fn complete(&mut self) -> Vec<DriverEvent> {
        let reported = self.progress.iter().filter_map(|progress| match progress {
            DriverProgress::Intervals(count) => Some(count),
            DriverProgress::Finished => None,
        });
        let later = match reported.min() {
            Some(reported_by_all) => self.open.split_off(reported_by_all),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.open, later)
            .into_values()
            .map(|interval| DriverEvent::Interval(Box::new(interval)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::Figures;

    fn interval(second: u64, started: u64) -> DriverEvent {
        let mut figures = Figures::new(0, 0, 1);
        figures.counts(0).started = started;
        DriverEvent::Interval(Box::new(Interval {
            start: Duration::from_secs(second),
            length: Duration::from_secs(1),
            figures,
            in_flight: 1,
            started,
            traces: Vec::new(),
            agents_cpu_pct: Vec::new(),
        }))
    }

    fn seen(events: Vec<DriverEvent>) -> Vec<(u64, u64, usize)> {
        let of = |event| match event {
            DriverEvent::Interval(i) => {
                (i.start.as_secs(), i.figures.journeys().started, i.in_flight)
            }
            other => panic!("{other:?}"),
        };
        events.into_iter().map(of).collect()
    }

    #[test]
    fn an_interval_is_told_when_every_driver_has_told_it_or_has_finished() {
        let mut merging = Merging::new(2, None);

        assert_eq!(seen(merging.merge(0, interval(0, 3)).unwrap()), []);
        assert_eq!(seen(merging.merge(0, interval(1, 4)).unwrap()), []);
        assert_eq!(
            seen(merging.merge(1, interval(0, 5)).unwrap()),
            [(0, 8, 2)],
            "both figures as one"
        );
        let last = merging.merge(1, DriverEvent::Finished(Finished::default()));
        assert_eq!(seen(last.unwrap()), [(1, 4, 1)]);
        assert_eq!(seen(merging.merge(0, interval(2, 6)).unwrap()), [(2, 6, 1)]);
    }
}
