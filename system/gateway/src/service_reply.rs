//! Replies of services: `{"result": …, "positions": …, "cursor": …}` or `{"error": …, "status": …}`. Must not know what a result means.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use ordershop_contract::correlation::{AppendTimes, HandlerTimes};
use ordershop_contract::position::Positions;
use ordershop_contract::reply::ReplyStatus;

use super::error::HttpError;
use super::trace::Trace;

/// A reply, borrowed from its JSON.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceReply<'a> {
    /// The result's JSON as the service wrote it; `null` is a result too.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) result: Option<&'a RawValue>,
    /// The positions of the command's events.
    #[serde(default)]
    pub(super) positions: Option<Positions>,
    /// The cursor of a list's next page; `None` at the end.
    #[serde(borrow, default)]
    pub(super) cursor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    status: Option<ReplyStatus>,
    /// Only for a sampled request.
    #[serde(default)]
    handler: Option<HandlerTimes>,
    #[serde(default)]
    append: Option<AppendTimes>,
}

/// Reads `null` as a value, not as an absent field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> ServiceReply<'a> {
    /// Parses a reply.
    ///
    /// # Errors
    /// 502 for JSON that isn't a reply.
    pub(super) fn parse(json: &'a RawValue) -> Result<Self, HttpError> {
        // serde would accept an array as the struct's fields in their order.
        if !json.get().starts_with('{') {
            return Err(no_reply("it is not an object"));
        }
        serde_json::from_str(json.get()).map_err(|error| no_reply(&error.to_string()))
    }

    /// Records the reply's handling times in the trace.
    pub(super) fn record_times(&self, trace: &Trace) {
        if let (Some(timing), Some(handler)) = (&trace.timing, self.handler) {
            timing.handled(handler, self.append);
        }
    }

    /// The result's JSON.
    ///
    /// # Errors
    /// The service's error with its status (500 if it has none); 502 for a reply with neither result nor error.
    pub(super) fn result(&self) -> Result<&'a str, HttpError> {
        if let Some(message) = &self.error {
            let status = self.status.unwrap_or(ReplyStatus::Failed);
            return Err(HttpError::new(http(status), message.clone()));
        }
        self.result
            .map(RawValue::get)
            .ok_or_else(|| no_reply("it has neither result nor error"))
    }
}

/// The HTTP status that fits.
fn http(status: ReplyStatus) -> StatusCode {
    match status {
        ReplyStatus::Invalid => StatusCode::BAD_REQUEST,
        ReplyStatus::NotFound => StatusCode::NOT_FOUND,
        ReplyStatus::Conflict => StatusCode::CONFLICT,
        ReplyStatus::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ReplyStatus::BadReference => StatusCode::UNPROCESSABLE_ENTITY,
        ReplyStatus::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ReplyStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn no_reply(why: &str) -> HttpError {
    HttpError::new(
        StatusCode::BAD_GATEWAY,
        format!("a service's reply is malformed: {why}"),
    )
}

/// Turns a query's reply into the answer's body. A reply that begins with its result (as every single read's does) is passed on unchanged.
///
/// # Errors
/// The errors of [`ServiceReply::result`].
pub(super) fn pass_on(json: Box<RawValue>) -> Result<Bytes, HttpError> {
    if !json.get().starts_with("{\"result\":") {
        ServiceReply::parse(&json)?.result()?;
    }
    let text: Box<str> = json.into();
    Ok(Bytes::from(text.into_string()))
}

/// Turns a query's reply into the answer's body; a sampled request's handling times go only into the trace, and so the header.
///
/// # Errors
/// The errors of [`ServiceReply::result`].
pub(super) fn answer(json: Box<RawValue>, trace: &Trace) -> Result<Bytes, HttpError> {
    if trace.timing.is_none() {
        return pass_on(json);
    }
    let reply = ServiceReply::parse(&json)?;
    reply.record_times(trace);
    Ok(body(reply.result()?).into())
}

/// An entity with its version, as the read model replies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<'a> {
    #[serde(borrow)]
    entity: &'a RawValue,
    version: u64,
}

/// Turns the reply to a query for one entity with its version into the answer's body without it. There is no version where there is no entity,
/// and from a foreign read model that knows none.
///
/// # Errors
/// The errors of [`ServiceReply::result`].
pub(super) fn versioned(
    json: Box<RawValue>,
    trace: &Trace,
) -> Result<(Bytes, Option<u64>), HttpError> {
    if trace.timing.is_none() {
        match unversioned(json.get()) {
            Some((entity, version)) => return Ok((body(entity).into(), Some(version))),
            None if json.get() == NO_RESULT => return Ok((NO_RESULT.into(), None)),
            None => {}
        }
    }
    let reply = ServiceReply::parse(&json)?;
    reply.record_times(trace);
    let result = reply.result()?;
    Ok(match serde_json::from_str::<Versioned<'_>>(result) {
        Ok(found) => (body(found.entity.get()).into(), Some(found.version)),
        Err(_) => (body(result).into(), None),
    })
}

const NO_RESULT: &str = r#"{"result":null}"#;

/// The entity and the version in a reply of our own read model, found without parsing the entity.
fn unversioned(reply: &str) -> Option<(&str, u64)> {
    let rest = reply.strip_prefix(r#"{"result":{"entity":"#)?;
    let (entity, version) = rest.strip_suffix("}}")?.rsplit_once(r#","version":"#)?;
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    Some((entity, version.parse().ok().filter(|_| is_number)?))
}

/// `{"result": …}` from a result's JSON.
pub(super) fn body(result: &str) -> String {
    format!("{{\"result\":{result}}}")
}

/// The text between the brackets of an array's JSON, so that several arrays can be joined.
///
/// # Errors
/// 502 if the result isn't an array.
pub(super) fn items(result: &str) -> Result<&str, HttpError> {
    result
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(str::trim)
        .ok_or_else(|| no_reply("its result is not an array"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_null_result_is_a_result() {
        let json = raw(r#"{"result":null,"positions":{"order":"1-0"}}"#);
        let reply = ServiceReply::parse(&json).unwrap();
        assert_eq!(reply.result().unwrap(), "null");
        assert_eq!(reply.positions.unwrap().to_string(), "order=1-0");
    }

    #[test]
    fn errors_keep_their_status_and_garbage_is_a_bad_gateway() {
        let cases = [
            (r#"{"error":"no stock","status":409}"#, 409),
            (r#"{"status":404,"error":"x"}"#, 404),
            (r#"{"error":"x"}"#, 500),
            (r#"{"error":"x","status":200}"#, 500),
            (r#"{"error":"x","status":7000}"#, 500),
            ("{}", 502),
            ("[1]", 502),
            ("\"hello\"", 502),
        ];
        for (json, status) in cases {
            let error = pass_on(raw(json)).unwrap_err();
            assert_eq!(error.status.as_u16(), status, "{json}");
        }
    }

    #[test]
    fn results_are_passed_on_as_they_came() {
        for json in [r#"{"result":{"a":1}}"#, r#"{ "result": null }"#] {
            assert_eq!(pass_on(raw(json)).unwrap(), json);
        }
    }

    #[test]
    fn an_entity_loses_its_version_however_it_is_written() {
        let trace = Trace::untimed(String::new());
        let cases = [
            (
                r#"{"result":{"entity":{"a":1},"version":7}}"#,
                r#"{"a":1}"#,
                Some(7),
            ),
            (
                r#"{"result":{"entity":{"a":",\"version\":1}}"},"version":7}}"#,
                r#"{"a":",\"version\":1}}"}"#,
                Some(7),
            ),
            (
                r#"{"result":{"version":7,"entity":{"version":1}}}"#,
                r#"{"version":1}"#,
                Some(7),
            ),
            (
                r#"{"result": {"entity":{"a":1},"version":7}, "positions":{}}"#,
                r#"{"a":1}"#,
                Some(7),
            ),
            (r#"{"result":null}"#, "null", None),
            (
                r#"{"result":{"a":1,"version":7}}"#,
                r#"{"a":1,"version":7}"#,
                None,
            ),
            (
                r#"{"result":{"entity":{"b":1},"c":{"d":1,"version":7}}}"#,
                r#"{"entity":{"b":1},"c":{"d":1,"version":7}}"#,
                None,
            ),
        ];
        for (reply, entity, version) in cases {
            let found = versioned(raw(reply), &trace).unwrap();
            assert_eq!(found, (body(entity).into(), version), "{reply}");
        }
        let refused = versioned(raw(r#"{"error":"away","status":503}"#), &trace);
        assert_eq!(refused.unwrap_err().status.as_u16(), 503);
    }

    #[test]
    fn arrays_lose_their_brackets_alone() {
        assert_eq!(items("[ [1],{} ]").unwrap(), "[1],{}");
        assert_eq!(items("[]").unwrap(), "");
        assert!(items("{}").is_err());
    }
}
