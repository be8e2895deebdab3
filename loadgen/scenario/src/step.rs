//! Journeys and their steps, checked and compiled. Must not know how they are carried out.

use std::time::Duration;

use super::answer::{AnswerChecks, Extract};
use super::body::{Auth, Body};
use super::condition::Condition;
use super::file::Method;
use super::template::Template;
use super::think_time::ThinkTime;

/// A journey: the steps that one customer takes.
#[derive(Debug)]
pub struct Journey {
    /// The journey's name, as reports show it.
    pub name: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// The number of steps, nested ones included.
    pub step_count: usize,
    /// Indexes of the feeders that its templates read.
    pub feeders: Vec<usize>,
}

impl Journey {
    /// All steps, nested ones included, in the file's order.
    pub fn all_steps(&self) -> Vec<&Step> {
        fn visit<'a>(steps: &'a [Step], found: &mut Vec<&'a Step>) {
            for step in steps {
                found.push(step);
                if let Action::Steps(inner) | Action::Parallel(inner) = &step.action {
                    visit(inner, found);
                }
            }
        }
        let mut found = Vec::new();
        visit(&self.steps, &mut found);
        found
    }
}

/// One step of a journey.
#[derive(Debug)]
pub struct Step {
    /// Its index among all steps of its journey, below `Journey::step_count`; `Await::since` refers to it.
    pub place: usize,
    /// The step's name, for messages and for `since`.
    pub name: String,
    /// The step is done only if this holds; checked once, before its loop.
    pub condition: Option<Condition>,
    /// The step's loop, if it has one.
    pub looped: Option<Loop>,
    /// What it does.
    pub action: Action,
}

/// How often a step is done.
#[derive(Debug)]
pub enum Loop {
    /// A number of times: a template that renders to a whole number.
    Repeat(Template),
    /// For each element of an array, seen as `it`.
    ForEach(Template),
    /// While the condition holds, checked before each iteration.
    #[allow(missing_docs)] // said above
    While { holds: Condition, max: u32 },
    /// Until the condition holds, checked after each iteration.
    #[allow(missing_docs)] // said above
    Until { holds: Condition, max: u32 },
}

/// What a step does.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a scenario has few steps, and most of them are requests
pub enum Action {
    /// Does its inner steps, in order.
    Steps(Vec<Step>),
    /// Does its inner steps at the same time, and ends with the last of them.
    Parallel(Vec<Step>),
    /// Ends the journey as skipped, for this reason.
    Skip(String),
    /// Sends a request and checks the answer.
    Request {
        /// Index into `Scenario::step_names`.
        id: usize,
        /// The request.
        request: RequestTemplate,
        /// What the answer must be.
        expect: Expect,
        /// Variables to set, each from a place in the answer.
        extract: Vec<Extract>,
        /// Statuses that end the journey as skipped, with the reason.
        skip_on: Vec<(u16, String)>,
    },
    /// Waits for an event and for its visibility in the read model.
    Await(Await),
    /// Pauses.
    Think(ThinkTime),
    /// Pauses as long as the rendered duration says.
    ThinkFor(Template),
    /// Announces that a value will follow under this key: a recall of this key waits for it.
    Promise(Template),
    /// Stores a value for later journeys of the run.
    Remember(Memory),
    /// Removes that value again.
    Forget {
        /// The key and the value.
        memory: Memory,
        /// If the value is gone because another journey recalled it, this journey ends for this reason. Without a reason
        /// the journey goes on.
        otherwise: Option<String>,
    },
    /// Takes the value stored last, and removes it; without one the journey is skipped.
    Recall {
        /// The key.
        key: Template,
        /// The variable that the value is assigned to.
        variable: String,
        /// The reason for skipping.
        otherwise: String,
    },
}

/// A value shared between journeys, under a key.
#[derive(Debug)]
pub struct Memory {
    /// The key.
    pub key: Template,
    /// The value.
    pub value: Template,
}

/// A request to render.
#[derive(Debug)]
pub struct RequestTemplate {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: Template,
    /// The body; JSON unless a header says otherwise.
    pub body: Option<Body>,
    /// Credentials.
    pub auth: Option<Auth>,
    /// Further headers; the body's content type is among them, unless it is JSON or multipart.
    pub headers: Vec<(String, Template)>,
    /// Whether they read the body as `{{request.body}}`.
    pub headers_read_body: bool,
    /// Whether the answer's headers are looked at.
    pub keeps_headers: bool,
    /// Index into `Scenario::targets`; `None` for the main target.
    pub target: Option<usize>,
    /// How long it is repeated while it gets no answer or a 429, 503 or 504.
    pub retry: Option<Duration>,
}

/// What an answer must be.
#[derive(Debug)]
pub struct Expect {
    /// Allowed statuses; empty means any 2xx.
    pub status: Vec<u16>,
    /// JSON pointers and the JSON that must be there.
    pub equal: Vec<(String, Template)>,
    /// JSON pointers that must lead to something other than null.
    pub exist: Vec<String>,
    /// JSON pointers that must lead to nothing or null.
    pub absent: Vec<String>,
    /// Texts that must be somewhere in the body.
    pub contain: Vec<Template>,
    /// What headers, text, size and time must be.
    pub answer: AnswerChecks,
}

/// How an event is found: by its aggregate's id, or by a field of its data (a JSON pointer).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // said above
pub enum KeySource {
    AggregateId,
    Field(String),
}

/// A state to wait for.
#[derive(Debug)]
pub struct Await {
    /// Index into `Scenario::await_names`.
    pub id: usize,
    /// The topic.
    pub topic: String,
    /// How its events are found.
    pub key_source: KeySource,
    /// The key that the event must have.
    pub key: Template,
    /// The event's action; `None` for any.
    pub action: Option<String>,
    /// JSON pointers into the event's data and the JSON that must be there.
    pub conditions: Vec<(String, Template)>,
    /// How long to wait at most; `None` for the limit of a request.
    pub timeout: Option<Duration>,
    /// `Step::place` of the step from whose intended start end-to-end latency counts.
    pub since: usize,
    /// Variables to set, each from a JSON pointer into the event's data.
    pub extract: Vec<(String, String)>,
}
