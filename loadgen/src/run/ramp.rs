//! The schedule of a run with a live screen: it can be held and resumed. Drivers follow it; its holds are in the
//! report.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::run_event::RunEvent;
use loadgen_engine::schedule::{Hold, Schedule};
use loadgen_scenario::Stage;

/// A hold begins and ends this long after the request: by then every driver of this process knows of it, and no arrival is started by
/// two different schedules.
pub const AHEAD: Duration = Duration::from_millis(20);
/// The same for drivers of agents.
pub const AHEAD_OF_AGENTS: Duration = Duration::from_secs(1);

/// A schedule that can be held.
pub struct Ramp {
    plain: Schedule,
    /// How long after the request a hold begins and ends.
    ahead: Duration,
    present: watch::Sender<Schedule>,
    start: Option<Instant>,
    /// The holds in order of time; only the last one may be without an end.
    pub holds: Vec<Hold>,
}

impl Ramp {
    /// A ramp of these stages; a hold begins and ends so long after the request.
    pub fn new(stages: Vec<Stage>, ahead: Duration) -> Self {
        let plain = Schedule::new(stages);
        Self {
            present: watch::Sender::new(plain.clone()),
            plain,
            ahead,
            start: None,
            holds: Vec::new(),
        }
    }

    /// The current schedule, for drivers to follow.
    pub fn follow(&self) -> watch::Receiver<Schedule> {
        self.present.subscribe()
    }

    /// Sets the schedule's start.
    pub fn started(&mut self, at: Instant) {
        self.start = Some(at);
    }

    /// Holds or resumes the schedule; does nothing before its start and after its end.
    pub fn turn(&mut self) -> Option<RunEvent> {
        self.turn_at(self.start?.elapsed() + self.ahead)
    }

    fn turn_at(&mut self, at: Duration) -> Option<RunEvent> {
        let present = self.present.borrow().clone();
        let going_on = match self.holds.last_mut() {
            Some(hold) if hold.until.is_none() => {
                hold.until = Some(at);
                true
            }
            _ if at >= present.duration() => return None,
            _ => {
                self.holds.push(Hold {
                    from: at,
                    until: None,
                });
                false
            }
        };
        let holds = self.holds.iter();
        let held = holds.fold(self.plain.clone(), |schedule, hold| schedule.held(*hold));
        self.present.send_replace(held.clone());
        Some(match going_on {
            true => RunEvent::Resumed {
                at,
                stages: held.stages().to_vec(),
            },
            false => RunEvent::Held {
                at,
                rate: held.rate_at(at),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_ramp_is_held_and_goes_on_in_turns_until_its_end() {
        let mut ramp = Ramp::new(
            vec![Stage {
                duration: seconds(10),
                from: 0.0,
                to: 100.0,
            }],
            AHEAD,
        );
        assert!(ramp.turn().is_none(), "not before the start");

        let held = ramp.turn_at(seconds(5));
        assert!(matches!(held, Some(RunEvent::Held { rate, .. }) if rate == 50.0));
        assert!(ramp.follow().borrow().is_held());
        let on = ramp.turn_at(seconds(8));
        assert!(matches!(on, Some(RunEvent::Resumed { stages, .. }) if stages.len() == 3));
        assert_eq!(ramp.follow().borrow().duration(), seconds(13));

        assert!(ramp.turn_at(seconds(13)).is_none(), "not after the end");
        let one = [Hold {
            from: seconds(5),
            until: Some(seconds(8)),
        }];
        assert_eq!(ramp.holds, one);
    }
}
