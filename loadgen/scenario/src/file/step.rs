//! The keys of journeys and their steps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::answer::{ExtractFile, HeaderCheckFile};
use super::body::{AuthFile, PartFile, SentFile};
use super::value::{JsonTemplate, ListTemplate, RepeatCount, Statuses, Texts, ThinkFile};
use crate::condition::Condition;
use crate::duration::HumanDuration;
use crate::pattern::Pattern;
use crate::template::Template;

/// A journey: the steps that one customer takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JourneyFile {
    /// The journey's name, as reports show it.
    #[serde(deserialize_with = "super::value::name")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its weight in the mix of `[workload]` (1).
    pub weight: Option<f64>,
    /// Tags of the report's rows of its steps and states.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Variables that a replay sets for it.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Its steps, in order.
    #[schemars(with = "Vec<StepFile>")]
    pub steps: Vec<Spanned<StepFile>>,
}

/// A step has one action (`request`, `await`, `think`, `skip`, `promise`, `remember`, `forget`, `recall`), or `steps` of its own, or `parallel` ones;
/// `if` makes it conditional, and `repeat`, `for_each`, `while` or `until` make it a loop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// The step's name, for the report's rows, `since` and thresholds.
    #[serde(default, deserialize_with = "super::value::optional_name")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Tags of the report's row of this step, in addition to the journey's.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The step is done only if this holds, as in `{{status}} == "OPEN"`.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// The number of iterations, each with its `index` from 0.
    pub repeat: Option<RepeatCount>,
    /// One iteration for each element of this list, seen as `it`, with its `index`.
    pub for_each: Option<ListTemplate>,
    /// Repeats while this holds, checked before each iteration; at most `max` times.
    #[serde(rename = "while")]
    pub while_holds: Option<Condition>,
    /// Repeats until this holds, checked after each iteration; at most `max` times.
    pub until: Option<Condition>,
    /// The maximum number of iterations of `while` and `until`, 1 to 10000; a loop that reaches it fails.
    pub max: Option<u32>,
    /// The steps done under the condition or in the loop, instead of a single action.
    #[serde(default)]
    #[schemars(with = "Vec<StepFile>")]
    pub steps: Vec<Spanned<StepFile>>,
    /// Steps done at the same time, instead of a single action; the journey goes on when the last of them has ended.
    #[serde(default)]
    #[schemars(with = "Vec<StepFile>")]
    pub parallel: Vec<Spanned<StepFile>>,
    /// The name of the request's target in `[targets]`; without it the request goes to the main target, `--target URL`.
    pub target: Option<String>,
    /// Sends a request.
    pub request: Option<RequestFile>,
    /// What the answer must be; by default, any 2xx status.
    #[serde(default)]
    pub expect: ExpectFile,
    /// Variables to set, each from a place in the answer: a JSON pointer, a JSON path, a header, or a regular expression.
    #[serde(default)]
    pub extract: BTreeMap<String, ExtractFile>,
    /// Statuses that end the journey as skipped, with the reason.
    #[serde(default)]
    pub skip_on: BTreeMap<String, String>,
    /// Pauses: `200ms`, `100ms..500ms`, a template, or a distribution.
    pub think: Option<ThinkFile>,
    /// Waits for an event and for its visibility in the read model.
    #[serde(rename = "await")]
    pub awaits: Option<AwaitFile>,
    /// Ends the journey as skipped, for this reason; useful with `if`.
    pub skip: Option<String>,
    /// Announces that a value will follow under this key: a `recall` of this key waits for it.
    pub promise: Option<PromiseFile>,
    /// Stores a value for later journeys of the run.
    pub remember: Option<RememberFile>,
    /// Removes that value again.
    pub forget: Option<ForgetFile>,
    /// Takes the value stored last, and removes it; without one the journey is skipped.
    pub recall: Option<RecallFile>,
}

/// A request; at most one of `body`, `form`, `multipart`, `text`, `file` and `base64`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// Fields of the query, percent-encoded; an array is a field for each of its texts.
    #[serde(default)]
    pub query: BTreeMap<String, Texts>,
    /// The JSON body.
    pub body: Option<JsonTemplate>,
    /// Fields of a form, sent as `application/x-www-form-urlencoded`; an array is a field for each of its texts.
    pub form: Option<BTreeMap<String, Texts>>,
    /// Parts of a form, sent as `multipart/form-data`, in this order.
    pub multipart: Option<Vec<PartFile>>,
    /// Text as it is, sent as `text/plain` unless a header says otherwise.
    pub text: Option<Template>,
    /// The contents of a file beside the scenario, sent with the content type that its name's ending says unless a header says otherwise.
    pub file: Option<SentFile>,
    /// Bytes, written as base64, sent as `application/octet-stream` unless a header says otherwise.
    pub base64: Option<Template>,
    /// Credentials.
    pub auth: Option<AuthFile>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// Repeats the request, with the same body and the same `Idempotency-Key`, while it gets no answer or a 429, 503 or 504, for at most so long: after
    /// the answer's `Retry-After`, at the earliest after 200 ms. All attempts together are one request in the report.
    pub retry: Option<HumanDuration>,
}

/// An HTTP method.
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
    /// JSON pointers and the values that must be there.
    pub equal: BTreeMap<String, JsonTemplate>,
    /// JSON pointers that must lead to something other than null.
    pub exist: Vec<String>,
    /// JSON pointers that must lead to nothing or null.
    pub absent: Vec<String>,
    /// Text that the body must contain: one, or an array.
    pub contain: Option<Texts>,
    /// A regular expression that must match in the body.
    #[serde(rename = "match")]
    pub pattern: Option<Pattern>,
    /// Headers and what they must be: a text, `true` (there), `false` (not there), `{ contain = … }` or `{ match = … }`.
    pub headers: BTreeMap<String, HeaderCheckFile>,
    /// The body's least length, in bytes.
    pub bytes_min: Option<usize>,
    /// The body's greatest length, in bytes.
    pub bytes_max: Option<usize>,
    /// The longest response time, from the intended start on.
    pub response_time_max: Option<HumanDuration>,
}

/// A state to wait for, on the target's live feed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwaitFile {
    /// The topic.
    pub topic: String,
    /// The state's name in the report.
    #[serde(default, deserialize_with = "super::value::optional_name")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The aggregate's id; either this or `match`.
    pub id: Option<Template>,
    /// A field of the event's data and its value; either this or `id`.
    #[serde(rename = "match")]
    pub matching: Option<MatchFile>,
    /// The event's action; by default, any.
    pub action: Option<String>,
    /// JSON pointers into the event's data and the values that must be there.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<String, JsonTemplate>,
    /// How long to wait at most; by default as long as for a request.
    pub timeout: Option<HumanDuration>,
    /// The step from whose intended start end-to-end latency counts; by default the journey's first.
    pub since: Option<String>,
    /// Variables to set, each from a JSON pointer into the event's data.
    #[serde(default)]
    pub extract: BTreeMap<String, String>,
}

/// A field of an event's data and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchFile {
    /// A JSON pointer.
    pub field: String,
    /// The value that must be there.
    pub value: Template,
}

/// A value to store under a key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RememberFile {
    /// The key.
    pub key: Template,
    /// The value.
    pub value: Template,
}

/// The key of a value that will follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromiseFile {
    /// The key.
    pub key: Template,
}

/// A stored value to remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetFile {
    /// The key.
    pub key: Template,
    /// The value.
    pub value: Template,
    /// If the value is gone, the journey ends for this reason.
    pub otherwise: Option<String>,
}

/// A stored value to take, and the variable to set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallFile {
    /// The key.
    pub key: Template,
    /// The variable that the value is assigned to.
    #[serde(rename = "as")]
    pub variable: String,
    /// If there is none, the journey is skipped for this reason.
    pub otherwise: String,
}
