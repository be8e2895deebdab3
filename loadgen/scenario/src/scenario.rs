//! A checked scenario: what the other modules read, check and change. Plain data.

use std::time::Duration;

use crate::answer::Extract;
use crate::condition::Condition;
use crate::expression::Vars;
use crate::fault::{Chaos, Fault, FaultAction};
use crate::file::{AtEnd, Durability, Http, Method, Pick};
use crate::limits::Limits;
use crate::secrets::Secrets;
use crate::sources::ReadFrom;
use crate::step::{Action, Await, Expect, Journey, KeySource, RequestTemplate};
use crate::template::Template;
use crate::threshold::{Metric, Threshold, Window};
use crate::trace::TraceConfig;
use crate::workload::Workload;

/// A checked scenario.
#[derive(Debug)]
pub struct Scenario {
    /// The scenario's name, as reports show it.
    pub name: String,
    /// What the scenario does, in a sentence or two.
    pub description: String,
    /// From where it was read.
    pub read_from: ReadFrom,
    /// Variables that every template sees; they can be overridden from the command line.
    pub parameters: Vars,
    /// Targets besides the main one; `RequestTemplate::target` indexes it.
    pub targets: Vec<NamedTarget>,
    /// The environment variables that templates read.
    pub secrets: Secrets,
    /// Whether the target is audited after the run.
    pub audit: bool,
    /// How journeys arrive: one workload or several, all at once.
    pub workloads: Vec<Workload>,
    /// Limits of the run.
    pub limits: Limits,
    /// How customers speak HTTP.
    pub http: Http,
    /// Requests before the workload, one after the other.
    pub setup: Vec<SetupStep>,
    /// Requests after the workload, one after the other; a failure is only a warning.
    pub teardown: Vec<SetupStep>,
    /// Sources of values, drawn once per journey.
    pub feeders: Vec<Feeder>,
    /// The durability of a system that is started for it.
    pub durability: Option<Durability>,
    /// What goes wrong on purpose while the workload runs.
    pub faults: Vec<Fault>,
    /// Faults that are drawn by lot.
    pub chaos: Option<Chaos>,
    /// The journeys; each is in the mix of a workload.
    pub journeys: Vec<Journey>,
    /// What must hold for the run to pass.
    pub thresholds: Vec<Threshold>,
    /// Names of the recorded steps; `Action::Request`'s `id` indexes it.
    pub step_names: Vec<String>,
    /// The steps' tags, sorted; one entry per name.
    pub step_tags: Vec<Vec<String>>,
    /// Names of the awaited states; `Await::id` indexes it.
    pub await_names: Vec<String>,
    /// The awaited states' tags, sorted; one entry per name.
    pub await_tags: Vec<Vec<String>>,
    /// Warnings about the file, such as a feeder that nothing reads.
    pub warnings: Vec<String>,
    /// How to read a recorded trace, for `WorkloadKind::Trace`.
    pub trace: Option<TraceConfig>,
}

impl Scenario {
    /// How long journeys are started, where the scenario says so.
    pub fn duration(&self) -> Option<Duration> {
        Workload::last_end(&self.workloads)
    }

    /// The time at the start of the run in which nothing is recorded, of any workload.
    pub fn warm_up(&self) -> Duration {
        let recorded = self.workloads.iter().map(Workload::recorded_from);
        recorded.min().unwrap_or_default()
    }

    /// The index of the workload whose figure a metric is, if it is one workload's.
    pub fn workload_of(&self, metric: &Metric) -> Option<usize> {
        let name = metric.workload()?;
        self.workloads.iter().position(|w| w.name == name)
    }

    /// When a metric's figures begin and when its last journey is started, from the start of the run.
    pub fn span_of(&self, metric: &Metric) -> (Duration, Option<Duration>) {
        match self.workload_of(metric) {
            Some(index) => {
                let workload = &self.workloads[index];
                (workload.recorded_from(), workload.end())
            }
            None => (self.warm_up(), self.duration()),
        }
    }

    /// A threshold's window and the time in which its figure is measured, if the window is longer: the threshold could only fail.
    pub(crate) fn too_long_a_window(&self, threshold: &Threshold) -> Option<(Duration, Duration)> {
        let (Window::Every(window) | Window::Last(window)) = threshold.window else {
            return None;
        };
        let (from, until) = self.span_of(&threshold.metric);
        let measured = until?.saturating_sub(from);
        (window > measured).then_some((window, measured))
    }

    /// The names of `[[workloads]]`; none for `[workload]`.
    pub fn workload_names(&self) -> Vec<String> {
        let names = self.workloads.iter().map(|w| w.name.clone());
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Whether any of its requests may change the target's state.
    pub fn writes(&self) -> bool {
        let in_setup = self.setup.iter().map(|step| &step.request);
        in_setup
            .chain(self.journey_requests())
            .any(|request| !matches!(request.method, Method::Get | Method::Head))
    }

    /// The target that stands in the place of the main one: that of the first request, if every request names its target.
    pub fn only_named_targets(&self) -> Option<&NamedTarget> {
        let beside = self.setup.iter().chain(&self.teardown);
        let requests = self
            .journey_requests()
            .chain(beside.map(|step| &step.request));
        let all: Option<Vec<usize>> = requests.map(|request| request.target).collect();
        all?.first().map(|index| &self.targets[*index])
    }

    /// Whether set-up's POSTs carry the header `Idempotency-Key`: where any workload's do.
    pub fn idempotency_keys(&self) -> bool {
        self.workloads.iter().any(|w| w.idempotency_keys)
    }

    fn journey_requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        let steps = self.journeys.iter().flat_map(Journey::all_steps);
        steps.filter_map(|step| match &step.action {
            Action::Request { request, .. } => Some(request),
            _ => None,
        })
    }

    /// Whether a fault disturbs the network between the system and its Redis.
    pub fn disturbs_network(&self) -> bool {
        let planned = self.faults.iter().map(|fault| &fault.action);
        let drawn = self.chaos.iter().flat_map(|chaos| &chaos.actions);
        planned
            .chain(drawn)
            .any(|action| matches!(action, FaultAction::Network { .. }))
    }

    /// The awaited topics, each with how its events are found (by id, or by a field of their data).
    pub fn awaited(&self) -> Vec<(&str, &KeySource)> {
        let steps = self.journeys.iter().flat_map(Journey::all_steps);
        let in_journeys = steps.filter_map(|step| match &step.action {
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

    /// Whether journeys share values with each other.
    pub fn shares_values(&self) -> bool {
        let mut steps = self.journeys.iter().flat_map(Journey::all_steps);
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

/// A target of `[targets]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTarget {
    /// Its name, by which steps ask for it.
    pub name: String,
    /// Its `http://` or `https://` URL.
    pub url: String,
}

/// Set-up: requests whose results become lists for feeders and templates.
#[derive(Debug)]
pub struct SetupStep {
    /// The step's name, for messages.
    pub name: String,
    /// The step runs only if this holds.
    pub condition: Option<Condition>,
    /// Iterations: a template that renders to a whole number.
    pub repeat: Option<Template>,
    /// Or one iteration for each element of this list, seen as `it`.
    pub for_each: Option<String>,
    /// The number of items in one request's body.
    pub chunk: usize,
    /// The element that each iteration adds to the body's array; without it each iteration is a request.
    pub item: Option<Template>,
    /// The list that the results go to: items with their `entity_id`, or each iteration's extracted variables.
    pub list: Option<String>,
    /// JSON pointer to the array of ids in the answer to a chunk.
    pub ids: String,
    /// The request.
    pub request: RequestTemplate,
    /// What the answer must be.
    pub expect: Expect,
    /// Variables to set, each from a place in the answer.
    pub extract: Vec<Extract>,
    /// The state to wait for after the last request.
    pub awaits: Option<Await>,
}

/// A source of values.
#[derive(Debug)]
pub struct Feeder {
    /// The name of the variable that journeys read.
    pub name: String,
    /// Where its values come from.
    pub source: FeederSource,
    /// How a value is chosen.
    pub pick: Pick,
    /// What happens after the last value of a sequential choice.
    pub at_end: AtEnd,
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
