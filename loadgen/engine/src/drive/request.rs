//! One request of a journey: renders and sends it, checks its answer and extracts variables.

use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::Value;

use super::notes::Notes;
use crate::http_client::{HttpClient, HttpError, Reply, Request, TraceContext, Turn};
use loadgen_scenario::expression::{EvaluationError, Scope, Vars};
use loadgen_scenario::{Expect, Method, RequestTemplate};

/// A request's error: its kind, by which reports group errors, and an example's details.
#[derive(Debug)]
pub struct StepError {
    pub kind: String,
    pub example: String,
}

impl StepError {
    pub fn new(kind: impl Into<String>, example: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            example: example.into(),
        }
    }
}

impl From<EvaluationError> for StepError {
    fn from(error: EvaluationError) -> Self {
        Self::new("template", error.to_string())
    }
}

/// Pause before a request is repeated.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What all requests of a run carry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    /// The journey's trace, and whether this request's times are recorded.
    pub trace: Option<(u128, bool)>,
    /// Whether a POST carries an `Idempotency-Key`.
    pub key: bool,
}

/// A request ready to be sent.
pub struct Rendered<'a> {
    request: Request<'a>,
    /// How long it is repeated while its outcome is unknown.
    retry: Duration,
}

/// Renders a request's templates; constant parts are borrowed.
pub fn render<'a>(
    request: &'a RequestTemplate,
    scope: &mut Scope<'_>,
    carried: Carried,
) -> Result<Rendered<'a>, EvaluationError> {
    let trace = carried.trace.map(|(trace, sampled)| TraceContext {
        trace,
        span: scope.rng.random(),
        sampled,
    });
    let mut headers = Vec::with_capacity(request.headers.len() + usize::from(carried.key));
    for (name, value) in &request.headers {
        headers.push((name.as_str(), value.render(scope)?));
    }
    if carried.key && request.method == Method::Post {
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
            body: request.body.as_ref().map(|b| b.render(scope)).transpose()?,
        },
        retry: request.retry.unwrap_or_default(),
    })
}

impl Rendered<'_> {
    /// The span id that it carries.
    pub fn span(&self) -> Option<u64> {
        self.request.trace.map(|context| context.span)
    }

    /// Replaces the body by one that is not made from the request's own template.
    pub fn replace_body(&mut self, body: Option<String>) {
        self.request.body = body;
    }

    /// Sends the request, and again while that is wanted and its outcome is unknown. Notes what it writes or reads, if that is wanted.
    pub async fn send(
        &self,
        http: &HttpClient,
        turn: Turn<'_>,
        notes: Option<&Notes>,
    ) -> Result<Reply, StepError> {
        let request = &self.request;
        let noted = notes.and_then(|notes| Some((notes, notes.sent(request)?)));
        let last_begin = turn.since + self.retry;
        let mut outcome = turn.send(request).await;
        let mut repeated = false;
        while is_unknown(&outcome) && Instant::now() + RETRY_PAUSE < last_begin {
            tokio::time::sleep(RETRY_PAUSE).await;
            repeated = true;
            outcome = http.turn().await.send(request).await;
        }
        if let Some((notes, noted)) = noted {
            notes.ended(noted, &outcome, repeated);
        }
        outcome.map_err(|e| {
            let what = format!("{} {}", request.method, request.path);
            StepError::new(e.to_string(), format!("{what}: {}", e.detail()))
        })
    }
}

/// Whether the target may answer otherwise if it is asked again.
fn is_unknown(outcome: &Result<Reply, HttpError>) -> bool {
    match outcome {
        Ok(reply) => matches!(reply.status, 503 | 504),
        Err(HttpError::Generator(_) | HttpError::BadRequest(_)) => false,
        Err(_) => true,
    }
}

/// Checks an answer and extracts variables from it.
pub fn examine(
    reply: &Reply,
    expect: &Expect,
    extract: &[(String, String)],
    scope: &mut Scope<'_>,
) -> Result<Vars, StepError> {
    let excerpt = || String::from_utf8_lossy(&reply.body[..reply.body.len().min(300)]).into_owned();
    let allowed = match expect.status.is_empty() {
        true => (200..300).contains(&reply.status),
        false => expect.status.contains(&reply.status),
    };
    if !allowed {
        return Err(StepError::new(
            format!("status {}", reply.status),
            excerpt(),
        ));
    }
    for text in &expect.contain {
        let text = text.render(scope)?;
        if !String::from_utf8_lossy(&reply.body).contains(&text) {
            let example = format!("no `{text}` in: {}", excerpt());
            return Err(StepError::new("missing text", example));
        }
    }
    if extract.is_empty()
        && expect.equal.is_empty()
        && expect.exist.is_empty()
        && expect.absent.is_empty()
    {
        return Ok(Vars::new());
    }
    let json: Value = serde_json::from_slice(&reply.body)
        .map_err(|e| StepError::new("answer is not JSON", format!("{e}: {}", excerpt())))?;
    for (pointer, expected) in &expect.equal {
        let expected: Value = serde_json::from_str(&expected.render(scope)?)
            .map_err(|e| StepError::new("template", e.to_string()))?;
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        if *found != expected {
            return Err(StepError::new(
                format!("expected at {pointer}"),
                format!("expected {expected}, found {found}"),
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
    take_out(&json, extract)
}

/// Extracts variables by JSON pointers.
pub fn take_out(json: &Value, extract: &[(String, String)]) -> Result<Vars, StepError> {
    let mut found = Vars::new();
    for (variable, pointer) in extract {
        let value = json.pointer(pointer).ok_or_else(|| {
            StepError::new(format!("nothing to extract at {pointer}"), json.to_string())
        })?;
        found.insert(variable.clone(), value.clone());
    }
    Ok(found)
}
