//! A comparison's outcome, as it is written to `comparison.json`: its shape is versioned by `schema`.

use serde::{Deserialize, Serialize};

/// The present shape.
pub const SCHEMA: &str = "loadgen-comparison/1";

/// The shape's name; reading another one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schema;

impl TryFrom<String> for Schema {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text == SCHEMA {
            true => Ok(Self),
            false => Err(format!("schema `{text}`; this program reads {SCHEMA}")),
        }
    }
}

impl From<Schema> for String {
    fn from(_: Schema) -> Self {
        SCHEMA.to_owned()
    }
}

/// What a comparison says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No deciding figure is worse, and the leading ones could be judged.
    NoRegression,
    /// A deciding figure is worse.
    Regression,
    /// These runs can't answer the question.
    CantTell,
}

impl Verdict {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NoRegression => 0,
            Self::Regression => 1,
            Self::CantTell => 3,
        }
    }

    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRegression => "NO REGRESSION",
            Self::Regression => "REGRESSION",
            Self::CantTell => "CAN'T TELL",
        }
    }
}

/// What is said of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureVerdict {
    /// Surely changed for the better, by more than the least relevant effect.
    Better,
    /// Surely changed for the worse, by more than the least relevant effect.
    Worse,
    /// Surely changed, where neither direction is better.
    Different,
    /// The whole interval lies within the noise band.
    Same,
    /// The interval is too wide.
    CantTell,
}

impl FigureVerdict {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Different => "different",
            Self::Same => "same",
            Self::CantTell => "can't tell",
        }
    }
}

/// What a figure's verdict means for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides, and must be judged before anyone may say that there is no regression.
    Leads,
    /// Decides: if it is worse, that is a regression.
    Decides,
    /// Is shown and judged, but decides nothing.
    Shown,
}

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Bytes.
    Bytes,
    /// A second.
    PerSecond,
    /// 0 to 1.
    Share,
    /// A plain number.
    Number,
}

/// How an effect is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// candidate / baseline; 1 is no change.
    Ratio,
    /// candidate − baseline, for what may be 0; 0 is no change.
    Difference,
}

/// How the runs were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Interleaved: each block holds runs of both sides, made close to each other.
    Blocks,
    /// Two sets of runs, each made by itself.
    Sets,
}

/// An effect and how sure it is, on the figure's scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The best guess: a ratio of geometric means, or a difference of means.
    pub estimate: f64,
    /// The interval's lower end; none with too few runs.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
    /// Probability of an effect at least as large by chance, of this figure alone (Student's t on runs or blocks).
    pub p: Option<f64>,
    /// The same, after paying for all figures that were looked at (weighted Holm).
    pub p_adjusted: Option<f64>,
    /// Two-sided Mann–Whitney test of two sets of runs; exact where they are small and have no ties.
    pub p_mann_whitney: Option<f64>,
    /// Two-sided paired sign-flip permutation test of blocks; exact up to 2^16 flips.
    pub p_sign_flip: Option<f64>,
    /// The smallest change that these runs would have shown in 4 of 5 such comparisons, as a share (or a difference).
    pub smallest_detectable: Option<f64>,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureComparison {
    /// As in thresholds where there is such a figure: `response_time.p99`, `end_to_end["SHIPPED"].p50`.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// How its effect is expressed.
    pub scale: Scale,
    /// Whether more is better; none where neither is.
    pub more_is_better: Option<bool>,
    /// Whether it decides.
    pub role: Role,
    /// Each run's value, in the runs' order.
    pub baseline_runs: Vec<f64>,
    /// Each run's value, in the runs' order.
    pub candidate_runs: Vec<f64>,
    /// The geometric mean of the runs (the mean of what may be 0).
    pub baseline: f64,
    /// The geometric mean of the runs (the mean of what may be 0).
    pub candidate: f64,
    /// The effect.
    pub effect: Effect,
    /// A rule of its own, as written, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is said of it.
    pub verdict: FigureVerdict,
    /// Why, in words.
    pub reason: String,
}

/// One side as it was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// What people call it.
    pub label: String,
    /// Its runs' folders.
    pub runs: Vec<String>,
    /// Version of the system that was driven, where it tells.
    pub system_version: Option<String>,
}

/// Two groups of runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// `loadgen-comparison/1`.
    pub schema: Schema,
    /// What was run.
    pub scenario: String,
    /// In words.
    pub workload: String,
    /// The one side.
    pub baseline: Side,
    /// The other side.
    pub candidate: Side,
    /// How the runs were made.
    pub design: Design,
    /// Blocks, or runs of the smaller side: how often the comparison was repeated.
    pub units: usize,
    /// Of the intervals and of the whole.
    pub confidence: f64,
    /// What `same` means.
    pub noise_band: f64,
    /// What `better` and `worse` mean at least.
    pub least_effect: f64,
    /// What the bootstrap was drawn from.
    pub seed: u64,
    /// Leading and deciding figures first.
    pub figures: Vec<FigureComparison>,
    /// What people should know, what differs included.
    pub warnings: Vec<String>,
    /// The answer.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
}
