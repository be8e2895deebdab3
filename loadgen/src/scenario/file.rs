//! A scenario as it stands in its TOML file: the keys, their types and defaults. What is allowed is decided by these types
//! (unknown keys are refused); whether the parts fit together is decided in `compile`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use super::template::Template;
use super::threshold::Threshold;
use crate::duration::HumanDuration;
use crate::trace::TraceConfig;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    pub name: String,
    pub description: String,
    pub audit: Option<bool>,
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    #[serde(default)]
    pub parameters: toml::Table,
    pub workload: Spanned<WorkloadFile>,
    #[serde(default)]
    pub limits: LimitsFile,
    #[serde(default)]
    pub setup: Vec<Spanned<SetupFile>>,
    #[serde(default)]
    pub feeders: Vec<Spanned<FeederFile>>,
    pub journeys: Vec<Spanned<JourneyFile>>,
    pub trace: Option<Spanned<TraceConfig>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    Open,
    Closed,
    Trace,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    pub kind: WorkloadKind,
    pub rate: Option<f64>,
    pub duration: Option<HumanDuration>,
    pub stages: Option<Vec<StageFile>>,
    pub users: Option<usize>,
    pub think_time: Option<ThinkTime>,
    pub warm_up: Option<HumanDuration>,
    pub arrivals: Option<ArrivalsKind>,
    pub traceparent: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalsKind {
    /// Evenly spaced.
    Even,
    /// At random times, independent of each other: as customers come who know nothing of each other.
    Poisson,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageFile {
    pub duration: HumanDuration,
    /// A constant rate; or `from` and `to` for a ramp.
    pub rate: Option<f64>,
    pub from: Option<f64>,
    pub to: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsFile {
    pub in_flight_max: Option<usize>,
    pub connections_max: Option<usize>,
    pub request_timeout: Option<HumanDuration>,
    pub drain_timeout: Option<HumanDuration>,
    pub backlog_timeout: Option<HumanDuration>,
    pub slip_p99_max: Option<HumanDuration>,
    pub cpu_pct_max: Option<f64>,
    pub loop_stall_p99_max: Option<HumanDuration>,
    pub clock_jump_max: Option<HumanDuration>,
    pub dropped_pct_max: Option<f64>,
    pub response_bytes_max: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupFile {
    pub name: String,
    pub repeat: Option<Count>,
    pub for_each: Option<String>,
    pub chunk: Option<usize>,
    pub item: Option<JsonTemplate>,
    pub list: Option<String>,
    pub ids: Option<String>,
    pub request: RequestFile,
    #[serde(default)]
    pub expect: ExpectFile,
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
    #[serde(rename = "await")]
    pub awaits: Option<AwaitFile>,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
/// How a feeder chooses.
pub enum Pick {
    /// One after the other, again from the first after the last.
    Sequential,
    /// Each as likely.
    Random,
    /// By a popularity curve: the first of the list is the most popular.
    Zipf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeederFile {
    pub name: String,
    pub list: Option<String>,
    pub items: Option<Vec<toml::Value>>,
    pub csv: Option<PathBuf>,
    pub jsonl: Option<PathBuf>,
    pub pick: Pick,
    pub exponent: Option<f64>,
    pub count: Option<[usize; 2]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyFile {
    pub name: String,
    pub weight: Option<f64>,
    #[serde(default)]
    pub inputs: Vec<String>,
    pub steps: Vec<Spanned<StepFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    pub name: Option<String>,
    pub request: Option<RequestFile>,
    #[serde(default)]
    pub expect: ExpectFile,
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
    #[serde(default)]
    pub skip_on: BTreeMap<String, String>,
    pub think: Option<ThinkFile>,
    #[serde(rename = "await")]
    pub awaits: Option<AwaitFile>,
    pub promise: Option<PromiseFile>,
    pub remember: Option<RememberFile>,
    pub forget: Option<ForgetFile>,
    pub recall: Option<RecallFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    pub method: Method,
    pub path: Template,
    pub body: Option<JsonTemplate>,
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
}

#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the names are HTTP's own
/// HTTP's methods.
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectFile {
    pub status: Option<Statuses>,
    pub equal: BTreeMap<String, JsonTemplate>,
    pub exist: Vec<String>,
    pub absent: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwaitFile {
    pub topic: String,
    pub name: Option<String>,
    pub id: Option<Template>,
    #[serde(rename = "match")]
    pub matching: Option<MatchFile>,
    pub action: Option<String>,
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<String, JsonTemplate>,
    pub timeout: Option<HumanDuration>,
    pub since: Option<String>,
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchFile {
    pub field: String,
    pub value: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RememberFile {
    pub key: Template,
    pub value: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromiseFile {
    pub key: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetFile {
    pub key: Template,
    pub value: Template,
    pub otherwise: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallFile {
    pub key: Template,
    #[serde(rename = "as")]
    pub variable: String,
    pub otherwise: String,
}

/// A template whose rendering is JSON, from inline TOML or from a string that holds JSON.
#[derive(Debug)]
pub struct JsonTemplate(pub Template);

impl<'de> Deserialize<'de> for JsonTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let json: Value = serde_json::to_value(value).map_err(D::Error::custom)?;
        // Text that is itself a JSON object or array is that JSON, else it is a JSON string.
        let json = match &json {
            Value::String(text)
                if text.trim_start().starts_with(['[', '{'])
                    && !text.trim_start().starts_with("{{") =>
            {
                serde_json::from_str(text)
                    .map_err(|e| D::Error::custom(format!("the body is not JSON: {e}")))?
            }
            _ => json,
        };
        Template::json(&json).map(Self).map_err(D::Error::custom)
    }
}

/// How often a set-up step runs: a number, or a template such as `{{products}}`.
#[derive(Debug)]
pub struct Count(pub Template);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(n) if n > 0 => format!("{{{{{n}}}}}"),
            toml::Value::String(text) => text,
            other => {
                return Err(D::Error::custom(format!(
                    "`{other}` is not a count; allowed: a whole number from 1, or a template such as \"{{{{products}}}}\""
                )));
            }
        };
        Template::text(&text).map(Self).map_err(D::Error::custom)
    }
}

/// One status or several.
#[derive(Debug, Clone, Default)]
pub struct Statuses(pub Vec<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("allowed: a status from 100 to 599, or an array of them");
        let value = toml::Value::deserialize(deserializer)?;
        let list = match value {
            toml::Value::Array(items) => items,
            one => vec![one],
        };
        let statuses: Option<Vec<u16>> = list
            .iter()
            .map(|v| {
                v.as_integer()
                    .and_then(|n| u16::try_from(n).ok())
                    .filter(|n| (100..600).contains(n))
            })
            .collect();
        statuses
            .filter(|s| !s.is_empty())
            .map(Self)
            .ok_or_else(wrong)
    }
}

/// A step's pause: fixed, or a template that renders to a duration.
#[derive(Debug)]
pub enum ThinkFile {
    Fixed(ThinkTime),
    Rendered(Template),
}

impl<'de> Deserialize<'de> for ThinkFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains("{{") {
            return Template::text(&text)
                .map(Self::Rendered)
                .map_err(D::Error::custom);
        }
        text.parse().map(Self::Fixed).map_err(D::Error::custom)
    }
}

/// A pause: `200ms`, or `100ms..500ms` for a uniform choice.
#[derive(Debug, Clone, Copy)]
pub struct ThinkTime {
    /// The shortest pause.
    pub from: std::time::Duration,
    /// The longest pause.
    pub to: std::time::Duration,
}

impl<'de> Deserialize<'de> for ThinkTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl std::str::FromStr for ThinkTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to): (HumanDuration, HumanDuration) = (from.parse()?, to.parse()?);
        if from.0 > to.0 {
            return Err(format!("`{text}` is an empty range"));
        }
        Ok(Self {
            from: from.0,
            to: to.0,
        })
    }
}
