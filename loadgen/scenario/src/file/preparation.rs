//! The keys of set-up, tear-down and feeders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::ExtractFile;
use super::step::{AwaitFile, ExpectFile, RequestFile};
use super::value::{JsonTemplate, RepeatCount};
use crate::condition::Condition;
use crate::trace::Delimiter;

/// A step of set-up or tear-down: one request, or many.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupFile {
    /// The step's name, for messages.
    #[serde(deserialize_with = "super::value::name")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// The step runs only if this holds.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// The number of iterations, each with its `index`.
    pub repeat: Option<RepeatCount>,
    /// One iteration for each element of this list, seen as `it`.
    pub for_each: Option<String>,
    /// The number of items in one request's body (100).
    pub chunk: Option<usize>,
    /// The element that each iteration adds to the body's array; without it each iteration is a request.
    pub item: Option<JsonTemplate>,
    /// The list that the results go to: items with their `entity_id`, or what each iteration extracted.
    pub list: Option<String>,
    /// JSON pointer to the array of ids in the answer to a chunk (`/result`).
    pub ids: Option<String>,
    /// The name of the request's target in `[targets]`; without it the request goes to the main target, `--target URL`.
    pub target: Option<String>,
    /// The request.
    pub request: RequestFile,
    /// What the answer must be.
    #[serde(default)]
    pub expect: ExpectFile,
    /// Variables to set, each from a place in the answer: a JSON pointer, a JSON path, a header, or a regular expression.
    #[serde(default)]
    pub extract: BTreeMap<String, ExtractFile>,
    /// A state to wait for after the last request.
    #[serde(rename = "await")]
    pub awaits: Option<AwaitFile>,
}

/// How a feeder chooses its values.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// One after the other; see `at_end` for what follows the last.
    Sequential,
    /// At random, each value equally likely.
    Random,
    /// By a popularity curve: the first of the list is the most popular.
    Zipf,
}

/// What happens after a sequential feeder's last value.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum AtEnd {
    /// The feeder starts again with its first value.
    #[default]
    Wrap,
    /// The workload ends: no new journeys start.
    Stop,
}

/// A source of values: one of `list`, `items`, `csv`, `jsonl`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeederFile {
    /// The name of the variable that journeys read.
    pub name: String,
    /// A list made by set-up.
    pub list: Option<String>,
    /// Values written here.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub items: Option<Vec<toml::Value>>,
    /// A CSV file with a header line, beside the scenario; every value is text. UTF-8, UTF-16 or windows-1252.
    pub csv: Option<PathBuf>,
    /// The separator of the CSV file's fields; `,` by default.
    #[schemars(with = "Option<String>")]
    pub delimiter: Option<Delimiter>,
    /// A file with one JSON value a line, beside the scenario.
    pub jsonl: Option<PathBuf>,
    /// How a value is chosen.
    pub pick: Pick,
    /// What happens after the last value of `pick = "sequential"`.
    pub at_end: Option<AtEnd>,
    /// Zipf's exponent, 0 to 10: 1 is the classic popularity curve.
    pub exponent: Option<f64>,
    /// An array of that many values (`[from, to]`, inclusive) instead of one value.
    pub count: Option<[usize; 2]>,
}
