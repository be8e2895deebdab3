//! One request of a journey: renders and sends it, checks its answer and extracts variables.

use rand::RngExt;
use serde_json::Value;

use super::notes::Notes;
use crate::http_client::{HttpError, Reply, Request, TraceContext, Turn};
use loadgen_scenario::expression::{EvaluationError, Scope, Vars};
use loadgen_scenario::{Expect, RequestTemplate};

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

/// A request ready to be sent.
pub struct Rendered<'a>(Request<'a>);

/// Renders a request's templates; constant parts are borrowed.
pub fn render<'a>(
    request: &'a RequestTemplate,
    scope: &mut Scope<'_>,
    trace: Option<u128>,
    sampled: bool,
) -> Result<Rendered<'a>, EvaluationError> {
    let trace = trace.map(|trace| TraceContext {
        trace,
        span: scope.rng.random(),
        sampled,
    });
    let mut headers = Vec::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        headers.push((name.as_str(), value.render(scope)?));
    }
    Ok(Rendered(Request {
        method: request.method.as_str(),
        path: match request.path.as_literal() {
            Some(path) => path.into(),
            None => request.path.render(scope)?.into(),
        },
        trace,
        headers,
        body: request.body.as_ref().map(|b| b.render(scope)).transpose()?,
    }))
}

impl Rendered<'_> {
    /// Replaces the body by one that is not made from the request's own template.
    pub fn replace_body(&mut self, body: Option<String>) {
        self.0.body = body;
    }

    /// Sends the request. Notes what it creates, if that is wanted.
    pub async fn send(&self, turn: Turn<'_>, notes: Option<&Notes>) -> Result<Reply, StepError> {
        let creates = notes.filter(|_| self.0.method == "POST");
        let creates = creates.and_then(|notes| {
            let posted = notes.sent(&self.0.path, self.0.body.as_deref())?;
            Some((notes, posted))
        });
        let outcome = turn.send(&self.0).await;
        if let Some((notes, posted)) = creates {
            match &outcome {
                Ok(reply) => notes.answered(&posted, reply.status, &reply.body),
                Err(HttpError::Connect(_) | HttpError::Generator(_) | HttpError::BadRequest(_)) => {
                    notes.refused(&posted);
                }
                Err(_) => {}
            }
        }
        outcome.map_err(|e| {
            let what = format!("{} {}", self.0.method, self.0.path);
            StepError::new(e.to_string(), format!("{what}: {}", e.detail()))
        })
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
