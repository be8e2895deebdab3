//! One request of a journey: renders and sends it, checks its answer and extracts variables.

use std::cell::RefCell;

use rand::RngExt;
use serde_json::Value;

use crate::http_client::{HttpError, Reply, Request, TraceContext, Turn};
use crate::record::ledger::{Ledger, Posted};
use crate::scenario::expression::{RenderError, Scope, Vars};
use crate::scenario::{Expect, RequestTemplate};

/// A request's error: its kind, by which reports group errors, and an example's details.
#[derive(Debug)]
pub struct Fault {
    pub kind: String,
    pub example: String,
}

impl Fault {
    pub fn new(kind: impl Into<String>, example: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            example: example.into(),
        }
    }
}

impl From<RenderError> for Fault {
    fn from(error: RenderError) -> Self {
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
) -> Result<Rendered<'a>, RenderError> {
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

    /// Sends the request. Notes what it creates in the ledger, if there is one.
    pub async fn send(
        &self,
        turn: Turn<'_>,
        ledger: Option<&RefCell<Ledger>>,
    ) -> Result<Reply, Fault> {
        let creates = ledger.filter(|_| self.0.method == "POST");
        let creates = creates.and_then(|ledger| {
            let posted = Posted::new(&self.0.path, self.0.body.as_deref())?;
            ledger.borrow_mut().sent(&posted);
            Some((ledger, posted))
        });
        let outcome = turn.send(&self.0).await;
        if let Some((ledger, posted)) = creates {
            let mut ledger = ledger.borrow_mut();
            match &outcome {
                Ok(reply) => ledger.answered(&posted, reply.status, &reply.body),
                Err(HttpError::Connect(_) | HttpError::Generator(_) | HttpError::BadRequest(_)) => {
                    ledger.refused(&posted);
                }
                Err(_) => {}
            }
        }
        outcome.map_err(|e| {
            let what = format!("{} {}", self.0.method, self.0.path);
            Fault::new(e.to_string(), format!("{what}: {}", e.detail()))
        })
    }
}

/// Checks an answer and extracts variables from it.
pub fn examine(
    reply: &Reply,
    expect: &Expect,
    extract: &[(String, String)],
    scope: &mut Scope<'_>,
) -> Result<Vars, Fault> {
    let excerpt = || String::from_utf8_lossy(&reply.body[..reply.body.len().min(300)]).into_owned();
    let allowed = match expect.status.is_empty() {
        true => (200..300).contains(&reply.status),
        false => expect.status.contains(&reply.status),
    };
    if !allowed {
        return Err(Fault::new(format!("status {}", reply.status), excerpt()));
    }
    for text in &expect.contain {
        let text = text.render(scope)?;
        if !String::from_utf8_lossy(&reply.body).contains(&text) {
            let example = format!("no `{text}` in: {}", excerpt());
            return Err(Fault::new("missing text", example));
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
        .map_err(|e| Fault::new("answer is not JSON", format!("{e}: {}", excerpt())))?;
    for (pointer, expected) in &expect.equal {
        let expected: Value = serde_json::from_str(&expected.render(scope)?)
            .map_err(|e| Fault::new("template", e.to_string()))?;
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        if *found != expected {
            return Err(Fault::new(
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
        return Err(Fault::new(format!("missing at {pointer}"), excerpt()));
    }
    if let Some(pointer) = expect
        .absent
        .iter()
        .find(|p| json.pointer(p).is_some_and(|v| !v.is_null()))
    {
        return Err(Fault::new(format!("unexpected at {pointer}"), excerpt()));
    }
    take_out(&json, extract)
}

/// Extracts variables by JSON pointers.
pub fn take_out(json: &Value, extract: &[(String, String)]) -> Result<Vars, Fault> {
    let mut found = Vars::new();
    for (variable, pointer) in extract {
        let value = json.pointer(pointer).ok_or_else(|| {
            Fault::new(format!("nothing to extract at {pointer}"), json.to_string())
        })?;
        found.insert(variable.clone(), value.clone());
    }
    Ok(found)
}
