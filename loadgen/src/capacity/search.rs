//! Chooses the next rate to try, as a pure function of the probes so far. The rate is doubled until one is not sustained. Then the gap
//! between the highest sustained rate and the lowest rate that is not is halved (in ratio) until it is narrow enough. Then the result is
//! tried again. Must not know how a rate is tried.
//!
//! A single probe near the limit may be wrong either way. Therefore a rate that was not sustained is tried again at once, unless it failed
//! by far, and is too high if two of three probes were not sustained; the result needs two of three probes that were.

use loadgen_report::capacity::Judged;

/// Factor from one rate to the next as long as all are sustained.
const GROWTH: f64 = 2.0;
/// The majority of three probes.
const MAJORITY: u32 = 2;

/// The range of a search; rates are journeys a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The first rate.
    pub start: f64,
    /// The lowest rate that is tried.
    pub lowest: f64,
    /// The highest rate that is tried.
    pub highest: f64,
    /// How near the result must be to a rate that is not sustained, as a share of the result.
    pub precision: f64,
}

/// The counts of all probes of one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Journeys a second.
    pub rate: f64,
    holds: u32,
    exceeds: u32,
    doubts: u32,
    far: bool,
}

/// The next step of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SearchStep {
    /// Try this rate.
    Try(f64),
    /// The search is done: `rate` is sustained, and `exceeded`, at most the precision above it, is not.
    Found {
        /// The rate was sustained.
        rate: f64,
        /// The rate was not sustained.
        exceeded: f64,
    },
    /// The search is done: from `wall` on the generator is the limit.
    Limited {
        /// The highest sustained rate, if any.
        rate: Option<f64>,
        /// The lowest rate that could not be offered.
        wall: f64,
    },
    /// The search is done: the highest rate allowed is sustained.
    AtLeast(f64),
    /// The search is done: not even the lowest rate is sustained.
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
            Judged::Disturbed | Judged::Invalid => {}
        }
    }

    fn too_high(&self) -> bool {
        self.far || self.exceeds + self.doubts >= MAJORITY
    }

    /// Whether the rate is too high for the generator, not for the target.
    fn is_wall(&self) -> bool {
        self.too_high() && self.doubts >= self.exceeds
    }

    fn confirmed(&self) -> bool {
        !self.too_high() && self.holds >= MAJORITY
    }

    /// Whether a probe failed and the probes so far do not decide.
    fn contested(&self) -> bool {
        !self.too_high() && !self.confirmed() && self.exceeds + self.doubts > 0
    }
}

/// The state of a search.
#[derive(Debug, Clone, Default)]
pub struct Search {
    tallies: Vec<Tally>,
}

impl Search {
    /// Records the result of a probe.
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

    /// The highest rate below the ceiling that was sustained at least once.
    fn floor(&self) -> Option<&Tally> {
        let below = self.ceiling().map_or(f64::INFINITY, |t| t.rate);
        let held = self.tallies.iter();
        let held = held.filter(|t| !t.too_high() && t.holds > 0 && t.rate < below);
        held.max_by(|a, b| a.rate.total_cmp(&b.rate))
    }

    /// The highest sustained rate and the lowest rate that is too high, as far as they are known.
    pub fn bracket(&self) -> (Option<f64>, Option<f64>) {
        (self.floor().map(|t| t.rate), self.ceiling().map(|t| t.rate))
    }

    /// The next step of a search.
    pub fn next(&self, range: &Range) -> SearchStep {
        if let Some(contested) = self.tallies.iter().find(|t| t.contested()) {
            return SearchStep::Try(contested.rate);
        }
        match (self.floor(), self.ceiling()) {
            (None, None) => SearchStep::Try(range.start),
            (Some(floor), None) if floor.rate >= range.highest => match floor.confirmed() {
                true => SearchStep::AtLeast(floor.rate),
                false => SearchStep::Try(floor.rate),
            },
            (Some(floor), None) => SearchStep::Try((floor.rate * GROWTH).min(range.highest)),
            (None, Some(ceiling)) if ceiling.rate <= range.lowest => match ceiling.is_wall() {
                true => SearchStep::Limited {
                    rate: None,
                    wall: ceiling.rate,
                },
                false => SearchStep::None(ceiling.rate),
            },
            (None, Some(ceiling)) => SearchStep::Try((ceiling.rate / GROWTH).max(range.lowest)),
            (Some(floor), Some(ceiling)) => {
                if ceiling.rate > floor.rate * (1.0 + range.precision) {
                    return SearchStep::Try(whole((floor.rate * ceiling.rate).sqrt()));
                }
                match (floor.confirmed(), ceiling.is_wall()) {
                    (false, _) => SearchStep::Try(floor.rate),
                    (true, true) => SearchStep::Limited {
                        rate: Some(floor.rate),
                        wall: ceiling.rate,
                    },
                    (true, false) => SearchStep::Found {
                        rate: floor.rate,
                        exceeded: ceiling.rate,
                    },
                }
            }
        }
    }
}

/// Rounds a rate to a whole number from 100 on, below to two decimals.
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

    /// Searches with these answers; returns the last step and the number of probes.
    fn search(range: &Range, mut probe: impl FnMut(f64) -> Judged) -> (SearchStep, usize) {
        let mut search = Search::default();
        for tried in 0..100 {
            match search.next(range) {
                SearchStep::Try(rate) => search.tell(rate, probe(rate)),
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
            let SearchStep::Found { rate, exceeded } = end else {
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
        assert_eq!(search(&low, knee(10.0)).0, SearchStep::None(50.0));
        let high = Range {
            highest: 1_000.0,
            ..RANGE
        };
        assert_eq!(search(&high, knee(5_000.0)).0, SearchStep::AtLeast(1_000.0));
    }

    #[test]
    fn a_generator_that_cannot_offer_more_is_no_capacity_of_the_target() {
        let (end, _) = search(&RANGE, |rate| match rate <= 5_000.0 {
            true => Judged::Holds,
            false => Judged::Doubtful,
        });
        let SearchStep::Limited {
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
            SearchStep::Limited {
                rate: None,
                wall: 1.0
            }
        );
    }

    #[test]
    fn probes_that_err_near_the_limit_do_not_lead_far_from_it() {
        // At the limit a probe is sustained with probability 1/2; a tenth away from it one of fifteen probes is wrong.
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
            let SearchStep::Found { rate, .. } = end else {
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
