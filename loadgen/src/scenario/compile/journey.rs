//! Journeys: what each step does, and which variables and steps it may name.

use super::*;

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
        self.known.extend(raw.inputs);
        let mut used = HashSet::new();
        let mut names: Vec<String> = Vec::new();
        let mut steps = Vec::new();
        for step in raw.steps {
            steps.push(self.step(step, &mut names, &mut used)?);
        }
        self.known = outer;
        let feeders = (0..feeders.len())
            .filter(|i| used.contains(&feeders[*i].name))
            .collect();
        Ok(Journey {
            name: raw.name,
            weight,
            steps,
            feeders,
        })
    }

    pub(super) fn step(
        &mut self,
        raw: Spanned<StepFile>,
        names: &mut Vec<String>,
        used: &mut HashSet<String>,
    ) -> Compiled<Step> {
        let span = raw.span();
        let raw = raw.into_inner();
        let given = [
            raw.request.is_some(),
            raw.think.is_some(),
            raw.awaits.is_some(),
            raw.promise.is_some(),
            raw.remember.is_some(),
            raw.forget.is_some(),
            raw.recall.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            let help = "allowed: exactly one of `request`, `await`, `think`, `promise`, `remember`, `forget`, `recall`";
            return Err(self
                .source
                .error(span, "a step does one thing", Some(help.into())));
        }
        let name = raw
            .name
            .unwrap_or_else(|| match (&raw.request, &raw.awaits) {
                (Some(r), _) => format!("{} {}", r.method.as_str(), names.len() + 1),
                (_, Some(a)) => a
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("await {}", a.topic)),
                _ => "think".into(),
            });
        let mut defined: Vec<String> = raw.extract.keys().cloned().collect();
        self.pointers(raw.extract.values(), &span)?;
        let action = if let Some(request) = raw.request {
            let request = self.request(request, &span)?;
            let expect = self.expect(raw.expect, &span)?;
            used.extend(
                request
                    .templates()
                    .chain(expect.equal.iter().map(|(_, t)| t))
                    .flat_map(Template::variables)
                    .map(str::to_owned),
            );
            let skip_on = raw
                .skip_on
                .into_iter()
                .map(|(status, reason)| match status.parse() {
                    Ok(status) if (100..600).contains(&status) => Ok((status, reason)),
                    _ => Err(self.source.error(
                        span.clone(),
                        format!("`skip_on`: `{status}` is not a status"),
                        Some("allowed: \"100\" to \"599\"".into()),
                    )),
                });
            Action::Request {
                request,
                expect,
                extract: raw.extract.into_iter().collect(),
                skip_on: skip_on.collect::<Compiled<_>>()?,
            }
        } else if let Some(awaits) = raw.awaits {
            defined.extend(awaits.extract.keys().cloned());
            let awaits = self.awaits(awaits, &name, names, &span)?;
            used.extend(
                std::iter::once(&awaits.key)
                    .chain(awaits.conditions.iter().map(|(_, t)| t))
                    .flat_map(Template::variables)
                    .map(str::to_owned),
            );
            Action::Await(awaits)
        } else if let Some(recall) = raw.recall {
            self.check([&recall.key], &span)?;
            used.extend(recall.key.variables().map(str::to_owned));
            defined.push(recall.variable.clone());
            Action::Recall {
                key: recall.key,
                variable: recall.variable,
                otherwise: recall.otherwise,
            }
        } else if let Some(promise) = raw.promise {
            self.check([&promise.key], &span)?;
            used.extend(promise.key.variables().map(str::to_owned));
            Action::Promise(promise.key)
        } else if let Some(RememberFile { key, value }) = raw.remember {
            Action::Remember(self.memory(key, value, used, &span)?)
        } else if let Some(forget) = raw.forget {
            Action::Forget {
                memory: self.memory(forget.key, forget.value, used, &span)?,
                otherwise: forget.otherwise,
            }
        } else {
            match raw.think {
                Some(ThinkFile::Rendered(template)) => {
                    self.check([&template], &span)?;
                    used.extend(template.variables().map(str::to_owned));
                    Action::ThinkFor(template)
                }
                Some(ThinkFile::Fixed(range)) => Action::Think(range),
                None => Action::Think(ThinkTime {
                    from: Duration::ZERO,
                    to: Duration::ZERO,
                }),
            }
        };
        self.known.extend(defined);
        names.push(name.clone());
        // Only requests are recorded as steps; an awaited state has its own figures.
        let id = match action {
            Action::Request { .. } => position(&mut self.step_names, &name),
            _ => usize::MAX,
        };
        Ok(Step { id, name, action })
    }

    fn memory(
        &self,
        key: Template,
        value: Template,
        used: &mut HashSet<String>,
        span: &Range<usize>,
    ) -> Compiled<Memory> {
        self.check([&key, &value], span)?;
        let variables = key.variables().chain(value.variables());
        used.extend(variables.map(str::to_owned));
        Ok(Memory { key, value })
    }

    pub(super) fn awaits(
        &mut self,
        raw: AwaitFile,
        step: &str,
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
                    "an await needs to know whose events",
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
            id: position(&mut self.await_names, raw.name.as_deref().unwrap_or(step)),
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
