//! One request of a journey: renders and sends it, checks its answer and extracts variables.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use serde_json::Value;

use super::context::Context;
use super::notes::Notes;
pub use super::step_error::StepError;
use super::{answer, body, json_answer};
use crate::feed::event_data::EventData;
use crate::http_client::{Hop, HttpClient, HttpError, Manner, Reply, Request, TraceContext, Turn};
use loadgen_scenario::answer::{Extract, Place};
use loadgen_scenario::as_written::{self, AsWritten};
use loadgen_scenario::equality::equal;
use loadgen_scenario::expression::{EvaluationError, Scope, Vars};
use loadgen_scenario::secrets::{Hidden, Secrets};
use loadgen_scenario::{Expect, Method, RequestTemplate};

/// Pause before a request is repeated, unless the answer's `Retry-After` asks for a longer one.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A longer method and path are cut in errors, so that what is wrong stays in view.
const SHOWN_CHARS_MAX: usize = 150;

/// What all requests of a run carry.
#[derive(Debug, Default)]
pub struct Carried {
    /// The journey's trace, and whether this request's times are recorded.
    pub trace: Option<(u128, bool)>,
    /// Whether a POST carries an `Idempotency-Key`.
    pub key: bool,
    /// The state that it must find at least: positions by partition.
    pub at_least: Option<String>,
}

/// The header with which a shop of several gateways is told what another of them has shown.
const AT_LEAST: &str = "x-at-least";

/// A request ready to be sent.
pub struct Rendered<'a> {
    request: Request<'a>,
    /// What is shown nowhere of the environment.
    secrets: &'a Secrets,
    /// How long it is repeated while the target may answer otherwise.
    retry: Duration,
    /// Whether the header `Authorization` comes from `auth`.
    has_auth: bool,
    /// Whether the header `Idempotency-Key` is the scenario's.
    has_own_key: bool,
}

/// Renders a request's templates; constant parts are borrowed. `body` stands in the place of the request's own.
pub fn render<'a>(
    request: &'a RequestTemplate,
    body: Option<String>,
    scope: &mut Scope<'_>,
    carried: Carried,
    secrets: &'a Secrets,
) -> Result<Rendered<'a>, EvaluationError> {
    let trace = carried.trace.map(|(trace, sampled)| TraceContext {
        trace,
        span: scope.rng.random(),
        sampled,
    });
    let (mut bytes, mut content_type) = (body.map(|text| Cow::Owned(text.into_bytes())), None);
    if let (None, Some(own)) = (&bytes, &request.body) {
        let rendered = body::render(own, scope)?;
        (bytes, content_type) = (Some(rendered.bytes), rendered.content_type);
    }
    let has_own = |header: &str| {
        let mut names = request.headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(header))
    };
    let has_own_key = has_own("idempotency-key");
    let keyed = carried.key && request.method == Method::Post && !has_own_key;
    let at_least = carried.at_least.filter(|_| !has_own(AT_LEAST));
    let further = [
        keyed,
        content_type.is_some(),
        request.auth.is_some(),
        at_least.is_some(),
    ];
    let further = further.map(usize::from);
    let further: usize = further.iter().sum();
    let mut headers = Vec::with_capacity(request.headers.len() + further);
    if request.headers_read_body {
        let readable = Vars::from_iter([("request".to_owned(), readable(bytes.as_deref())?)]);
        let layers: Vec<&Vars> = [&readable]
            .into_iter()
            .chain(scope.layers.iter().copied())
            .collect();
        let mut scope = Context::scope(&layers, scope.rng);
        render_headers(request, &mut scope, &mut headers)?;
    } else {
        render_headers(request, scope, &mut headers)?;
    }
    headers.extend(content_type.map(|value| ("content-type", value)));
    if let Some(auth) = &request.auth {
        headers.push(("authorization", body::authorization(auth, scope)?));
    }
    headers.extend(at_least.map(|positions| (AT_LEAST, positions)));
    if keyed {
        // Not from the run's seed: another run with the same seed is another client.
        let key: u128 = rand::random();
        headers.push(("idempotency-key", format!("{key:032x}")));
    }
    let path = match request.path.as_literal() {
        Some(path) => path.into(),
        None => request.path.render(scope)?.into(),
    };
    Ok(Rendered {
        request: Request {
            method: request.method.as_str(),
            path,
            trace,
            headers,
            body: bytes,
            keeps_headers: request.keeps_headers,
        },
        secrets,
        retry: request.retry.unwrap_or_default(),
        has_auth: request.auth.is_some(),
        has_own_key,
    })
}

fn render_headers<'a>(
    request: &'a RequestTemplate,
    scope: &mut Scope<'_>,
    headers: &mut Vec<(&'a str, String)>,
) -> Result<(), EvaluationError> {
    for (name, value) in &request.headers {
        headers.push((name.as_str(), value.render(scope)?));
    }
    Ok(())
}

/// The variable by which headers read the body.
fn readable(body: Option<&[u8]>) -> Result<Value, EvaluationError> {
    let text = std::str::from_utf8(body.unwrap_or_default());
    let text =
        text.map_err(|_| EvaluationError::new("{{request.body}}", "the body is not UTF-8 text"))?;
    Ok(Value::Object(Vars::from_iter([(
        "body".to_owned(),
        text.into(),
    )])))
}

impl Rendered<'_> {
    /// The error without secrets: a target may repeat them in its answer.
    pub fn hide_secrets(&self, mut error: StepError) -> StepError {
        error.example = self.hidden(error.example);
        error
    }

    /// The text without the values of the environment and the request's credentials.
    pub fn hidden(&self, text: String) -> String {
        let text = self.secrets.hide(text);
        let authorization = self.request.header("authorization");
        let authorization = authorization.filter(|_| self.has_auth);
        let Some((_, credentials)) = authorization.and_then(|value| value.split_once(' ')) else {
            return text;
        };
        let mut hidden = Hidden::default();
        hidden.add(credentials);
        let basic = STANDARD.decode(credentials).ok();
        let basic = basic.and_then(|basic| String::from_utf8(basic).ok());
        if let Some((_, password)) = basic.as_deref().and_then(|basic| basic.split_once(':')) {
            hidden.add(password);
        }
        hidden.hide(text)
    }

    /// Its method and path.
    pub fn what(&self) -> String {
        format!("{} {}", self.request.method, self.request.path)
    }

    /// The span id that it carries.
    pub fn span(&self) -> Option<u64> {
        self.request.trace.map(|context| context.span)
    }

    /// Sends the request, and again while that is wanted and the target may answer otherwise. Notes what it writes or reads, if that is wanted.
    /// `hops` gets the redirects of the last attempt.
    pub async fn send(
        &self,
        http: &HttpClient,
        turn: Turn<'_>,
        manner: &Manner<'_>,
        notes: Option<&Notes>,
        hops: &mut Vec<Hop>,
    ) -> Result<Reply, StepError> {
        let request = &self.request;
        let noted = notes.and_then(|notes| Some((notes, notes.sent(request, self.has_own_key)?)));
        let last_begin = turn.since + self.retry;
        let mut outcome = turn.follow(request, manner, hops).await;
        let mut repeated = false;
        while let Some(pause) = pause_before_repeat(&outcome)
            && let Some(begin) = Instant::now().checked_add(pause)
            && begin < last_begin
        {
            tokio::time::sleep_until(begin.into()).await;
            repeated = true;
            hops.clear();
            outcome = http.turn().await.follow(request, manner, hops).await;
        }
        if let Some((notes, noted)) = noted {
            notes.ended(noted, &outcome, repeated);
        }
        outcome.map_err(|e| self.told(StepError::new(e.to_string(), e.detail()), hops))
    }

    /// The error with the request that it is of: what of a path is rendered from data may be why.
    pub fn told(&self, mut error: StepError, hops: &[Hop]) -> StepError {
        let hop = hops
            .last()
            .map(|hop| format!(" (then, by status {}, {})", hop.status, hop.to));
        // Hidden before it is cut, as half a secret is not found.
        let (mut what, hop) = (self.hidden(self.what()), hop.unwrap_or_default());
        if let Some((cut, _)) = what.char_indices().nth(SHOWN_CHARS_MAX) {
            what.truncate(cut);
            what.push('…');
        }
        error.example = format!("{what}{hop}: {}", error.example);
        self.hide_secrets(error)
    }
}

/// How long to wait until the target may answer otherwise; `None` if it won't.
fn pause_before_repeat(outcome: &Result<Reply, HttpError>) -> Option<Duration> {
    match outcome {
        Ok(reply) if matches!(reply.status, 429 | 503 | 504) => {
            let asked = reply.headers.as_ref().and_then(|h| h.retry_after);
            // An answer that asks for none would be answered as fast as the machine can ask.
            Some(asked.unwrap_or_default().max(RETRY_PAUSE))
        }
        Ok(_) | Err(HttpError::Generator(_) | HttpError::BadRequest(_)) => None,
        Err(_) => Some(RETRY_PAUSE),
    }
}

/// Checks an answer and extracts variables from it. `response_time` counts from the request's intended start.
pub fn examine(
    reply: &Reply,
    response_time: Duration,
    expect: &Expect,
    extract: &[Extract],
    scope: &mut Scope<'_>,
) -> Result<Vars, StepError> {
    let excerpt = || answer::excerpt(reply);
    let allowed = match expect.status.is_empty() {
        true => (200..300).contains(&reply.status),
        false => expect.status.contains(&reply.status),
    };
    if !allowed {
        let kind = format!("status {}", reply.status);
        return Err(StepError::new(kind, answer::led_to(reply) + &excerpt()));
    }
    for text in &expect.contain {
        let text = text.render(scope)?;
        if !String::from_utf8_lossy(&reply.body).contains(&text) {
            let example = format!("no `{text}` in: {}", excerpt());
            return Err(StepError::new("missing text", example));
        }
    }
    answer::check(reply, &expect.answer, response_time, scope)?;
    let reads_json = |e: &Extract| matches!(e.place, Place::Json(_));
    if !extract.iter().any(reads_json)
        && expect.equal.is_empty()
        && expect.exist.is_empty()
        && expect.absent.is_empty()
    {
        return answer::take_out(reply, None, extract);
    }
    let json = json_answer::parse(&reply.body)
        .map_err(|e| StepError::new("answer is not JSON", format!("{e}: {}", excerpt())))?;
    for (pointer, expected) in &expect.equal {
        let expected: Value = as_written::parse(&expected.render(scope)?)
            .map_err(|e| StepError::new("template", e.to_string()))?;
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        if !equal(found, &expected) {
            return Err(StepError::new(
                format!("another value at {pointer}"),
                format!(
                    "expected {}, found {}",
                    AsWritten(&expected),
                    AsWritten(found)
                ),
            ));
        }
    }
    if let Some(pointer) = expect
        .exist
        .iter()
        .find(|p| json.pointer(p).is_none_or(Value::is_null))
    {
        return Err(StepError::new(format!("missing at {pointer}"), excerpt()));
    }
    if let Some(pointer) = expect
        .absent
        .iter()
        .find(|p| json.pointer(p).is_some_and(|v| !v.is_null()))
    {
        return Err(StepError::new(
            format!("unexpected at {pointer}"),
            excerpt(),
        ));
    }
    answer::take_out(reply, Some(&json), extract)
}

/// Extracts variables from an event's data by JSON pointers.
pub fn take_out(data: &EventData, extract: &[(String, String)]) -> Result<Vars, StepError> {
    let mut found = Vars::new();
    for (variable, pointer) in extract {
        let value = data.at(pointer).ok_or_else(|| {
            StepError::new(format!("nothing to extract at {pointer}"), data.text())
        })?;
        found.insert(variable.clone(), value);
    }
    Ok(found)
}
