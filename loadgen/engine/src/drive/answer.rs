//! What a scenario wants of an answer beyond its status: checks of headers, text, size and time, and variables taken out of it.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::step_error::StepError;
use crate::http_client::Reply;
use loadgen_scenario::answer::{AnswerChecks, Extract, HeaderCheck, Place};
use loadgen_scenario::expression::{Scope, Vars};

/// The bytes of a body that an error shows at most; what is kept of it is shorter.
const EXCERPT_BYTES_MAX: usize = 2_000;

/// The beginning of a body, for errors.
pub fn excerpt(reply: &Reply) -> String {
    let shown = reply.body.len().min(EXCERPT_BYTES_MAX);
    String::from_utf8_lossy(&reply.body[..shown]).into_owned()
}

/// Where an answer that was not followed as a redirect leads to, for errors; empty if it is none.
pub fn led_to(reply: &Reply) -> String {
    let headers = reply.headers.as_ref();
    match headers.and_then(|headers| headers.location.as_deref()) {
        _ if !matches!(reply.status, 300..400) || reply.status == 304 => String::new(),
        Some(location) => format!("not followed to {location}: "),
        None => "without a location: ".to_owned(),
    }
}

/// The value of a header: several of one name are a list (RFC 9110, 5.3).
fn header<'a>(reply: &'a Reply, name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers(reply, name);
    let first = values.next()?;
    Some(values.fold(Cow::Borrowed(first), |list, value| {
        Cow::Owned(format!("{list}, {value}"))
    }))
}

fn headers<'a>(reply: &'a Reply, name: &str) -> impl Iterator<Item = &'a str> {
    let named = reply
        .kept_headers
        .iter()
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str())
}

/// Checks headers, text, size and time. `response_time` counts from the request's intended start.
pub fn check(
    reply: &Reply,
    checks: &AnswerChecks,
    response_time: Duration,
    scope: &mut Scope<'_>,
) -> Result<(), StepError> {
    for (name, check) in &checks.headers {
        let found = header(reply, name);
        let holds = |wanted: &dyn Fn(&str) -> bool| found.as_deref().is_some_and(wanted);
        let missed = match check {
            HeaderCheck::Present => found.is_none().then(|| "a value".to_owned()),
            HeaderCheck::Absent => found.is_some().then(|| "no value".to_owned()),
            HeaderCheck::Equal(text) => {
                let text = text.render(scope)?;
                (!holds(&|v| v == text)).then_some(text)
            }
            HeaderCheck::Contain(text) => {
                let text = text.render(scope)?;
                (!holds(&|v| v.contains(&text))).then(|| format!("`{text}` in it"))
            }
            HeaderCheck::Match(pattern) => {
                (!holds(&|v| pattern.matches(v))).then(|| format!("`{}` in it", pattern.text()))
            }
        };
        if let Some(wanted) = missed {
            let found = found.map_or_else(|| "no such header".into(), |v| format!("found {v}"));
            return Err(StepError::new(
                format!("header {name}"),
                format!("expected {wanted}, {found}"),
            ));
        }
    }
    let length = reply.body.len();
    if checks.bytes_min.is_some_and(|min| length < min)
        || checks.bytes_max.is_some_and(|max| length > max)
    {
        let bound = |n: Option<usize>, none: &str| n.map_or_else(|| none.into(), |n| n.to_string());
        let (min, max) = (bound(checks.bytes_min, "0"), bound(checks.bytes_max, "any"));
        return Err(StepError::new(
            "body length",
            format!("expected {min} to {max} bytes, found {length}"),
        ));
    }
    if let Some(pattern) = &checks.pattern
        && !pattern.matches(&String::from_utf8_lossy(&reply.body))
    {
        let example = format!("no `{}` in: {}", pattern.text(), excerpt(reply));
        return Err(StepError::new("missing text", example));
    }
    match checks.response_time_max {
        Some(max) if response_time > max => Err(StepError::new(
            format!("response time over {max:?}"),
            format!("it was {response_time:?}"),
        )),
        _ => Ok(()),
    }
}

/// Takes variables out of an answer. `json` is its body, if anything reads it as JSON.
pub fn take_out(
    reply: &Reply,
    json: Option<&Value>,
    extract: &[Extract],
) -> Result<Vars, StepError> {
    let mut variables = Vars::new();
    for wanted in extract {
        let value = match wanted.all {
            true => Some(found(reply, json, &wanted.place, usize::MAX))
                .filter(|all| !all.is_empty())
                .map(Value::Array),
            false => found(reply, json, &wanted.place, 1).pop(),
        };
        let value = match &wanted.default {
            // A null stands for nothing where there is something to put in its place.
            Some(default) => value
                .filter(|v| !v.is_null())
                .or_else(|| Some(default.clone())),
            None => value,
        };
        let value = value.ok_or_else(|| {
            let kind = format!("nothing to extract at {}", wanted.place);
            StepError::new(kind, excerpt(reply))
        })?;
        variables.insert(wanted.variable.clone(), value);
    }
    Ok(variables)
}

/// What is at this place, at most so many values.
fn found(reply: &Reply, json: Option<&Value>, place: &Place, values_max: usize) -> Vec<Value> {
    match place {
        Place::Json(place) => {
            let found = json.map(|json| place.found(json)).unwrap_or_default();
            found.into_iter().take(values_max).cloned().collect()
        }
        Place::Header(name, None) => {
            let found = headers(reply, name).take(values_max);
            found.map(Value::from).collect()
        }
        Place::Header(name, Some(pattern)) => {
            let found = headers(reply, name).flat_map(|value| pattern.found(value));
            found.take(values_max).map(Value::from).collect()
        }
        Place::Text(pattern) => {
            let text = String::from_utf8_lossy(&reply.body);
            let found = pattern.found(&text).take(values_max);
            found.map(Value::from).collect()
        }
    }
}
