//! Compiles journeys: steps, conditions and loops. Checks which variables a step may read and that it can be reached.

use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::condition::Condition;
use crate::file::{JourneyFile, StepFile};
use crate::scenario::Feeder;
use crate::step::{Action, Journey, Loop, Step};

/// The largest `max` of `while` and `until`, in iterations.
const LOOP_MAX: u32 = 10_000;

/// State shared by the steps of the journey being compiled.
pub(super) struct InJourney {
    /// The names of all steps so far; `Step::place` indexes it.
    pub names: Vec<String>,
    tags: Vec<String>,
}

impl Compiler<'_> {
    pub(super) fn journey(
        &mut self,
        raw: Spanned<JourneyFile>,
        feeders: &[Feeder],
    ) -> Compiled<Journey> {
        let span = raw.span();
        let raw = raw.into_inner();
        let weight = raw.weight.unwrap_or(1.0);
        if !(weight > 0.0 && weight.is_finite()) || raw.steps.is_empty() {
            let problem = format!("journey `{}` needs steps and a weight above 0", raw.name);
            return Err(self.source.error(span, problem, None));
        }
        let outer = self.known.clone();
        for input in &raw.inputs {
            self.nameable(input, &span)?;
        }
        self.known.extend(raw.inputs);
        self.used.clear();
        let mut journey = InJourney {
            names: Vec::new(),
            tags: raw.tags,
        };
        let steps = self.steps(raw.steps, &mut journey)?;
        self.known = outer;
        self.maybe_unset.clear();
        let feeders = (0..feeders.len())
            .filter(|i| self.used.contains(&feeders[*i].name))
            .collect();
        Ok(Journey {
            name: raw.name,
            steps,
            step_count: journey.names.len(),
            feeders,
        })
    }

    fn steps(
        &mut self,
        raw: Vec<Spanned<StepFile>>,
        journey: &mut InJourney,
    ) -> Compiled<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        for raw in raw {
            if let Some(last) = steps.last().filter(|last| last.always_ends()) {
                let problem = format!("no journey reaches this step: `{}` ends it", last.name);
                let help = "add a condition (`if`) to the step that ends the journey, or reorder the steps";
                return Err(self.source.error(raw.span(), problem, Some(help.into())));
            }
            steps.push(self.step(raw, journey)?);
        }
        Ok(steps)
    }

    /// Steps at the same time: none of them sees what another one sets, and no variable is set by two.
    fn parallel(
        &mut self,
        raw: Vec<Spanned<StepFile>>,
        journey: &mut InJourney,
    ) -> Compiled<Vec<Step>> {
        let before = self.known.clone();
        let mut set = HashSet::new();
        let mut steps = Vec::new();
        for raw in raw {
            let span = raw.span();
            steps.push(self.step(raw, journey)?);
            let known = std::mem::replace(&mut self.known, before.clone());
            for name in known.difference(&before) {
                if !set.insert(name.clone()) {
                    let place = self.source.find(name, span);
                    let problem = format!("two steps at the same time set `{name}`");
                    let help = "give each its own variable";
                    return Err(self.source.error(place, problem, Some(help.into())));
                }
            }
        }
        self.known.extend(set);
        Ok(steps)
    }

    fn step(&mut self, raw: Spanned<StepFile>, journey: &mut InJourney) -> Compiled<Step> {
        let span = raw.span();
        let mut raw = raw.into_inner();
        let condition = raw.condition.take();
        if let Some(condition) = &condition {
            self.condition(condition, false, "no journey reaches this step", &span)?;
        }
        let before = self.known.clone();
        let looped = self.looped(&mut raw, &span)?;
        let outside = self.known.clone();
        if looped.is_some() {
            self.known.extend(["index".to_owned(), "it".to_owned()]);
        }
        if raw.actions() != 1 {
            let help = "allowed: exactly one of `request`, `await`, `think`, `skip`, `steps`, `parallel`, `promise`, `remember`, `forget`, `recall`";
            return Err(self
                .source
                .error(span, "a step has one action", Some(help.into())));
        }
        if raw.target.is_some() && raw.request.is_none() {
            let place = self.source.find("target", span);
            let help = "allowed: `target` beside `request`";
            return Err(self
                .source
                .error(place, "only a request has a target", Some(help.into())));
        }
        let name = raw.name(journey.names.len() + 1);
        let place = journey.names.len();
        journey.names.push(name.clone());
        let tags: Vec<String> = journey.tags.iter().chain(&raw.tags).cloned().collect();
        let action = match (raw.steps.is_empty(), raw.parallel.is_empty()) {
            (false, _) => Action::Steps(self.steps(raw.steps, journey)?),
            (_, false) => Action::Parallel(self.parallel(raw.parallel, journey)?),
            _ => self.action(raw, &name, &tags, journey, &span)?,
        };
        if let Some(Loop::Until { holds, .. }) = &looped {
            // Checked after the steps, because it may read variables that they extract.
            self.condition(holds, true, "this loop ends after one iteration", &span)?;
        }
        for name in ["index", "it"] {
            if !outside.contains(name) {
                self.known.remove(name);
            }
        }
        let certain = condition.is_none()
            && match &looped {
                None | Some(Loop::Until { .. }) => true,
                Some(Loop::Repeat(count)) => count.expressions().all(|e| e.path().is_none()),
                Some(_) => false,
            };
        if !certain {
            let new = self.known.difference(&before).cloned();
            self.maybe_unset.extend(new);
            self.known = before;
        }
        Ok(Step {
            place,
            name,
            condition,
            looped,
            action,
        })
    }

    /// Checks that a condition's variables are known and that its value is not constant.
    fn condition(
        &mut self,
        condition: &Condition,
        useless: bool,
        consequence: &str,
        span: &Range<usize>,
    ) -> Compiled<()> {
        if condition.constant() == Some(useless) {
            let place = self.source.find(condition.text(), span.clone());
            let problem = format!("{consequence}: `{}` is always {useless}", condition.text());
            let help = "use a condition that reads a variable";
            return Err(self.source.error(place, problem, Some(help.into())));
        }
        self.check_expressions(condition.expressions(), span)
    }

    fn looped(&mut self, raw: &mut StepFile, span: &Range<usize>) -> Compiled<Option<Loop>> {
        let wrong = |problem: &str, help: &str| {
            Err(self
                .source
                .error(span.clone(), problem, Some(help.to_owned())))
        };
        let max = match (raw.max, raw.while_holds.is_some() || raw.until.is_some()) {
            (None, false) => 0,
            (Some(max @ 1..=LOOP_MAX), true) => max,
            (_, true) => {
                return wrong(
                    "`while` and `until` need a bound",
                    "allowed: `max`, 1 to 10000 times",
                );
            }
            (Some(_), false) => {
                return wrong("`max` without a loop", "allowed: with `while` or `until`");
            }
        };
        let loops = (
            raw.repeat.take(),
            raw.for_each.take(),
            raw.while_holds.take(),
            raw.until.take(),
        );
        Ok(Some(match loops {
            (None, None, None, None) => return Ok(None),
            (Some(count), None, None, None) => {
                self.check([&count.0], span)?;
                Loop::Repeat(count.0)
            }
            (None, Some(list), None, None) => {
                self.check([&list.0], span)?;
                Loop::ForEach(list.0)
            }
            (None, None, Some(holds), None) => {
                self.condition(&holds, false, "no journey reaches this step", span)?;
                Loop::While { holds, max }
            }
            (None, None, None, Some(holds)) => Loop::Until { holds, max },
            _ => {
                return wrong(
                    "a step has at most one loop",
                    "allowed: one of `repeat`, `for_each`, `while`, `until`; further ones in `steps`",
                );
            }
        }))
    }
}

impl StepFile {
    fn actions(&self) -> usize {
        let given = [
            self.request.is_some(),
            self.think.is_some(),
            self.awaits.is_some(),
            self.skip.is_some(),
            !self.steps.is_empty(),
            !self.parallel.is_empty(),
            self.promise.is_some(),
            self.remember.is_some(),
            self.forget.is_some(),
            self.recall.is_some(),
        ];
        given.iter().filter(|given| **given).count()
    }

    /// The step's own name, or one made from its action; `number` tells requests apart.
    fn name(&self, number: usize) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match (&self.request, &self.awaits) {
            (Some(request), _) => format!("{} {number}", request.method.as_str()),
            (_, Some(awaits)) => awaits
                .name
                .clone()
                .unwrap_or_else(|| format!("await {}", awaits.topic)),
            _ if self.skip.is_some() => "skip".into(),
            _ if self.think.is_some() => "think".into(),
            _ => format!("step {number}"),
        }
    }
}

impl Step {
    /// Whether every journey ends at this step.
    fn always_ends(&self) -> bool {
        let once = matches!(self.looped, None | Some(Loop::Until { .. }));
        once && self.condition.is_none()
            && match &self.action {
                Action::Skip(_) => true,
                Action::Steps(steps) => steps.last().is_some_and(Self::always_ends),
                Action::Request {
                    expect, skip_on, ..
                } => {
                    let skipped = |status| skip_on.iter().any(|(s, _)| s == status);
                    !expect.status.is_empty() && expect.status.iter().all(skipped)
                }
                _ => false,
            }
    }
}
