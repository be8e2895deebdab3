//! Compiles a step's action: a request, an awaited state, a shared value or a pause.

use super::journey::InJourney;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::compile::compiler::{Compiled, Compiler, tagged};
use crate::file::{AwaitFile, RememberFile, StepFile, ThinkFile};
use crate::step::{Action, Await, KeySource, Memory};
use crate::template::Template;
use crate::think_time::ThinkTime;

impl Compiler<'_> {
    pub(super) fn action(
        &mut self,
        raw: StepFile,
        name: &str,
        tags: &[String],
        journey: &InJourney,
        span: &Range<usize>,
    ) -> Compiled<Action> {
        let mut defined: Vec<String> = raw.extract.keys().cloned().collect();
        let action = if let Some(request) = raw.request {
            let target = raw.target.as_deref();
            let (request, expect, extract) =
                self.exchange(request, target, raw.expect, raw.extract, span)?;
            Action::Request {
                // Only requests are recorded as steps; an awaited state has its own figures.
                id: tagged(&mut self.steps, name, tags),
                request,
                expect,
                extract,
                skip_on: self.skip_on(raw.skip_on, span)?,
            }
        } else if let Some(awaits) = raw.awaits {
            defined.extend(awaits.extract.keys().cloned());
            Action::Await(self.awaits(awaits, name, tags, &journey.names, span)?)
        } else if let Some(reason) = raw.skip {
            Action::Skip(reason)
        } else if let Some(recall) = raw.recall {
            self.check([&recall.key], span)?;
            self.nameable(&recall.variable, span)?;
            defined.push(recall.variable.clone());
            Action::Recall {
                key: recall.key,
                variable: recall.variable,
                otherwise: recall.otherwise,
            }
        } else if let Some(promise) = raw.promise {
            self.check([&promise.key], span)?;
            Action::Promise(promise.key)
        } else if let Some(RememberFile { key, value }) = raw.remember {
            Action::Remember(self.memory(key, value, span)?)
        } else if let Some(forget) = raw.forget {
            Action::Forget {
                memory: self.memory(forget.key, forget.value, span)?,
                otherwise: forget.otherwise,
            }
        } else {
            match raw.think {
                Some(ThinkFile::Template(template)) => {
                    self.check([&template], span)?;
                    Action::ThinkFor(template)
                }
                Some(ThinkFile::Distribution(think_time)) => Action::Think(think_time),
                None => Action::Think(ThinkTime::NONE),
            }
        };
        self.known.extend(defined);
        Ok(action)
    }

    fn skip_on(
        &self,
        raw: BTreeMap<String, String>,
        span: &Range<usize>,
    ) -> Compiled<Vec<(u16, String)>> {
        let statuses = raw
            .into_iter()
            .map(|(status, reason)| match status.parse() {
                Ok(status) if (100..600).contains(&status) => Ok((status, reason)),
                _ => Err(self.source.error(
                    span.clone(),
                    format!("`skip_on`: `{status}` is not a status"),
                    Some("allowed: \"100\" to \"599\"".into()),
                )),
            });
        statuses.collect()
    }

    fn memory(&mut self, key: Template, value: Template, span: &Range<usize>) -> Compiled<Memory> {
        self.check([&key, &value], span)?;
        Ok(Memory { key, value })
    }

    pub(super) fn awaits(
        &mut self,
        raw: AwaitFile,
        step: &str,
        tags: &[String],
        names: &[String],
        span: &Range<usize>,
    ) -> Compiled<Await> {
        let (key_source, key) = match (raw.id, raw.matching) {
            (Some(id), None) => (KeySource::AggregateId, id),
            (None, Some(matching)) => {
                self.pointers([&matching.field], span)?;
                (KeySource::Field(matching.field), matching.value)
            }
            _ => {
                return Err(self.source.error(
                    span.clone(),
                    "an `await` needs a key that selects its events",
                    Some("allowed: `id`, or `match = { field, value }`".into()),
                ));
            }
        };
        let conditions: Vec<(String, Template)> = raw
            .conditions
            .into_iter()
            .map(|(pointer, t)| (pointer, t.0))
            .collect();
        self.pointers(
            conditions
                .iter()
                .map(|(p, _)| p)
                .chain(raw.extract.values()),
            span,
        )?;
        self.check(
            std::iter::once(&key).chain(conditions.iter().map(|(_, t)| t)),
            span,
        )?;
        let since = match &raw.since {
            None => 0,
            Some(name) => names.iter().position(|n| n == name).ok_or_else(|| {
                let place = self.source.find(&format!("\"{name}\""), span.clone());
                self.source.error(
                    place,
                    format!("`since`: no earlier step `{name}`"),
                    Some(format!("allowed: {}", names.join(", "))),
                )
            })?,
        };
        Ok(Await {
            id: tagged(&mut self.awaits, raw.name.as_deref().unwrap_or(step), tags),
            topic: raw.topic,
            key_source,
            key,
            action: raw.action,
            conditions,
            timeout: raw.timeout.map(|d| d.0),
            since,
            extract: raw.extract.into_iter().collect(),
        })
    }
}
