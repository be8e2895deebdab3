//! From the file's types to a checked scenario: what fits together, which names exist, which defaults apply.

mod journey;
mod preparation;
mod recorded;
mod workload;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::diagnostic::{ScenarioError, SourceText, nearest};
use super::expression::Vars;
use super::file::*;
use super::template::Template;
use super::*;
use crate::duration::HumanDuration;

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
        let poisson = raw.workload.get_ref().arrivals == Some(ArrivalsKind::Poisson);
        let traceparent = raw.workload.get_ref().traceparent.unwrap_or(true);
        let workload = self.workload(&raw.workload)?;
        let trace = self.trace(&workload, &raw.workload.span(), raw.trace, &raw.journeys)?;
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
        let mut scenario = Scenario {
            name: raw.name,
            description: raw.description,
            parameters,
            audit: false,
            workload,
            warm_up,
            poisson,
            traceparent,
            limits: limits(&raw.limits),
            setup,
            feeders,
            journeys,
            thresholds: raw.thresholds,
            step_names: self.step_names,
            await_names: self.await_names,
            trace,
        };
        // Who only reads can have broken nothing.
        scenario.audit = raw.audit.unwrap_or_else(|| scenario.writes());
        check_thresholds(&scenario, &self.source)?;
        Ok(scenario)
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
    let or = |given: Option<HumanDuration>, default_ms: u64| {
        given.map_or(Duration::from_millis(default_ms), |d| d.0)
    };
    Limits {
        in_flight_max: raw.in_flight_max.unwrap_or(4_096).clamp(1, 1_000_000),
        connections_max: raw.connections_max.unwrap_or(1_024).clamp(1, 60_000),
        request_timeout: or(raw.request_timeout, 10_000),
        drain_timeout: or(raw.drain_timeout, 30_000),
        backlog_timeout: or(raw.backlog_timeout, 10_000),
        slip_p99_max: or(raw.slip_p99_max, 50),
        cpu_pct_max: raw.cpu_pct_max.unwrap_or(90.0),
        loop_stall_p99_max: or(raw.loop_stall_p99_max, 100),
        clock_jump_max: or(raw.clock_jump_max, 500),
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
