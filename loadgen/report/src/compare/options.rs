//! How a comparison is made: everything that a person may choose.

use super::CompareError;
use super::rule::Rule;

/// An error rate that moves by less is no matter: one request in a thousand.
pub const LEAST_DIFFERENCE: f64 = 0.001;

/// How a comparison is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of the intervals, and 1 − the probability of any false alarm: more than 0.5, less than 1.
    pub confidence: f64,
    /// `same` means that the whole interval lies within ± this share; more than 0, less than 1.
    pub noise_band: f64,
    /// A change smaller than this share is never `better` or `worse`, however sure it is.
    pub least_effect: f64,
    /// What decides instead of the defaults, such as `response_time.p99 > +10%`.
    pub fail_on: Vec<String>,
    /// Makes the bootstrap repeatable.
    pub seed: u64,
    /// Compare what differs in scenario, workload, durability or Redis all the same, and say so.
    pub allow_different: bool,
    /// The runs were made on different machines: only figures that hold from machine to machine are compared.
    pub across_machines: bool,
    /// Take runs whose own verdict is INVALID.
    pub allow_invalid: bool,
}

impl Options {
    /// Whether every number is within its range and every rule well-formed: for whoever measures first and compares afterwards.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
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

    /// What decides instead of the defaults.
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
