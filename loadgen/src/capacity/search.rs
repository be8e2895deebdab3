//! Which rate is tried next: a pure function of what has been tried. The rate is doubled until one does not hold, then the gap between
//! the highest that holds and the lowest that does not is halved (in ratio) until it is as narrow as asked for, then what was found is
//! tried again. Must not know how a rate is tried.
//!
//! A single probe near the limit may err either way. So a rate that did not hold is tried again at once, unless it failed by far, and
//! counts as too high when two of three did not hold; the result needs two of three that held.

use loadgen_report::capacity::Judged;

/// From one rate to the next while all of them hold.
const GROWTH: f64 = 2.0;
/// So many of three.
const MAJORITY: u32 = 2;

/// What is searched, in journeys a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Tried first.
    pub start: f64,
    /// Where the search gives up.
    pub lowest: f64,
    /// Not to be exceeded.
    pub highest: f64,
    /// How near the result must be to a rate that does not hold, as a share of it.
    pub precision: f64,
}

/// All probes of one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Journeys a second.
    pub rate: f64,
    holds: u32,
    exceeds: u32,
    doubts: u32,
    far: bool,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// This rate is to be tried.
    Try(f64),
    /// This one holds, and the other, at most the precision above it, does not.
    Found {
        /// Sustained.
        rate: f64,
        /// Not sustained.
        exceeded: f64,
    },
    /// This one holds; from the other on the generator is the limit.
    Limited {
        /// Sustained, if any was.
        rate: Option<f64>,
        /// Could not be offered.
        wall: f64,
    },
    /// The highest rate allowed holds.
    AtLeast(f64),
    /// The lowest does not hold.
    None(f64),
}

impl Tally {
    fn add(&mut self, judged: Judged) {
        match judged {
            Judged::Holds => self.holds += 1,
            Judged::Exceeds => self.exceeds += 1,
            Judged::FarExceeds => {
                self.exceeds += 1;
                self.far = true;
            }
            Judged::Doubtful => self.doubts += 1,
            Judged::Disturbed => {}
        }
    }

    fn too_high(&self) -> bool {
        self.far || self.exceeds + self.doubts >= MAJORITY
    }

    /// Too high, and not for the target.
    fn is_wall(&self) -> bool {
        self.too_high() && self.doubts >= self.exceeds
    }

    fn confirmed(&self) -> bool {
        !self.too_high() && self.holds >= MAJORITY
    }

    /// One probe of it was against it, and the others do not decide.
    fn contested(&self) -> bool {
        !self.too_high() && !self.confirmed() && self.exceeds + self.doubts > 0
    }
}

/// What has been tried so far.
#[derive(Debug, Clone, Default)]
pub struct Search {
    tallies: Vec<Tally>,
}

impl Search {
    /// A probe's result.
    pub fn tell(&mut self, rate: f64, judged: Judged) {
        let known = self.tallies.iter_mut().find(|t| t.rate == rate);
        match known {
            Some(tally) => tally.add(judged),
            None => {
                let mut tally = Tally {
                    rate,
                    holds: 0,
                    exceeds: 0,
                    doubts: 0,
                    far: false,
                };
                tally.add(judged);
                self.tallies.push(tally);
            }
        }
    }

    /// The lowest rate that is too high.
    fn ceiling(&self) -> Option<&Tally> {
        let too_high = self.tallies.iter().filter(|t| t.too_high());
        too_high.min_by(|a, b| a.rate.total_cmp(&b.rate))
    }

    /// The highest rate below it that has held.
    fn floor(&self) -> Option<&Tally> {
        let below = self.ceiling().map_or(f64::INFINITY, |t| t.rate);
        let held = self.tallies.iter();
        let held = held.filter(|t| !t.too_high() && t.holds > 0 && t.rate < below);
        held.max_by(|a, b| a.rate.total_cmp(&b.rate))
    }

    /// What is known at any time: the highest rate that held, and the lowest that did not.
    pub fn bracket(&self) -> (Option<f64>, Option<f64>) {
        (self.floor().map(|t| t.rate), self.ceiling().map(|t| t.rate))
    }

    /// What to do next.
    pub fn next(&self, range: &Range) -> Step {
        if let Some(contested) = self.tallies.iter().find(|t| t.contested()) {
            return Step::Try(contested.rate);
        }
        match (self.floor(), self.ceiling()) {
            (None, None) => Step::Try(range.start),
            (Some(floor), None) if floor.rate >= range.highest => match floor.confirmed() {
                true => Step::AtLeast(floor.rate),
                false => Step::Try(floor.rate),
            },
            (Some(floor), None) => Step::Try((floor.rate * GROWTH).min(range.highest)),
            (None, Some(ceiling)) if ceiling.rate <= range.lowest => match ceiling.is_wall() {
                true => Step::Limited {
                    rate: None,
                    wall: ceiling.rate,
                },
                false => Step::None(ceiling.rate),
            },
            (None, Some(ceiling)) => Step::Try((ceiling.rate / GROWTH).max(range.lowest)),
            (Some(floor), Some(ceiling)) => {
                if ceiling.rate > floor.rate * (1.0 + range.precision) {
                    return Step::Try(whole((floor.rate * ceiling.rate).sqrt()));
                }
                match (floor.confirmed(), ceiling.is_wall()) {
                    (false, _) => Step::Try(floor.rate),
                    (true, true) => Step::Limited {
                        rate: Some(floor.rate),
                        wall: ceiling.rate,
                    },
                    (true, false) => Step::Found {
                        rate: floor.rate,
                        exceeded: ceiling.rate,
                    },
                }
            }
        }
    }
}

/// Without decimals that nobody can read, as far as the search stays fine enough.
fn whole(rate: f64) -> f64 {
    match rate {
        r if r >= 100.0 => r.round(),
        r => (r * 100.0).round() / 100.0,
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const RANGE: Range = Range {
        start: 200.0,
        lowest: 1.0,
        highest: 100_000.0,
        precision: 0.05,
    };

    /// Searches with these answers; the end and how many probes it took.
    fn search(range: &Range, mut probe: impl FnMut(f64) -> Judged) -> (Step, usize) {
        let mut search = Search::default();
        for tried in 0..100 {
            match search.next(range) {
                Step::Try(rate) => search.tell(rate, probe(rate)),
                end => return (end, tried),
            }
        }
        panic!("no end: {search:?}")
    }

    fn knee(at: f64) -> impl Fn(f64) -> Judged {
        move |rate| match rate / at {
            r if r <= 1.0 => Judged::Holds,
            r if r <= 1.2 => Judged::Exceeds,
            _ => Judged::FarExceeds,
        }
    }

    #[test]
    fn the_highest_rate_that_holds_is_found_to_the_precision_wherever_the_search_starts() {
        for at in [1.0, 3.3, 90.0, 210.0, 999.0, 1_000.0, 47_000.0] {
            let (end, tried) = search(&RANGE, knee(at));
            let Step::Found { rate, exceeded } = end else {
                panic!("{at}: {end:?}");
            };
            assert!(rate <= at && exceeded > at, "{at}: {end:?}");
            assert!(exceeded <= rate * 1.05 + 1e-9, "{at}: {end:?}");
            assert!(tried <= 25, "{at}: {tried} probes");
        }
        let (_, tried) = search(&RANGE, knee(1_000.0));
        assert!(tried <= 12, "an ordinary search takes {tried} probes");
    }

    #[test]
    fn the_ends_of_the_range_have_their_own_answers() {
        let low = Range {
            lowest: 50.0,
            ..RANGE
        };
        assert_eq!(search(&low, knee(10.0)).0, Step::None(50.0));
        let high = Range {
            highest: 1_000.0,
            ..RANGE
        };
        assert_eq!(search(&high, knee(5_000.0)).0, Step::AtLeast(1_000.0));
    }

    #[test]
    fn a_generator_that_cannot_offer_more_is_no_capacity_of_the_target() {
        let (end, _) = search(&RANGE, |rate| match rate <= 5_000.0 {
            true => Judged::Holds,
            false => Judged::Doubtful,
        });
        let Step::Limited {
            rate: Some(rate),
            wall,
        } = end
        else {
            panic!("{end:?}");
        };
        assert!(rate <= 5_000.0 && wall > 5_000.0, "{end:?}");
        let none = search(&RANGE, |_| Judged::Doubtful).0;
        assert_eq!(
            none,
            Step::Limited {
                rate: None,
                wall: 1.0
            }
        );
    }

    #[test]
    fn probes_that_err_near_the_limit_do_not_lead_far_from_it() {
        // As likely to hold as not at the limit, and one of fifteen errs a tenth away from it.
        let mut rng = SmallRng::seed_from_u64(7);
        let (mut off, mut most) = (0, 0);
        for _ in 0..1_000 {
            let (end, tried) = search(&RANGE, |rate| {
                let above = rate / 1_000.0 - 1.0;
                let holds = 1.0 / (1.0 + (above / 0.038).exp());
                match (rng.random_range(0.0..1.0) < holds, above > 0.2) {
                    (true, _) => Judged::Holds,
                    (false, false) => Judged::Exceeds,
                    (false, true) => Judged::FarExceeds,
                }
            });
            let Step::Found { rate, .. } = end else {
                panic!("{end:?}");
            };
            off += usize::from(!(880.0..=1_080.0).contains(&rate));
            most = most.max(tried);
        }
        assert!(off <= 20, "{off} of 1000 were off");
        assert!(most <= 25, "{most} probes");
    }

    #[test]
    fn what_is_known_when_it_is_broken_off_is_the_bracket() {
        let mut search = Search::default();
        assert_eq!(search.bracket(), (None, None));
        search.tell(200.0, Judged::Holds);
        search.tell(400.0, Judged::FarExceeds);
        assert_eq!(search.bracket(), (Some(200.0), Some(400.0)));
    }
}
