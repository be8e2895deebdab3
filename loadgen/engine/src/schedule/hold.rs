//! Holding a schedule: from some time on the rate stays constant, and the rest of the schedule is delayed by as long
//! as the hold lasts. Arrivals before the hold keep their times, so that a hold may begin during a run.

use std::time::Duration;

use super::stages::Schedule;
use loadgen_scenario::Stage;

/// Ten years: the length of a hold that has not ended yet.
pub(super) const FOREVER: Duration = Duration::from_secs(315_360_000);

/// A span of time in which the rate is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// From the start of the run.
    pub from: Duration,
    /// From the start of the run; `None` while the hold lasts.
    pub until: Option<Duration>,
}

impl Schedule {
    /// This schedule with a hold. Unchanged if it ends before the hold.
    pub fn held(&self, hold: Hold) -> Self {
        let rate = self.rate_at(hold.from);
        let (mut stages, mut after, mut start) = (Vec::new(), Vec::new(), Duration::ZERO);
        for stage in &self.stages {
            let end = start + stage.duration;
            if end <= hold.from {
                stages.push(*stage);
            } else if start >= hold.from {
                after.push(*stage);
            } else {
                let (before, rest) = (hold.from - start, end - hold.from);
                stages.push(Stage {
                    duration: before,
                    from: stage.from,
                    to: rate,
                });
                after.push(Stage {
                    duration: rest,
                    from: rate,
                    to: stage.to,
                });
            }
            start = end;
        }
        if start <= hold.from {
            return self.clone();
        }
        let length = hold.until.map(|until| until.saturating_sub(hold.from));
        stages.push(Stage {
            duration: length.unwrap_or(FOREVER),
            from: rate,
            to: rate,
        });
        stages.extend(after.into_iter().filter(|_| length.is_some()));
        stages.retain(|stage| !stage.duration.is_zero());
        Self { stages }
    }

    /// Whether it has a hold that has not ended yet.
    pub fn is_held(&self) -> bool {
        self.stages.last().is_some_and(|s| s.duration == FOREVER)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::schedule::{Arrivals, Spacing};
    use loadgen_scenario::share::Share;

    fn ramp() -> Schedule {
        Schedule::new(vec![Stage {
            duration: Duration::from_secs(10),
            from: 0.0,
            to: 100.0,
        }])
    }

    fn hold(from_s: u64, until_s: Option<u64>) -> Hold {
        Hold {
            from: Duration::from_secs(from_s),
            until: until_s.map(Duration::from_secs),
        }
    }

    fn offsets(schedule: Schedule) -> Vec<u64> {
        schedule.offsets_ns(Spacing::Even).collect()
    }

    #[test]
    fn what_came_before_a_hold_stays_and_what_follows_is_shifted_by_its_length() {
        let (plain, held) = (offsets(ramp()), offsets(ramp().held(hold(5, Some(8)))));

        // 125 arrivals before 5 s; 3 s at 50/s are 150 more.
        assert_eq!(plain.len() + 150, held.len());
        let same = plain.iter().zip(&held).take(125);
        assert!(same.clone().all(|(a, b)| a.abs_diff(*b) <= 1));
        let during: Vec<u64> = held[125..275].windows(2).map(|w| w[1] - w[0]).collect();
        assert!(during.iter().all(|gap| gap.abs_diff(20_000_000) <= 1));
        let shifted = plain[125..].iter().zip(&held[275..]);
        assert!(
            shifted
                .clone()
                .all(|(a, b)| (a + 3_000_000_000).abs_diff(*b) <= 2)
        );
    }

    #[test]
    fn a_hold_that_lasts_has_no_end_and_ending_it_moves_nothing_that_came_in_it() {
        let lasting = ramp().held(hold(5, None));
        assert!(lasting.is_held());
        assert_eq!(lasting.rate_at(Duration::from_secs(5_000)), 50.0);
        let ended = ramp().held(hold(5, Some(8)));
        assert!(!ended.is_held());
        assert_eq!(ended.duration(), Duration::from_secs(13));
        for k in 0..275 {
            assert_eq!(lasting.arrival_ns(k), ended.arrival_ns(k), "arrival {k}");
        }
    }

    #[test]
    fn a_second_hold_counts_from_the_start_of_the_run_and_one_after_the_end_changes_nothing() {
        let once = ramp().held(hold(5, Some(8)));
        let twice = once.held(hold(9, Some(10)));
        assert_eq!(twice.duration(), Duration::from_secs(14));
        assert_eq!(twice.rate_at(Duration::from_millis(9_500)), 60.0);
        let after = once.held(hold(13, None));
        assert!(!after.is_held());
        assert_eq!(offsets(after), offsets(once));
    }

    #[test]
    fn drivers_that_follow_a_hold_share_its_arrivals_and_the_one_in_hand_gets_its_new_time() {
        let (tell, changes) = watch::channel(ramp());
        let of = |share| {
            let plain = Arrivals::scheduled(ramp(), Spacing::Even, &[], 7, share);
            plain.following(changes.clone())
        };
        let mut drivers: Vec<Arrivals> = Share::all(3).map(of).collect();
        let mut found: Vec<u64> = Vec::new();
        for driver in &mut drivers {
            found.extend(driver.by_ref().take(41).map(|a| a.offset_ns));
            // The 124 + 1st of all: due before the hold begins, or soon after it.
            let in_hand = driver.next().unwrap();
            tell.send_replace(ramp().held(hold(5, Some(8))));
            found.push(driver.rescheduled_ns(&in_hand));
            found.extend(driver.map(|a| a.offset_ns));
        }
        found.sort_unstable();
        assert_eq!(found, offsets(ramp().held(hold(5, Some(8)))));
    }

    #[test]
    fn arrivals_held_at_no_rate_do_not_end_and_come_when_the_schedule_goes_on() {
        let (tell, changes) = watch::channel(ramp());
        let mut arrivals =
            Arrivals::scheduled(ramp(), Spacing::Even, &[], 7, Share::WHOLE).following(changes);
        tell.send_replace(ramp().held(hold(0, None)));
        let mut first = arrivals.next().unwrap();
        first = arrivals.next().unwrap_or(first);
        assert!(first.offset_ns > 1_000_000_000_000, "some day");
        tell.send_replace(ramp().held(hold(0, Some(2))));
        assert_eq!(arrivals.rescheduled_ns(&first), 2_000_000_000 + 447_213_595);
    }
}
