//! The keys of journeys and their steps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::value::{Count, JsonTemplate, ListTemplate, Statuses, Texts, ThinkFile};
use crate::duration::HumanDuration;
use crate::scenario::condition::Condition;
use crate::scenario::template::Template;

/// A customer's way through the system.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JourneyFile {
    /// For people.
    pub name: String,
    /// Its share in the mix (1).
    pub weight: Option<f64>,
    /// Words that the report's rows of its steps and states carry.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Variables that a replay gives to it.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// One after the other.
    #[schemars(with = "Vec<StepFile>")]
    pub steps: Vec<Spanned<StepFile>>,
}

/// A step does one thing (`request`, `await`, `think`, `skip`, `promise`, `remember`, `forget`, `recall`), or what its `steps` do;
/// `if` makes it conditional, and `repeat`, `for_each`, `while` or `until` make it a loop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// For people, for the report's rows, for `since` and for thresholds.
    pub name: Option<String>,
    /// Words that the report's row of this step carries, beside the journey's.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Only then, as in `{{status}} == "OPEN"`.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// So many times, each with its `index` from 0.
    pub repeat: Option<Count>,
    /// For each element of a list: each with its `index` and itself as `it`.
    pub for_each: Option<ListTemplate>,
    /// As long as this holds, looked at before each time; at most `max` times.
    #[serde(rename = "while")]
    pub while_holds: Option<Condition>,
    /// Until this holds, looked at after each time; at most `max` times.
    pub until: Option<Condition>,
    /// The bound of `while` and `until`, 1 to 10000; a loop that reaches it has failed.
    pub max: Option<u32>,
    /// What is done under the condition or in the loop, instead of one thing.
    #[serde(default)]
    #[schemars(with = "Vec<StepFile>")]
    pub steps: Vec<Spanned<StepFile>>,
    /// Sends a request.
    pub request: Option<RequestFile>,
    /// What its answer must be; a 2xx status without.
    #[serde(default)]
    pub expect: ExpectFile,
    /// Variables and the JSON pointers into the answer that they are taken from.
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
    /// Statuses that end the journey as skipped, with the reason.
    #[serde(default)]
    pub skip_on: BTreeMap<String, String>,
    /// Pauses: `200ms`, `100ms..500ms`, a template, or a distribution.
    pub think: Option<ThinkFile>,
    /// Waits for an event and for its visibility in the read model.
    #[serde(rename = "await")]
    pub awaits: Option<AwaitFile>,
    /// Ends the journey as skipped, for this reason; makes sense with `if`.
    pub skip: Option<String>,
    /// Says that a value will follow under this key: whoever recalls the last one waits for it.
    pub promise: Option<PromiseFile>,
    /// Puts a value where later journeys of the run find it.
    pub remember: Option<RememberFile>,
    /// Takes that value away again.
    pub forget: Option<ForgetFile>,
    /// Takes the value remembered last away; without one the journey is skipped.
    pub recall: Option<RecallFile>,
}

/// A request; at most one of `body`, `form` and `text`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Fields of the query, percent-encoded.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// JSON.
    pub body: Option<JsonTemplate>,
    /// Fields of a form, sent as `application/x-www-form-urlencoded`.
    pub form: Option<BTreeMap<String, Template>>,
    /// Text as it is, sent as `text/plain` unless a header says otherwise.
    pub text: Option<Template>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
}

/// HTTP's methods.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the names are HTTP's own
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
}

/// What an answer must be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectFile {
    /// Allowed statuses: one, or an array.
    pub status: Option<Statuses>,
    /// JSON pointers and what must be there.
    pub equal: BTreeMap<String, JsonTemplate>,
    /// JSON pointers that must lead to something other than null.
    pub exist: Vec<String>,
    /// JSON pointers that must lead to nothing or null.
    pub absent: Vec<String>,
    /// Text that the body must have in it: one, or an array.
    pub contain: Option<Texts>,
}

/// A state to wait for, on the target's live feed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwaitFile {
    /// The topic.
    pub topic: String,
    /// The state's name in the report.
    pub name: Option<String>,
    /// The aggregate's id; or `match`.
    pub id: Option<Template>,
    /// A field of the event's data and its value; or `id`.
    #[serde(rename = "match")]
    pub matching: Option<MatchFile>,
    /// The event's action, if only one counts.
    pub action: Option<String>,
    /// JSON pointers into the event's data and what must be there.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<String, JsonTemplate>,
    /// Without one, the limit for a request.
    pub timeout: Option<HumanDuration>,
    /// The step from whose intended start end-to-end latency counts; the journey's first without.
    pub since: Option<String>,
    /// Variables and the JSON pointers into the event's data that they are taken from.
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
}

/// A field of an event's data and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchFile {
    /// A JSON pointer.
    pub field: String,
    /// What must be there.
    pub value: Template,
}

/// A key and a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RememberFile {
    /// Where.
    pub key: Template,
    /// What.
    pub value: Template,
}

/// A key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromiseFile {
    /// Where.
    pub key: Template,
}

/// A key and a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetFile {
    /// Where.
    pub key: Template,
    /// What.
    pub value: Template,
    /// If it is gone, the journey is over for this reason.
    pub otherwise: Option<String>,
}

/// A key and a variable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallFile {
    /// Where.
    pub key: Template,
    /// The variable that the value goes to.
    #[serde(rename = "as")]
    pub variable: String,
    /// If there is none, the journey is skipped for this reason.
    pub otherwise: String,
}
