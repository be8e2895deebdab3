//! What is to be done to a target: workload, set-up, feeders, journeys, thresholds, read from TOML and checked as a whole.
//! The first stage; it must not know how any of it is carried out.

#![allow(clippy::result_large_err)] // an error here ends the program: its size costs nothing

pub mod catalog;
mod compile;
mod diagnostic;
pub mod expression;
mod file;
mod overrides;
pub mod recorded;
pub mod template;
pub mod threshold;

use std::time::Duration;

use crate::trace::TraceConfig;
pub use compile::read;
pub use diagnostic::ScenarioError;
use expression::Vars;
pub use file::{Method, Pick, ThinkTime};
pub use overrides::Overrides;
use template::Template;
use threshold::Threshold;

/// A checked scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, as reports show it.
    pub name: String,
    /// Its story in a sentence or two.
    pub description: String,
    /// Variables that every template sees; they can be overridden from the command line.
    pub parameters: Vars,
    /// Whether the target is audited after the run.
    pub audit: bool,
    /// How journeys arrive.
    pub workload: Workload,
    /// How long after the start figures are not recorded.
    pub warm_up: Duration,
    /// Whether arrivals of an open workload are random (a Poisson process at the given rate) instead of evenly spaced.
    pub poisson: bool,
    /// Whether requests say which journey they belong to (W3C trace context).
    pub traceparent: bool,
    /// Limits of the run.
    pub limits: Limits,
    /// Requests before the workload, one after the other.
    pub setup: Vec<SetupStep>,
    /// Sources of values, drawn once per journey.
    pub feeders: Vec<Feeder>,
    /// The mix of journeys.
    pub journeys: Vec<Journey>,
    /// What must hold for the run to pass.
    pub thresholds: Vec<Threshold>,
    /// Names of the recorded steps; `Step::id` indexes it.
    pub step_names: Vec<String>,
    /// Names of the awaited states; `Await::id` indexes it.
    pub await_names: Vec<String>,
    /// How to read a recorded trace, for `Workload::Trace`.
    pub trace: Option<TraceConfig>,
}

impl Scenario {
    /// Whether any of its requests may change the target's state.
    pub fn writes(&self) -> bool {
        let in_journeys = self.journeys.iter().flat_map(|journey| &journey.steps);
        let in_journeys = in_journeys.filter_map(|step| match &step.action {
            Action::Request { request, .. } => Some(request.method),
            _ => None,
        });
        let in_setup = self.setup.iter().map(|step| step.request.method);
        in_setup
            .chain(in_journeys)
            .any(|method| !matches!(method, Method::Get | Method::Head))
    }

    /// The topics whose events are awaited, each with the ways its events are found (by id, or by a field of their data).
    pub fn awaited(&self) -> Vec<(&str, &KeySource)> {
        let in_journeys =
            self.journeys
                .iter()
                .flat_map(|j| &j.steps)
                .filter_map(|step| match &step.action {
                    Action::Await(awaits) => Some(awaits),
                    _ => None,
                });
        let awaits = in_journeys.chain(self.setup.iter().filter_map(|s| s.awaits.as_ref()));
        let mut found: Vec<(&str, &KeySource)> = Vec::new();
        for a in awaits {
            if !found.contains(&(a.topic.as_str(), &a.key_source)) {
                found.push((&a.topic, &a.key_source));
            }
        }
        found
    }
}

impl Scenario {
    /// Whether journeys leave values for each other, so that they must know of each other's.
    pub fn shares_values(&self) -> bool {
        let mut steps = self.journeys.iter().flat_map(|j| &j.steps);
        steps.any(|step| {
            matches!(
                step.action,
                Action::Promise(_)
                    | Action::Remember(_)
                    | Action::Forget { .. }
                    | Action::Recall { .. }
            )
        })
    }
}

/// How journeys arrive.
#[derive(Debug, Clone)]
pub enum Workload {
    /// Arrivals at a rate, whatever the target does.
    Open {
        /// One after the other.
        stages: Vec<Stage>,
    },
    /// Users who each start their next journey after the previous one has ended.
    Closed {
        /// How many at once.
        users: usize,
        /// The pause between one user's journeys.
        think_time: ThinkTime,
        /// How long new journeys are started.
        duration: Duration,
    },
    /// Arrivals at recorded times, from a file.
    Trace,
}

/// A piece of an open workload: the rate goes from `from` to `to` linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// How long.
    pub duration: Duration,
    /// Journeys a second at its start.
    pub from: f64,
    /// Journeys a second at its end.
    pub to: f64,
}

/// Limits of a run; each has a default.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Journeys in flight at once; an arrival over it is dropped and counted.
    pub in_flight_max: usize,
    /// Connections open at once, all drivers together; a request beyond it waits for its turn, and its response time with it.
    pub connections_max: usize,
    /// For one request, and for an await without a timeout of its own.
    pub request_timeout: Duration,
    /// For journeys in flight when the workload ends.
    pub drain_timeout: Duration,
    /// For the target's backlog after the drain.
    pub backlog_timeout: Duration,
    /// Past this the generator has not kept its schedule: INVALID.
    pub slip_p99_max: Duration,
    /// Of one core, per driver; past it: INVALID.
    pub cpu_pct_max: f64,
    /// How late a driver's event loop may come round (p99); past it the machine was too busy: INVALID.
    pub loop_stall_p99_max: Duration,
    /// How far the wall clock may jump against the monotonic one; past it: INVALID.
    pub clock_jump_max: Duration,
    /// Dropped and unsent of all arrivals; past it: INVALID.
    pub dropped_pct_max: f64,
    /// A longer answer is an error.
    pub response_bytes_max: usize,
}

/// Set-up: requests whose results become lists for feeders and templates.
#[derive(Debug)]
pub struct SetupStep {
    /// For people.
    pub name: String,
    /// Iterations: a template that renders to a whole number.
    pub repeat: Option<Template>,
    /// Or one iteration for each element of this list, seen as `it`.
    pub for_each: Option<String>,
    /// Items in one request's body.
    pub chunk: usize,
    /// One element of the body's array per iteration; without it each iteration is a request.
    pub item: Option<Template>,
    /// The list that the results go to: items with their `entity_id`, or each iteration's extracted variables.
    pub list: Option<String>,
    /// JSON pointer to the array of ids in the answer to a chunk.
    pub ids: String,
    /// The request.
    pub request: RequestTemplate,
    /// What its answer must be.
    pub expect: Expect,
    /// Variable and JSON pointer.
    pub extract: Vec<(String, String)>,
    /// Awaited after the last request.
    pub awaits: Option<Await>,
}

/// A source of values.
#[derive(Debug)]
pub struct Feeder {
    /// The variable that a journey sees.
    pub name: String,
    /// Where its values come from.
    pub source: FeederSource,
    /// How one is chosen.
    pub pick: Pick,
    /// Zipf's exponent: 1 is the classic popularity curve.
    pub exponent: f64,
    /// An array of that many values (inclusive range) instead of one value.
    pub count: Option<[usize; 2]>,
}

/// Where a feeder's values come from.
#[derive(Debug)]
pub enum FeederSource {
    /// A list made by set-up.
    List(String),
    /// Values in the scenario or from a file.
    Values(Vec<serde_json::Value>),
}

/// A customer's way through the system.
#[derive(Debug)]
pub struct Journey {
    /// For people.
    pub name: String,
    /// Its share in the mix.
    pub weight: f64,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Indexes of the feeders that its templates read.
    pub feeders: Vec<usize>,
}

/// One step of a journey.
#[derive(Debug)]
pub struct Step {
    /// Index into `Scenario::step_names`, for a request; `usize::MAX` for steps that are not recorded as such.
    pub id: usize,
    /// For people, and for `since`.
    pub name: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
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
    /// The body, JSON.
    pub body: Option<Template>,
    /// Further headers.
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
    /// Index of the journey's step from whose intended start end-to-end latency counts.
    pub since: usize,
    /// Variable and JSON pointer into the event's data.
    pub extract: Vec<(String, String)>,
}
