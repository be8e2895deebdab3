//! Set-up: creates what the workload needs, by the target's own interface. Requests are sent one by one; the first failure
//! ends the run, because figures after half a set-up would mislead. Tear-down works the same way, but continues after failures.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::Value;

use super::clients::{Clients, Targets};
use super::context::Context;
use super::notes::Notes;
use super::request::{self, Carried, StepError};
use crate::feed::Feed;
use crate::feed::sightings::EventMatch;
use crate::http_client::{Customer, Following, HttpClient, Manner};
use loadgen_scenario::answer::Extract;
use loadgen_scenario::as_written;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::share::Share;
use loadgen_scenario::template::Template;
use loadgen_scenario::{Await, Limits, Scenario, SetupStep};

/// The most iterations of one step, so that a typo can't ask for more.
const ITERATIONS_MAX: u64 = 10_000_000;

/// What a failed request means for the ones after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They are not sent.
    AtOnce,
    /// They are sent anyway; the failures are returned together.
    AtTheEnd,
}

/// Carries out the steps of set-up or of tear-down, all as one customer.
pub struct StepRunner<'a> {
    scenario: &'a Scenario,
    clients: Clients,
    customer: Customer,
    rng: SmallRng,
    feed: Option<Feed>,
    notes: Option<&'a Notes>,
    on_failure: OnFailure,
}

/// The requests of one step.
struct StepRequests<'a> {
    step: &'a SetupStep,
    scenario: &'a Scenario,
    http: &'a HttpClient,
    customer: &'a Customer,
    rng: &'a mut SmallRng,
    notes: Option<&'a Notes>,
    /// The variables that are taken out of each answer.
    extract: Vec<Extract>,
}

impl<'a> StepRunner<'a> {
    /// Nothing has been sent yet.
    pub fn new(
        scenario: &'a Scenario,
        targets: Targets,
        seed: u64,
        feed: Option<Feed>,
        notes: Option<&'a Notes>,
        on_failure: OnFailure,
    ) -> Self {
        Self {
            scenario,
            clients: Clients::new(targets, scenario, Share::WHOLE),
            customer: Customer::new(scenario.http.cookies),
            rng: SmallRng::seed_from_u64(seed),
            feed,
            notes,
            on_failure,
        }
    }

    /// Carries one step out and puts its list and variables into `globals`.
    pub async fn run(&mut self, step: &SetupStep, globals: &mut Vars) -> Result<(), String> {
        let rng = &mut self.rng;
        if let Some(condition) = &step.condition {
            let holds = condition.holds(&mut Context::scope(&[globals], rng));
            if !holds.map_err(|e| e.to_string())? {
                return Ok(());
            }
        }
        let iterations = iterations(step, globals, rng)?;
        let single = step.repeat.is_none() && step.for_each.is_none();
        let ids = (step.item.is_some() && step.list.is_some())
            .then(|| Extract::pointer("ids", &step.ids));
        let mut requests = StepRequests {
            step,
            scenario: self.scenario,
            http: self.clients.of(step.request.target),
            customer: &self.customer,
            rng,
            notes: self.notes.filter(|_| step.request.target.is_none()),
            extract: step.extract.iter().cloned().chain(ids).collect(),
        };
        let mut list = Vec::new();
        let mut last = Vars::new();
        match &step.item {
            Some(item) => {
                for chunk in iterations.chunks(step.chunk) {
                    last = requests.chunk(item, chunk, globals, &mut list).await?;
                }
            }
            None => {
                let (mut failures, mut first) = (0_u64, None);
                for vars in &iterations {
                    match requests.exchange(None, &[vars, globals]).await {
                        Ok(extracted) => {
                            last = extracted;
                            list.push(Value::Object(last.clone()));
                        }
                        Err(problem) if self.on_failure == OnFailure::AtOnce => {
                            return Err(problem);
                        }
                        Err(problem) => {
                            failures += 1;
                            first.get_or_insert(problem);
                        }
                    }
                }
                if let Some(first) = first {
                    let all = iterations.len();
                    return Err(format!(
                        "{failures} of {all} requests failed; the first: {first}"
                    ));
                }
            }
        }
        if let Some(name) = &step.list {
            globals.insert(name.clone(), list.into());
        }
        if let (Some(awaits), Some(feed)) = (&step.awaits, &self.feed) {
            let limits = &self.scenario.limits;
            wait(awaits, feed, limits, &[&last, globals], requests.rng).await?;
        }
        if single {
            globals.extend(last);
        }
        Ok(())
    }
}

fn iterations(step: &SetupStep, globals: &Vars, rng: &mut SmallRng) -> Result<Vec<Vars>, String> {
    let elements: Vec<Value> = match (&step.for_each, &step.repeat) {
        (Some(list), _) => globals
            .get(list)
            .and_then(Value::as_array)
            .cloned()
            .ok_or_else(|| format!("`{list}` is not a list"))?,
        (None, Some(count)) => {
            let text = count
                .render(&mut Context::scope(&[globals], rng))
                .map_err(|e| e.to_string())?;
            let count: u64 = text
                .parse()
                .map_err(|_| format!("repeat: `{text}` is not a whole number"))?;
            if count > ITERATIONS_MAX {
                return Err(format!(
                    "repeat: {count} exceeds the limit of {ITERATIONS_MAX}"
                ));
            }
            vec![Value::Null; count as usize]
        }
        (None, None) => vec![Value::Null],
    };
    let vars = |(index, it): (usize, Value)| {
        Vars::from_iter([
            ("index".to_owned(), Value::from(index)),
            ("it".to_owned(), it),
        ])
    };
    Ok(elements.into_iter().enumerate().map(vars).collect())
}

impl StepRequests<'_> {
    fn render(&mut self, template: &Template, layers: &[&Vars]) -> Result<String, String> {
        template
            .render(&mut Context::scope(layers, self.rng))
            .map_err(|e| e.to_string())
    }

    /// Sends the request; `body` stands in the place of its own.
    async fn exchange(&mut self, body: Option<String>, layers: &[&Vars]) -> Result<Vars, String> {
        let text = |error: StepError| format!("{}: {}", error.kind, error.example);
        let rendered = request::render(
            &self.step.request,
            body,
            &mut Context::scope(layers, self.rng),
            Carried {
                key: self.scenario.idempotency_keys(),
                ..Carried::default()
            },
            &self.scenario.secrets,
        )
        .map_err(|e| e.to_string())?;
        let turn = self.http.turn().await;
        let since = turn.since;
        let expected = &self.step.expect.status;
        let manner = Manner {
            customer: self.customer,
            following: Following {
                redirects_max: self.scenario.http.redirects,
                is_answer: &|status| expected.contains(&status),
            },
        };
        let reply = rendered
            .send(self.http, turn, &manner, self.notes, &mut Vec::new())
            .await
            .map_err(text)?;
        request::examine(
            &reply,
            reply.completed.saturating_duration_since(since),
            &self.step.expect,
            &self.extract,
            &mut Context::scope(layers, self.rng),
        )
        .map_err(|error| {
            let error = text(rendered.hide_secrets(error));
            format!("{}: {error}", rendered.hidden(rendered.what()))
        })
    }

    /// Sends items as one array; each item gets its id from the answer.
    async fn chunk(
        &mut self,
        item: &Template,
        chunk: &[Vars],
        globals: &Vars,
        list: &mut Vec<Value>,
    ) -> Result<Vars, String> {
        let items = chunk
            .iter()
            .map(|vars| self.render(item, &[vars, globals]))
            .collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .exchange(Some(format!("[{}]", items.join(","))), &[globals])
            .await?;
        if self.step.list.is_some() {
            let ids = answer
                .get("ids")
                .and_then(Value::as_array)
                .filter(|ids| ids.len() == items.len());
            let ids = ids.ok_or_else(|| {
                format!("the answer needs {} ids at {}", items.len(), self.step.ids)
            })?;
            for (text, id) in items.iter().zip(ids) {
                let mut entity: Vars = as_written::parse(text)
                    .map_err(|e| format!("an item is not a JSON object: {e}"))?;
                entity.insert("entity_id".into(), id.clone());
                list.push(entity.into());
            }
        }
        Ok(answer)
    }
}

async fn wait(
    awaits: &Await,
    feed: &Feed,
    limits: &Limits,
    layers: &[&Vars],
    rng: &mut SmallRng,
) -> Result<(), String> {
    let mut scope = Context::scope(layers, rng);
    let key = awaits.key.render(&mut scope).map_err(|e| e.to_string())?;
    let mut fields = Vec::new();
    for (pointer, expected) in &awaits.conditions {
        let expected = expected.render(&mut scope).map_err(|e| e.to_string())?;
        fields.push((
            pointer.clone(),
            as_written::parse(&expected).map_err(|e| e.to_string())?,
        ));
    }
    let condition = EventMatch {
        action: awaits.action.clone(),
        fields,
    };
    let timeout = awaits.timeout.unwrap_or(limits.request_timeout);
    let seen = feed
        .wait(&awaits.topic, &awaits.key_source, &key, condition, timeout)
        .await;
    feed.release(&awaits.topic, &awaits.key_source, &key);
    seen.map(drop)
        .map_err(|_| format!("{} {key} was not seen within {timeout:?}", awaits.topic))
}
