//! Journeys and their steps, checked and compiled. What they are, not how they are carried out.

use std::time::Duration;

use super::condition::Condition;
use super::file::Method;
use super::template::Template;
use super::think_time::ThinkTime;

/// A customer's way through the system.
#[derive(Debug)]
pub struct Journey {
    /// For people.
    pub name: String,
    /// Its share in the mix.
    pub weight: f64,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// How many steps there are, those within others included.
    pub step_count: usize,
    /// Indexes of the feeders that its templates read.
    pub feeders: Vec<usize>,
}

impl Journey {
    /// Its steps and those within them, in the file's order.
    pub fn all_steps(&self) -> Vec<&Step> {
        fn visit<'a>(steps: &'a [Step], found: &mut Vec<&'a Step>) {
            for step in steps {
                found.push(step);
                if let Action::Steps(inner) = &step.action {
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
    /// Index into `Scenario::step_names`, for a request; `usize::MAX` for steps that are not recorded as such.
    pub id: usize,
    /// Its place among all steps of its journey, below `Journey::step_count`; what `Await::since` names.
    pub place: usize,
    /// For people, and for `since`.
    pub name: String,
    /// Only then; looked at once, before its loop.
    pub condition: Option<Condition>,
    /// How often.
    pub looped: Option<Loop>,
    /// What it does.
    pub action: Action,
}

/// How often a step is done.
#[derive(Debug)]
pub enum Loop {
    /// So many times: a template that renders to a whole number.
    Repeat(Template),
    /// For each element of an array, seen as `it`.
    ForEach(Template),
    /// As long as it holds, looked at before each time.
    #[allow(missing_docs)] // said above
    While { holds: Condition, max: u32 },
    /// Until it holds, looked at after each time.
    #[allow(missing_docs)] // said above
    Until { holds: Condition, max: u32 },
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// What its steps do, one after the other.
    Steps(Vec<Step>),
    /// Ends the journey as skipped, for this reason.
    Skip(String),
    /// Sends a request and checks the answer.
    Request {
        /// The request.
        request: RequestTemplate,
        /// What its answer must be.
        expect: Expect,
        /// Variable and JSON pointer into the answer.
        extract: Vec<(String, String)>,
        /// Statuses that end the journey as skipped, with the reason.
        skip_on: Vec<(u16, String)>,
    },
    /// Waits for an event and for its visibility in the read model.
    Await(Await),
    /// Pauses.
    Think(ThinkTime),
    /// Pauses as long as the rendered duration says.
    ThinkFor(Template),
    /// Says that a value will follow under this key: whoever recalls the last one waits for it.
    Promise(Template),
    /// Puts a value where later journeys of the run find it.
    Remember(Memory),
    /// Takes that value away again.
    Forget {
        /// Where, and which.
        memory: Memory,
        /// If it is gone because another journey recalled it, this journey is over, for this reason. Without a reason
        /// that does not matter.
        otherwise: Option<String>,
    },
    /// Takes the value remembered last away; without one the journey is skipped.
    Recall {
        /// Where.
        key: Template,
        /// The variable it goes to.
        variable: String,
        /// The reason for skipping.
        otherwise: String,
    },
}

/// A value shared between journeys, under a key.
#[derive(Debug)]
pub struct Memory {
    /// Where.
    pub key: Template,
    /// What.
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
    pub body: Option<Template>,
    /// Further headers; a form's or a text's content type is among them.
    pub headers: Vec<(String, Template)>,
}

/// What an answer must be.
#[derive(Debug)]
pub struct Expect {
    /// Allowed statuses; empty means any 2xx.
    pub status: Vec<u16>,
    /// JSON pointer and the JSON that must be there.
    pub equal: Vec<(String, Template)>,
    /// JSON pointers that must lead to something other than null.
    pub exist: Vec<String>,
    /// JSON pointers that must lead to nothing or null.
    pub absent: Vec<String>,
    /// Texts that must be somewhere in the body.
    pub contain: Vec<Template>,
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
    /// What the key must be.
    pub key: Template,
    /// The event's action, if only one counts.
    pub action: Option<String>,
    /// JSON pointer into the event's data and the JSON that must be there.
    pub conditions: Vec<(String, Template)>,
    /// Without one, the limit for a request.
    pub timeout: Option<Duration>,
    /// `Step::place` of the step from whose intended start end-to-end latency counts.
    pub since: usize,
    /// Variable and JSON pointer into the event's data.
    pub extract: Vec<(String, String)>,
}
