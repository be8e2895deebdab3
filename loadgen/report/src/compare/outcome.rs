//! The outcome of a comparison, as written to `comparison.json`; the field `schema` is its version.

use serde::{Deserialize, Serialize};

/// The present shape.
pub const COMPARISON_SCHEMA: &str = "loadgen-comparison/2";

/// The schema's name and version; reading any other is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComparisonSchema;

impl TryFrom<String> for ComparisonSchema {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text == COMPARISON_SCHEMA {
            true => Ok(Self),
            false => Err(format!(
                "the schema is `{text}`; this program reads {COMPARISON_SCHEMA}"
            )),
        }
    }
}

impl From<ComparisonSchema> for String {
    fn from(_: ComparisonSchema) -> Self {
        COMPARISON_SCHEMA.to_owned()
    }
}

/// The verdict of a whole comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonVerdict {
    /// No deciding figure is worse, and every leading figure could be judged.
    NoRegression,
    /// A deciding figure is worse.
    Regression,
    /// These runs can't answer the question.
    CantTell,
}

impl ComparisonVerdict {
    /// The program's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NoRegression => 0,
            Self::Regression => 1,
            Self::CantTell => 3,
        }
    }

    /// The verdict as printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRegression => "NO REGRESSION",
            Self::Regression => "REGRESSION",
            Self::CantTell => "CAN'T TELL",
        }
    }
}

/// The verdict on one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureVerdict {
    /// Changed for the better, significantly and by more than the least effect.
    Better,
    /// Changed for the worse, significantly and by more than the least effect.
    Worse,
    /// Changed significantly, for a figure of which neither direction is better.
    Different,
    /// The whole interval lies within the noise band.
    Same,
    /// The interval is too wide.
    CantTell,
}

impl FigureVerdict {
    /// The verdict as printed.
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

/// What a figure's verdict means for the whole comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The figure decides, and the verdict can be "no regression" only if the figure could be judged.
    Leads,
    /// The figure decides: if it is worse, that is a regression.
    Decides,
    /// The figure is judged and shown but decides nothing.
    Shown,
}

fn alone() -> usize {
    1
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Bytes.
    Bytes,
    /// Events a second.
    PerSecond,
    /// A share from 0 to 1.
    Share,
    /// A plain number.
    Number,
}

/// The scale of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// candidate / baseline; 1 is no change.
    Ratio,
    /// candidate − baseline, for figures that may be 0; 0 is no change.
    Difference,
}

/// How the runs were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Interleaved: each block holds runs of both sides, made close to each other.
    Blocks,
    /// Two separate sets of runs.
    Sets,
}

/// An effect with its interval and p-values, on the figure's scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The estimate: a ratio of geometric means, or a difference of means.
    pub estimate: f64,
    /// The interval's lower end; `None` with too few runs.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
    /// p-value of this figure alone: the probability of an effect at least as large by chance (Student's t on runs or blocks).
    pub p: Option<f64>,
    /// p-value adjusted for all figures that are tested (weighted Holm).
    pub p_adjusted: Option<f64>,
    /// The smallest change that these runs would have shown in 4 of 5 such comparisons, as a share (or a difference).
    pub smallest_detectable: Option<f64>,
}

/// The comparison of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureComparison {
    /// The name, the same as in thresholds if thresholds know the figure: `response_time.p99`, `end_to_end["SHIPPED"].p50`.
    pub name: String,
    /// The unit of the values.
    pub unit: Unit,
    /// The scale of the effect.
    pub scale: Scale,
    /// Whether more is better; `None` if neither is.
    pub more_is_better: Option<bool>,
    /// Whether the figure decides.
    pub role: Role,
    /// The value of each baseline run, in the runs' order.
    pub baseline_runs: Vec<f64>,
    /// The value of each candidate run, in the runs' order.
    pub candidate_runs: Vec<f64>,
    /// The geometric mean of the baseline runs (the mean for figures that may be 0).
    pub baseline: f64,
    /// The geometric mean of the candidate runs (the mean for figures that may be 0).
    pub candidate: f64,
    /// The effect with its interval.
    pub effect: Effect,
    /// The figure's `--fail-on` rule as written, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The verdict on this figure.
    pub verdict: FigureVerdict,
    /// The reason in words.
    pub reason: String,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedSide {
    /// The name shown to people.
    pub label: String,
    /// The folders of the runs.
    pub runs: Vec<String>,
    /// Version of the system that was driven, if the system exposes it.
    pub system_version: Option<String>,
}

/// A difference between the two sides that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedDifference {
    /// What differs, such as `Redis`, `durability` or `--threads`.
    pub what: String,
    /// What the baseline was asked to have.
    pub baseline: String,
    /// What the candidate was asked to have.
    pub candidate: String,
}

/// The comparison of two groups of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// `loadgen-comparison/2`.
    pub schema: ComparisonSchema,
    /// The scenario's name.
    pub scenario: String,
    /// The workload in words.
    pub workload: String,
    /// The baseline.
    pub baseline: ComparedSide,
    /// The candidate.
    pub candidate: ComparedSide,
    /// The differences that were asked for; everything else is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedDifference>,
    /// How the runs were made.
    pub design: Design,
    /// Number of blocks, or of runs of the smaller side.
    pub units: usize,
    /// Confidence of the intervals and of the verdict, 0.5 to 1.
    pub confidence: f64,
    /// The share within which a figure is `same`.
    pub noise_band: f64,
    /// The share above which a figure can be `better` or `worse`.
    pub least_effect: f64,
    /// How many comparisons with the same baseline share the risk of a false alarm, this one included.
    #[serde(default = "alone")]
    pub sharing_risk: usize,
    /// The seed of the bootstrap.
    pub seed: u64,
    /// The figures, leading and deciding ones first.
    pub figures: Vec<FigureComparison>,
    /// Warnings for the reader, such as what differs between the sides.
    pub warnings: Vec<String>,
    /// The verdict.
    pub verdict: ComparisonVerdict,
    /// The reasons of the verdict.
    pub reasons: Vec<String>,
}

/// The version of a set's shape.
pub const SET_SCHEMA: &str = "loadgen-comparisons/1";

/// Comparisons of several candidates with one baseline, which share one risk of a false alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonSet {
    /// Always `loadgen-comparisons/1`.
    pub schema: String,
    /// A comparison for each candidate.
    pub comparisons: Vec<Comparison>,
    /// The worst of their verdicts.
    pub verdict: ComparisonVerdict,
    /// The reasons of the verdict, each with its candidate.
    pub reasons: Vec<String>,
}

impl ComparisonSet {
    /// The set with its verdict.
    pub fn new(comparisons: Vec<Comparison>) -> Self {
        let verdicts = || comparisons.iter().map(|c| c.verdict);
        let any = |verdict| verdicts().any(|v| v == verdict);
        let verdict = match (
            any(ComparisonVerdict::Regression),
            any(ComparisonVerdict::CantTell),
        ) {
            (true, _) => ComparisonVerdict::Regression,
            (false, true) => ComparisonVerdict::CantTell,
            (false, false) => ComparisonVerdict::NoRegression,
        };
        let telling = comparisons.iter().filter(|c| c.verdict == verdict);
        let reasons = telling.flat_map(|c| {
            let label = &c.candidate.label;
            c.reasons.iter().map(move |why| format!("{label}: {why}"))
        });
        Self {
            schema: SET_SCHEMA.to_owned(),
            verdict,
            reasons: reasons.collect(),
            comparisons,
        }
    }
}
