//! How many requests set-up and journeys send, as far as it is known before a run: from the scenario's parameters, its feeders and its
//! bounds on loops. Must not know workloads.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::expression::Expression;
use super::filter::plain;
use super::template::Template;
use super::{Action, FeederSource, Journey, Loop, Scenario, SetupStep, Step};

/// An expression with more possible values is not looked through.
const POSSIBLE_MAX: usize = 100_000;
/// Loops set these.
const OF_LOOPS: [&str; 2] = ["index", "it"];

/// How many requests are sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests {
    /// At least so many.
    pub least: u64,
    /// At most so many on top, besides those of `loops`.
    more: u64,
    /// The loops whose number of iterations only the run knows, in words.
    pub loops: Vec<String>,
}

impl Requests {
    /// At most so many; `None` if only the run knows.
    pub fn most(&self) -> Option<u64> {
        self.loops.is_empty().then_some(self.least + self.more)
    }

    fn between(least: u64, most: u64) -> Self {
        Self {
            least,
            more: most - least,
            loops: Vec::new(),
        }
    }

    fn add(mut self, other: Self) -> Self {
        self.least += other.least;
        self.more += other.more;
        self.loops.extend(other.loops);
        self
    }
}

/// A range of requests in words.
pub(super) fn range(least: u64, most: Option<u64>) -> String {
    match most {
        Some(most) if most == least => least.to_string(),
        Some(most) => format!("{least} to {most}"),
        None => format!("{least} or more"),
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.loops.is_empty() {
            return f.write_str(&range(self.least, self.most()));
        }
        let known = range(self.least, Some(self.least + self.more));
        write!(
            f,
            "{known}, and what the run decides: {}",
            self.loops.join("; ")
        )
    }
}

/// What is known before a run of the variables that a journey or set-up reads.
struct Known<'a> {
    scenario: &'a Scenario,
    /// Variables that answers, loops and other journeys set.
    set: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn to(scenario: &'a Scenario, steps: &[&'a Step]) -> Self {
        let of_set_up = scenario.setup.iter().flat_map(|step| &step.extract);
        let of_steps = steps.iter().filter_map(|step| match &step.action {
            Action::Request { extract, .. } => Some(extract),
            _ => None,
        });
        let extracted = of_set_up.chain(of_steps.flatten());
        let recalled = steps.iter().filter_map(|step| match &step.action {
            Action::Recall { variable, .. } => Some(variable.as_str()),
            _ => None,
        });
        Self {
            scenario,
            set: extracted
                .map(|e| e.variable.as_str())
                .chain(recalled)
                .chain(OF_LOOPS)
                .collect(),
        }
    }

    /// All values that a variable may have.
    fn values(&self, name: &str) -> Option<Cow<'a, [Value]>> {
        let scenario = self.scenario;
        if self.set.contains(name) {
            return None;
        }
        let Some(feeder) = scenario.feeders.iter().find(|f| f.name == name) else {
            let value = scenario.parameters.get(name)?;
            return Some(Cow::Borrowed(std::slice::from_ref(value)));
        };
        match (feeder.count, &feeder.source) {
            // Only the lengths of its arrays are known.
            (Some([from, to]), _) if to <= POSSIBLE_MAX => {
                let array = |length| Value::Array(vec![Value::Null; length]);
                Some((from..=to).map(array).collect())
            }
            (None, FeederSource::Values(values)) => Some(Cow::Borrowed(values)),
            _ => None,
        }
    }

    /// The least and the greatest number that `count` makes of what a template may render to.
    fn bounds(
        &self,
        template: &Template,
        count: impl Fn(&Value) -> Option<u64>,
    ) -> Option<(u64, u64)> {
        if let Some(text) = template.as_literal() {
            let times = count(&text.into())?;
            return Some((times, times));
        }
        let expression: &Expression = template.only_expression()?;
        let values = |name: &str| self.values(name);
        let possible = expression.possible(&self.scenario.parameters, values, POSSIBLE_MAX)?;
        let times: Option<Vec<u64>> = possible.iter().map(count).collect();
        let times = times?;
        Some((*times.iter().min()?, *times.iter().max()?))
    }

    fn of_steps(&self, steps: &[Step]) -> Requests {
        let each = steps.iter().map(|step| self.of_step(step));
        each.fold(Requests::default(), Requests::add)
    }

    fn of_step(&self, step: &Step) -> Requests {
        let each = match &step.action {
            Action::Request { .. } => Requests::between(1, 1),
            Action::Steps(steps) | Action::Parallel(steps) => self.of_steps(steps),
            _ => return Requests::default(),
        };
        let times = match &step.looped {
            None => Ok((1, 1)),
            Some(Loop::Repeat(count)) => self
                .bounds(count, number)
                .ok_or_else(|| format!("`{}` as many times as {count}", step.name)),
            Some(Loop::ForEach(list)) => self
                .bounds(list, |value| Some(value.as_array()?.len() as u64))
                .ok_or_else(|| format!("`{}` once for each of {list}", step.name)),
            Some(Loop::While { max, .. }) => Ok((0, u64::from(*max))),
            Some(Loop::Until { max, .. }) => Ok((1, u64::from(*max))),
        };
        let (least, most) = match times {
            Ok(times) => times,
            Err(_) if each == Requests::default() => return each,
            Err(words) => {
                return Requests {
                    loops: vec![words],
                    ..Requests::default()
                };
            }
        };
        let least = if step.condition.is_some() { 0 } else { least };
        Requests {
            loops: each.loops,
            ..Requests::between(each.least * least, (each.least + each.more) * most)
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    plain(value).trim().parse().ok()
}

impl Journey {
    /// The requests of one such journey that reaches its end.
    pub(super) fn requests(&self, scenario: &Scenario) -> Requests {
        Known::to(scenario, &self.all_steps()).of_steps(&self.steps)
    }
}

impl SetupStep {
    /// Its requests, if their number is known before the run.
    pub(super) fn requests(&self, scenario: &Scenario) -> Option<u64> {
        let known = Known::to(scenario, &[]);
        let times = |count: &Template| {
            let (least, most) = known.bounds(count, number)?;
            (least == most).then_some(least)
        };
        let iterations = match (&self.repeat, &self.for_each) {
            (Some(count), _) => times(count)?,
            // The list has one element per iteration of the step that makes it.
            (None, Some(list)) => {
                let mut makers = scenario.setup.iter();
                let maker = makers.find(|s| s.list.as_ref() == Some(list))?;
                times(maker.repeat.as_ref()?)?
            }
            (None, None) => 1,
        };
        Some(match self.item {
            Some(_) => iterations.div_ceil(self.chunk as u64),
            None => iterations,
        })
    }
}
