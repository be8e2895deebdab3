//! The options of a comparison.

use super::CompareError;
use super::rule::Rule;

/// The options of a comparison.
#[derive(Debug, Clone)]
pub struct Options {
    /// Confidence of the intervals, and 1 − the probability of any false alarm: more than 0.5, less than 1.
    pub confidence: f64,
    /// A figure is `same` if its whole interval lies within ± this share; more than 0, less than 1.
    pub noise_band: f64,
    /// A change smaller than this share is never `better` or `worse`, however certain it is; 0 or more, less than 1.
    pub least_effect: f64,
    /// Rules that decide instead of the defaults, such as `response_time.p99 > +10%`.
    pub fail_on: Vec<String>,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Compare runs also if scenario, workload, durability or Redis differ, with a warning.
    pub allow_different: bool,
    /// Compare runs of different machines, but only the figures that don't depend on the machine.
    pub across_machines: bool,
    /// Use runs whose own verdict is INVALID, too.
    pub allow_invalid: bool,
}

impl Options {
    /// Checks that every number is within its range and every rule is well-formed, so that errors are found before anything is measured.
    ///
    /// # Errors
    /// A number is out of range or a rule is wrong; the message says what is allowed.
    pub fn check(&self) -> Result<(), CompareError> {
        let wrong = |name: &str, value: f64, range: &str| {
            Err(CompareError::Options(format!(
                "{name}: {value} is out of range; allowed: {range}"
            )))
        };
        let outside = |value: f64, from: f64| !(value > from && value < 1.0);
        if outside(self.confidence, 0.5) {
            return wrong(
                "--confidence",
                self.confidence,
                "more than 0.5, less than 1",
            );
        }
        if outside(self.noise_band, 0.0) {
            return wrong(
                "--noise-band",
                self.noise_band,
                "more than 0 %, less than 100 %",
            );
        }
        if outside(self.least_effect, -f64::MIN_POSITIVE) {
            return wrong(
                "--least-effect",
                self.least_effect,
                "0 % or more, less than 100 %",
            );
        }
        self.rules().map(drop)
    }

    /// The parsed rules of `fail_on`.
    pub(super) fn rules(&self) -> Result<Vec<Rule>, CompareError> {
        let rules = self.fail_on.iter().map(|text| text.parse());
        rules
            .collect::<Result<_, _>>()
            .map_err(CompareError::Options)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            noise_band: 0.05,
            least_effect: 0.03,
            fail_on: Vec::new(),
            seed: 1,
            allow_different: false,
            across_machines: false,
            allow_invalid: false,
        }
    }
}
