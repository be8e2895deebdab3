//! Think times: constant, or drawn from a distribution, within bounds. Must not know who pauses.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand_distr::{Distribution as _, Exp, LogNormal, Normal};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::duration::HumanDuration;

/// How often a draw outside the bounds is repeated; after that the nearer bound is taken.
const DRAWS_MAX: usize = 100;

/// How long a pause is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThinkTime {
    /// Always the same.
    Constant(Duration),
    /// Every length between the two is equally likely.
    Uniform {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
    },
    /// A shape, cut off at its bounds.
    Truncated {
        /// The shape.
        shape: Shape,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
}

/// The distributions that have a shape; `mean` and `deviation` are those of the pause itself, before it is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // said above
pub enum Shape {
    /// Memoryless: the time waited so far says nothing about the rest.
    Exponential { mean: Duration },
    /// Symmetric around the mean.
    Normal { mean: Duration, deviation: Duration },
    /// Many short pauses, few long ones, like reading times.
    LogNormal { mean: Duration, deviation: Duration },
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Constant,
    Uniform,
    Exponential,
    Normal,
    LogNormal,
}

/// A distribution in a scenario's file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DistributionFile {
    /// Its name.
    distribution: Name,
    /// Its mean; not of `uniform`.
    mean: Option<HumanDuration>,
    /// Its standard deviation, for `normal` and `log-normal`.
    deviation: Option<HumanDuration>,
    /// The shortest pause (0s).
    min: Option<HumanDuration>,
    /// The longest pause (an hour).
    max: Option<HumanDuration>,
}

const HOUR: Duration = Duration::from_secs(3_600);

impl ThinkTime {
    /// No pause.
    pub const NONE: Self = Self::Constant(Duration::ZERO);

    /// Draws one pause.
    pub fn sample(&self, rng: &mut SmallRng) -> Duration {
        match *self {
            Self::Constant(length) => length,
            Self::Uniform { from, to } => {
                from + (to - from).mul_f64(rng.random_range(0.0..=1.0_f64))
            }
            Self::Truncated { shape, min, max } => {
                let (min_s, max_s) = (min.as_secs_f64(), max.as_secs_f64());
                let mut drawn = 0.0;
                for _ in 0..DRAWS_MAX {
                    drawn = shape.sample_s(rng);
                    if (min_s..=max_s).contains(&drawn) {
                        break;
                    }
                }
                Duration::from_secs_f64(drawn.clamp(min_s, max_s))
            }
        }
    }

    /// Parses text (`200ms`, `100ms..500ms`) or a table (`{ distribution = "exponential", mean = "1s" }`). The error says what is
    /// allowed.
    pub(super) fn from_toml(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => text.parse(),
            toml::Value::Table(_) => DistributionFile::deserialize(value)
                .map_err(|e| e.message().to_owned())?
                .checked(),
            other => Err(format!(
                "`{other}` is not a pause; allowed: \"200ms\", \"100ms..500ms\", {{ distribution = \"exponential\", mean = \"1s\" }}"
            )),
        }
    }
}

impl Shape {
    /// Draws seconds; they may be negative or huge.
    fn sample_s(self, rng: &mut SmallRng) -> f64 {
        match self {
            Self::Exponential { mean } => {
                Exp::new(1.0 / mean.as_secs_f64()).map_or(0.0, |d| d.sample(rng))
            }
            Self::Normal { mean, deviation } => {
                Normal::new(mean.as_secs_f64(), deviation.as_secs_f64())
                    .map_or(0.0, |d| d.sample(rng))
            }
            Self::LogNormal { mean, deviation } => {
                // The logarithm's own parameters, from the mean m and the deviation s of what is drawn:
                // σ² = ln(1 + s² / m²), µ = ln m − σ² / 2.
                let (m, s) = (mean.as_secs_f64(), deviation.as_secs_f64());
                let variance = (s * s / (m * m)).ln_1p();
                LogNormal::new(m.ln() - variance / 2.0, variance.sqrt())
                    .map_or(0.0, |d| d.sample(rng))
            }
        }
    }
}

impl DistributionFile {
    fn checked(self) -> Result<ThinkTime, String> {
        let (min, max) = (
            self.min.map_or(Duration::ZERO, |d| d.0),
            self.max.map_or(HOUR, |d| d.0),
        );
        if min > max {
            return Err("`min` is longer than `max`".into());
        }
        let keys = |allowed: &str| {
            Err(format!(
                "the keys do not fit the distribution, expected {allowed}"
            ))
        };
        let shape = match (self.distribution, self.mean, self.deviation) {
            (Name::Constant, Some(mean), None) if self.min.is_none() && self.max.is_none() => {
                return Ok(ThinkTime::Constant(mean.0));
            }
            (Name::Constant, ..) => return keys("`mean` alone"),
            (Name::Uniform, None, None) if self.max.is_some() => {
                return Ok(ThinkTime::Uniform { from: min, to: max });
            }
            (Name::Uniform, ..) => return keys("`min` and `max`"),
            (Name::Exponential, Some(mean), None) if !mean.0.is_zero() => {
                Shape::Exponential { mean: mean.0 }
            }
            (Name::Exponential, ..) => {
                return keys("`mean` (longer than 0s), and perhaps `min` and `max`");
            }
            (Name::Normal, Some(mean), Some(deviation)) => Shape::Normal {
                mean: mean.0,
                deviation: deviation.0,
            },
            (Name::LogNormal, Some(mean), Some(deviation)) if !mean.0.is_zero() => {
                Shape::LogNormal {
                    mean: mean.0,
                    deviation: deviation.0,
                }
            }
            (Name::Normal | Name::LogNormal, ..) => {
                return keys("`mean` and `deviation`, and perhaps `min` and `max`");
            }
        };
        Ok(ThinkTime::Truncated { shape, min, max })
    }
}

impl std::str::FromStr for ThinkTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else {
            let length: HumanDuration = text.parse()?;
            return Ok(Self::Constant(length.0));
        };
        let (from, to): (HumanDuration, HumanDuration) = (from.parse()?, to.parse()?);
        if from.0 > to.0 {
            return Err(format!("`{text}` is an empty range"));
        }
        Ok(Self::Uniform {
            from: from.0,
            to: to.0,
        })
    }
}

impl<'de> Deserialize<'de> for ThinkTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_toml(toml::Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for ThinkTime {
    fn schema_name() -> Cow<'static, str> {
        "ThinkTime".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({
            "type": "string",
            "description": "A duration such as 200ms, or a range such as 100ms..500ms: every length in it is equally likely."
        });
        let distribution = generator.subschema_for::<DistributionFile>();
        json_schema!({ "anyOf": [text, distribution] })
    }
}

impl fmt::Display for ThinkTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(length) if length.is_zero() => write!(f, "none"),
            Self::Constant(length) => write!(f, "{length:?}"),
            Self::Uniform { from, to } => write!(f, "{from:?} to {to:?}"),
            Self::Truncated { shape, min, max } => {
                match shape {
                    Shape::Exponential { mean } => write!(f, "exponential, mean {mean:?}")?,
                    Shape::Normal { mean, deviation } => {
                        write!(f, "normal, mean {mean:?}, deviation {deviation:?}")?;
                    }
                    Shape::LogNormal { mean, deviation } => {
                        write!(f, "log-normal, mean {mean:?}, deviation {deviation:?}")?;
                    }
                }
                write!(f, ", {min:?} to {max:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn read(text: &str) -> Result<ThinkTime, String> {
        let table: toml::Table = format!("think = {text}").parse().unwrap();
        ThinkTime::from_toml(table["think"].clone())
    }

    /// Mean and standard deviation of many draws, in ms.
    fn measured(text: &str) -> (f64, f64) {
        let (think, mut rng) = (read(text).unwrap(), SmallRng::seed_from_u64(1));
        let draws: Vec<f64> = (0..50_000)
            .map(|_| think.sample(&mut rng).as_secs_f64() * 1e3)
            .collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn pauses_have_the_mean_and_deviation_asked_for() {
        let rows = [
            ("\"200ms\"", 200.0, 0.0),
            ("\"100ms..300ms\"", 200.0, 200.0 / 12.0_f64.sqrt()),
            (
                "{ distribution = \"exponential\", mean = \"100ms\" }",
                100.0,
                100.0,
            ),
            (
                "{ distribution = \"normal\", mean = \"500ms\", deviation = \"50ms\" }",
                500.0,
                50.0,
            ),
            (
                "{ distribution = \"log-normal\", mean = \"300ms\", deviation = \"100ms\" }",
                300.0,
                100.0,
            ),
        ];
        for (text, mean, deviation) in rows {
            let (m, d) = measured(text);
            assert!((m - mean).abs() <= mean * 0.02 + 1e-9, "{text}: mean {m}");
            assert!(
                (d - deviation).abs() <= deviation * 0.04 + 1e-6,
                "{text}: deviation {d}"
            );
        }
    }

    #[test]
    fn no_pause_is_outside_its_bounds() {
        let think = read("{ distribution = \"normal\", mean = \"1s\", deviation = \"2s\", min = \"500ms\", max = \"1200ms\" }").unwrap();
        let mut rng = SmallRng::seed_from_u64(2);
        for _ in 0..10_000 {
            let pause = think.sample(&mut rng).as_millis();
            assert!((500..=1_200).contains(&pause), "{pause} ms");
        }
    }

    #[test]
    fn a_distribution_without_what_it_needs_is_refused_with_what_that_is() {
        let rows = [
            ("\"2s..1s\"", "empty range"),
            ("{ distribution = \"exponential\" }", "mean"),
            ("{ distribution = \"normal\", mean = \"1s\" }", "deviation"),
            ("{ distribution = \"gauss\", mean = \"1s\" }", "exponential"),
            ("{ distribution = \"exponential\", meen = \"1s\" }", "meen"),
            (
                "{ distribution = \"exponential\", mean = \"1s\", min = \"2s\", max = \"1s\" }",
                "max",
            ),
            ("7", "200ms"),
        ];
        for (text, says) in rows {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
