//! From the file's types to a checked scenario: what fits together, which names exist, which defaults apply.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::diagnostic::{ScenarioError, SourceText, nearest};
use super::file::*;
use super::template::{Template, Vars};
use super::*;

/// What the command line changes in a scenario.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Journeys a second; stages are scaled so that their highest rate is this one.
    pub rate: Option<f64>,
    /// The workload's length; stages are stretched.
    pub duration: Option<Duration>,
    /// Users of a closed workload.
    pub users: Option<usize>,
    /// Parameters by name; the text is read as JSON where it is JSON.
    pub parameters: Vec<(String, String)>,
}

impl Scenario {
    /// Applies the command line's changes. The error is for the person who typed them.
    pub fn apply(&mut self, overrides: &Overrides) -> Result<(), String> {
        match &mut self.workload {
            Workload::Open { stages } => {
                if let Some(rate) = overrides.rate {
                    let highest = stages.iter().map(|s| s.from.max(s.to)).fold(0.0, f64::max);
                    stages.iter_mut().for_each(|s| {
                        (s.from, s.to) = (s.from * rate / highest, s.to * rate / highest)
                    });
                }
                if let Some(duration) = overrides.duration {
                    let total: Duration = stages.iter().map(|s| s.duration).sum();
                    let factor = duration.as_secs_f64() / total.as_secs_f64();
                    stages
                        .iter_mut()
                        .for_each(|s| s.duration = s.duration.mul_f64(factor));
                }
            }
            Workload::Closed {
                users, duration, ..
            } => {
                if overrides.rate.is_some() {
                    return Err("--rate: this scenario has a closed workload; its users set the rate (use --users)".into());
                }
                *duration = overrides.duration.unwrap_or(*duration);
                *users = overrides.users.unwrap_or(*users);
            }
            Workload::Trace if overrides.rate.is_some() || overrides.duration.is_some() => {
                return Err(
                    "--rate and --duration: a recorded trace sets both (use --speed)".into(),
                );
            }
            Workload::Trace => {}
        }
        if overrides.users.is_some() && !matches!(self.workload, Workload::Closed { .. }) {
            return Err("--users: this scenario has no closed workload".into());
        }
        for (name, text) in &overrides.parameters {
            let Some(parameter) = self.parameters.get_mut(name) else {
                let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
                return Err(format!(
                    "--set {name}: no such parameter; allowed: {}",
                    known.join(", ")
                ));
            };
            *parameter = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        }
        Ok(())
    }
}

/// Reads a scenario's text; `file` is its name in errors, and where relative data files are looked up from.
pub fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let source = SourceText { file, text };
    let raw: ScenarioFile = toml::from_str(text).map_err(|e| source.toml_error(&e))?;
    Compiler {
        source,
        known: HashSet::new(),
        step_names: Vec::new(),
        await_names: Vec::new(),
    }
    .scenario(raw)
}

struct Compiler<'a> {
    source: SourceText<'a>,
    /// Variables that the templates at hand may read.
    known: HashSet<String>,
    step_names: Vec<String>,
    await_names: Vec<String>,
}

type Compiled<T> = Result<T, ScenarioError>;

fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|n| n == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

impl Compiler<'_> {
    fn scenario(mut self, raw: ScenarioFile) -> Compiled<Scenario> {
        let parameters = match serde_json::to_value(&raw.parameters) {
            Ok(Value::Object(parameters)) => parameters,
            _ => Vars::new(),
        };
        self.known.extend(parameters.keys().cloned());
        let warm_up = raw
            .workload
            .get_ref()
            .warm_up
            .map_or(Duration::ZERO, |d| d.0);
        let workload = self.workload(&raw.workload)?;
        let setup = raw
            .setup
            .into_iter()
            .map(|s| self.setup_step(s))
            .collect::<Compiled<Vec<_>>>()?;
        let feeders = raw
            .feeders
            .into_iter()
            .map(|f| self.feeder(f))
            .collect::<Compiled<Vec<_>>>()?;
        if raw.journeys.is_empty() {
            return Err(self.source.error(
                0..0,
                "no journeys",
                Some("at least one [[journeys]] is needed".into()),
            ));
        }
        let journeys = raw
            .journeys
            .into_iter()
            .map(|j| self.journey(j, &feeders))
            .collect::<Compiled<Vec<_>>>()?;
        let scenario = Scenario {
            name: raw.name,
            description: raw.description,
            parameters,
            workload,
            warm_up,
            limits: limits(&raw.limits),
            setup,
            feeders,
            journeys,
            thresholds: raw.thresholds,
            step_names: self.step_names,
            await_names: self.await_names,
            trace: raw.trace,
        };
        check_thresholds(&scenario, &self.source)?;
        Ok(scenario)
    }

    fn workload(&self, raw: &Spanned<WorkloadFile>) -> Compiled<Workload> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let wrong = |problem: &str, help: &str| {
            Err(self
                .source
                .error(span.clone(), problem, Some(help.to_owned())))
        };
        match raw.kind {
            WorkloadKind::Open => {
                if raw.users.is_some() || raw.think_time.is_some() {
                    return wrong(
                        "an open workload has no users",
                        "allowed: rate and duration, or stages; or kind = \"closed\"",
                    );
                }
                let stages = match (raw.rate, raw.duration, &raw.stages) {
                    (Some(rate), Some(duration), None) => vec![Stage {
                        duration: duration.0,
                        from: rate,
                        to: rate,
                    }],
                    (None, None, Some(stages)) => stages
                        .iter()
                        .map(|s| self.stage(s, &span))
                        .collect::<Compiled<Vec<_>>>()?,
                    _ => {
                        return wrong(
                            "an open workload needs its arrivals",
                            "allowed: `rate` and `duration`, or `stages = [{ duration, rate }, { duration, from, to }]`",
                        );
                    }
                };
                let legal = |rate: f64| (0.0..=1e7).contains(&rate);
                if !stages.iter().all(|s| legal(s.from) && legal(s.to))
                    || stages.iter().all(|s| s.from + s.to == 0.0)
                {
                    return wrong(
                        "a rate is out of range",
                        "allowed: 0 to 10000000 journeys a second, not all of them 0",
                    );
                }
                if stages
                    .iter()
                    .map(|s| s.duration)
                    .sum::<Duration>()
                    .is_zero()
                {
                    return wrong("the workload has no duration", "allowed: longer than 0 s");
                }
                Ok(Workload::Open { stages })
            }
            WorkloadKind::Closed => match (raw.users, raw.duration, raw.rate, &raw.stages) {
                (Some(users @ 1..=100_000), Some(duration), None, None)
                    if !duration.0.is_zero() =>
                {
                    let think_time = raw.think_time.unwrap_or(ThinkTime {
                        from: Duration::ZERO,
                        to: Duration::ZERO,
                    });
                    Ok(Workload::Closed {
                        users,
                        think_time,
                        duration: duration.0,
                    })
                }
                _ => wrong(
                    "a closed workload needs its users",
                    "allowed: `users` (1 to 100000), `duration`, and optionally `think_time`; no rate, no stages",
                ),
            },
            WorkloadKind::Trace => Ok(Workload::Trace),
        }
    }

    fn stage(&self, raw: &StageFile, span: &Range<usize>) -> Compiled<Stage> {
        let duration = raw.duration.0;
        match (raw.rate, raw.from, raw.to) {
            (Some(rate), None, None) => Ok(Stage {
                duration,
                from: rate,
                to: rate,
            }),
            (None, Some(from), Some(to)) => Ok(Stage { duration, from, to }),
            _ => Err(self.source.error(
                span.clone(),
                "a stage needs its rate",
                Some("allowed: `rate`, or `from` and `to` for a ramp".into()),
            )),
        }
    }

    /// Every variable that the templates read must be known here.
    fn check<'t>(
        &self,
        templates: impl IntoIterator<Item = &'t Template>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        for name in templates.into_iter().flat_map(Template::variables) {
            if !self.known.contains(name) {
                let place = self.source.find(&format!("{{{{{name}"), span.clone());
                let near = nearest(name, self.known.iter().map(String::as_str));
                let mut known: Vec<&str> = self.known.iter().map(String::as_str).collect();
                known.sort_unstable();
                let did = near
                    .map(|n| format!("did you mean `{n}`? "))
                    .unwrap_or_default();
                let help = format!(
                    "{did}known here: {}, uuid, now, random:FROM:TO",
                    known.join(", ")
                );
                return Err(self.source.error(
                    place,
                    format!("unknown variable `{name}`"),
                    Some(help),
                ));
            }
        }
        Ok(())
    }

    fn setup_step(&mut self, raw: Spanned<SetupFile>) -> Compiled<SetupStep> {
        let span = raw.span();
        let raw = raw.into_inner();
        let wrong = |c: &Self, problem: &str, help: String| {
            Err(c.source.error(span.clone(), problem.to_owned(), Some(help)))
        };
        if raw.repeat.is_some() && raw.for_each.is_some() {
            return wrong(
                self,
                "both `repeat` and `for_each`",
                "allowed: one of them".into(),
            );
        }
        if let Some(list) = raw
            .for_each
            .as_ref()
            .filter(|list| !self.known.contains(*list))
        {
            return wrong(
                self,
                &format!("`for_each`: unknown list `{list}`"),
                "allowed: a `list` of an earlier set-up step".into(),
            );
        }
        if raw.chunk == Some(0) || raw.chunk.is_some_and(|n| n > 100_000) {
            return wrong(
                self,
                "`chunk` is out of range",
                "allowed: 1 to 100000 items a request".into(),
            );
        }
        let outer = self.known.clone();
        self.known.extend(["index".to_owned(), "it".to_owned()]);
        let item = raw.item.map(|i| i.0);
        self.check(raw.repeat.iter().map(|c| &c.0).chain(&item), &span)?;
        let request = self.request(raw.request, &span)?;
        let expect = self.expect(raw.expect, &span)?;
        self.pointers(raw.extract.values(), &span)?;
        self.known.extend(raw.extract.keys().cloned());
        self.known.extend(raw.list.clone());
        let awaits = raw
            .awaits
            .map(|a| self.awaits(a, &raw.name, &[], &span))
            .transpose()?;
        // What a single request extracts stays; an iteration's variables do not.
        self.known = outer;
        self.known.extend(raw.list.clone());
        if raw.repeat.is_none() && raw.for_each.is_none() {
            self.known.extend(raw.extract.keys().cloned());
        }
        Ok(SetupStep {
            name: raw.name,
            repeat: raw.repeat.map(|c| c.0),
            for_each: raw.for_each,
            chunk: raw.chunk.unwrap_or(100),
            item,
            list: raw.list,
            ids: raw.ids.unwrap_or_else(|| "/result".into()),
            request,
            expect,
            extract: raw.extract.into_iter().collect(),
            awaits,
        })
    }

    fn feeder(&mut self, raw: Spanned<FeederFile>) -> Compiled<Feeder> {
        let span = raw.span();
        let raw = raw.into_inner();
        let fail = |problem: String, help: &str| {
            self.source
                .error(span.clone(), problem, Some(help.to_owned()))
        };
        let beside = |path: &Path| {
            Path::new(self.source.file)
                .parent()
                .unwrap_or(Path::new(""))
                .join(path)
        };
        let source = match (raw.list, raw.items, raw.csv, raw.jsonl) {
            (Some(list), None, None, None) if self.known.contains(&list) => {
                FeederSource::List(list)
            }
            (Some(list), None, None, None) => {
                return Err(fail(
                    format!("feeder `{}`: unknown list `{list}`", raw.name),
                    "allowed: a `list` of a [[setup]] step",
                ));
            }
            (None, Some(items), None, None) => FeederSource::Values(
                items
                    .iter()
                    .map(|i| serde_json::to_value(i).unwrap_or(Value::Null))
                    .collect(),
            ),
            (None, None, Some(path), None) => FeederSource::Values(
                crate::feeder::read_csv(&beside(&path))
                    .map_err(|e| fail(e, "a CSV file with a header line"))?,
            ),
            (None, None, None, Some(path)) => FeederSource::Values(
                crate::feeder::read_json_lines(&beside(&path))
                    .map_err(|e| fail(e, "one JSON value a line"))?,
            ),
            _ => {
                return Err(fail(
                    format!("feeder `{}` needs one source", raw.name),
                    "allowed: one of `list`, `items`, `csv`, `jsonl`",
                ));
            }
        };
        if matches!(&source, FeederSource::Values(values) if values.is_empty()) {
            return Err(fail(
                format!("feeder `{}` has no values", raw.name),
                "at least one value is needed",
            ));
        }
        let exponent = raw.exponent.unwrap_or(1.0);
        if !(0.0..=10.0).contains(&exponent)
            || raw
                .count
                .is_some_and(|[from, to]| from > to || to == 0 || to > 100_000)
        {
            return Err(fail(
                format!("feeder `{}`: out of range", raw.name),
                "allowed: exponent 0 to 10, count = [from, to] up to 100000",
            ));
        }
        self.known.insert(raw.name.clone());
        Ok(Feeder {
            name: raw.name,
            source,
            pick: raw.pick,
            exponent,
            count: raw.count,
        })
    }

    fn journey(&mut self, raw: Spanned<JourneyFile>, feeders: &[Feeder]) -> Compiled<Journey> {
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

    fn step(
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
            raw.remember.is_some(),
            raw.forget.is_some(),
            raw.recall.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            let help = "allowed: exactly one of `request`, `await`, `think`, `remember`, `forget`, `recall`";
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
        } else if let Some((memory, wrap)) = raw
            .remember
            .map(|m| (m, Action::Remember as fn(_) -> _))
            .or_else(|| raw.forget.map(|m| (m, Action::Forget as fn(_) -> _)))
        {
            self.check([&memory.key, &memory.value], &span)?;
            used.extend(
                memory
                    .key
                    .variables()
                    .chain(memory.value.variables())
                    .map(str::to_owned),
            );
            wrap(Memory {
                key: memory.key,
                value: memory.value,
            })
        } else {
            Action::Think(raw.think.unwrap_or(ThinkTime {
                from: Duration::ZERO,
                to: Duration::ZERO,
            }))
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

    fn request(&self, raw: RequestFile, span: &Range<usize>) -> Compiled<RequestTemplate> {
        let request = RequestTemplate {
            method: raw.method,
            path: raw.path,
            body: raw.body.map(|b| b.0),
            headers: raw.headers.into_iter().collect(),
        };
        self.check(request.templates(), span)?;
        Ok(request)
    }

    fn expect(&self, raw: ExpectFile, span: &Range<usize>) -> Compiled<Expect> {
        self.pointers(raw.equal.keys().chain(&raw.exist).chain(&raw.absent), span)?;
        let equal: Vec<(String, Template)> = raw
            .equal
            .into_iter()
            .map(|(pointer, t)| (pointer, t.0))
            .collect();
        self.check(equal.iter().map(|(_, t)| t), span)?;
        Ok(Expect {
            status: raw.status.unwrap_or_default().0,
            equal,
            exist: raw.exist,
            absent: raw.absent,
        })
    }

    fn awaits(
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

    fn pointers<'p>(
        &self,
        pointers: impl IntoIterator<Item = &'p String>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        match pointers
            .into_iter()
            .find(|p| !p.is_empty() && !p.starts_with('/'))
        {
            None => Ok(()),
            Some(wrong) => {
                let place = self.source.find(wrong, span.clone());
                Err(self.source.error(
                    place,
                    format!("`{wrong}` is not a JSON pointer"),
                    Some("allowed: a path that starts with `/`, as in `/result/0`".into()),
                ))
            }
        }
    }
}

impl RequestTemplate {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.path)
            .chain(&self.body)
            .chain(self.headers.iter().map(|(_, t)| t))
    }
}

impl Method {
    /// As it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

fn limits(raw: &LimitsFile) -> Limits {
    let or = |given: Option<duration::HumanDuration>, default_ms: u64| {
        given.map_or(Duration::from_millis(default_ms), |d| d.0)
    };
    Limits {
        in_flight_max: raw.in_flight_max.unwrap_or(4_096).clamp(1, 1_000_000),
        request_timeout: or(raw.request_timeout, 10_000),
        drain_timeout: or(raw.drain_timeout, 30_000),
        backlog_timeout: or(raw.backlog_timeout, 10_000),
        slip_p99_max: or(raw.slip_p99_max, 50),
        cpu_pct_max: raw.cpu_pct_max.unwrap_or(90.0),
        dropped_pct_max: raw.dropped_pct_max.unwrap_or(1.0),
        response_bytes_max: raw.response_bytes_max.unwrap_or(64 << 20),
    }
}

fn check_thresholds(scenario: &Scenario, source: &SourceText<'_>) -> Compiled<()> {
    use threshold::{Family, Metric};
    for threshold in &scenario.thresholds {
        let Metric::Distribution {
            family,
            of: Some(of),
            ..
        } = &threshold.metric
        else {
            continue;
        };
        let names = match family {
            Family::ResponseTime | Family::ServiceTime => &scenario.step_names,
            Family::EndToEnd => &scenario.await_names,
            Family::EventLag | Family::ScheduleSlip => continue,
        };
        if !names.contains(of) {
            let place = source.find(&threshold.text, 0..0);
            return Err(source.error(
                place,
                format!("threshold on unknown `{of}`"),
                Some(format!("allowed: {}", names.join(", "))),
            ));
        }
    }
    Ok(())
}
