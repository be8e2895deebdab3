//! How many users of a closed workload are active over time: when each of them comes, goes, and comes again. Pure.

use std::ops::Range;
use std::time::Duration;

use loadgen_scenario::Stage;

/// The users of a closed workload, by stages whose `from` and `to` are numbers of users.
#[derive(Debug, Clone)]
pub struct Crowd {
    stages: Vec<Stage>,
}

impl Crowd {
    /// A crowd of these stages.
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages }
    }

    /// How many users there are at once, at most.
    pub fn users_max(&self) -> usize {
        Stage::highest(&self.stages).ceil() as usize
    }

    /// How long the whole workload is.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|s| s.duration).sum()
    }

    /// When user number `user`, from 0, is active next, at `offset` or later, within one stage: while there are more than `user` users. `None`
    /// if never again.
    pub fn active_from(&self, user: usize, offset: Duration) -> Option<Range<Duration>> {
        let user = user as f64;
        let mut start = Duration::ZERO;
        for stage in &self.stages {
            let (from, to, length) = (stage.from, stage.to, stage.duration);
            // The part of the stage, from 0 to 1, in which the user is active.
            let (comes, goes) = if from.max(to) <= user {
                (1.0, 0.0)
            } else if to > from {
                (((user - from) / (to - from)).max(0.0), 1.0)
            } else if from > to {
                (0.0, ((from - user) / (from - to)).min(1.0))
            } else {
                (0.0, 1.0)
            };
            let from = (start + length.mul_f64(comes)).max(offset);
            let until = start + length.mul_f64(goes);
            if comes < goes && from < until {
                return Some(from..until);
            }
            start += length;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_comes_and_goes_as_the_stages_say() {
        let stage = |seconds: u64, from: f64, to: f64| Stage {
            duration: Duration::from_secs(seconds),
            from,
            to,
        };
        // Up to 10 in 10 s, 10 for 10 s, down to 0 in 10 s, none for 5 s, and 4 at the end.
        let crowd = Crowd::new(vec![
            stage(10, 0.0, 10.0),
            stage(10, 10.0, 10.0),
            stage(10, 10.0, 0.0),
            stage(5, 0.0, 0.0),
            stage(5, 4.0, 4.0),
        ]);
        assert_eq!((crowd.users_max(), crowd.duration().as_secs()), (10, 40));
        for (user, at_s, active_s) in [
            (0, 0.0, Some(0.0..10.0)),
            (3, 0.0, Some(3.0..10.0)),
            (3, 7.5, Some(7.5..10.0)),
            (3, 10.0, Some(10.0..20.0)),
            (9, 8.0, Some(9.0..10.0)),
            (9, 20.0, Some(20.0..21.0)),
            (9, 21.0, None),
            (4, 25.5, Some(25.5..26.0)),
            (4, 26.0, None),
            (3, 27.0, Some(35.0..40.0)),
            (0, 31.0, Some(35.0..40.0)),
            (0, 40.0, None),
            (10, 0.0, None),
        ] {
            let active = crowd.active_from(user, Duration::from_secs_f64(at_s));
            assert_eq!(
                active.map(|t| t.start.as_secs_f64()..t.end.as_secs_f64()),
                active_s,
                "user {user} at {at_s} s"
            );
        }
    }
}
