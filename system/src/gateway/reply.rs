//! Replies of services: `{"result": …, "positions": …, "cursor": …}` or `{"error": …, "status": …}`. What a result means is not its business.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::correlation::{AppendTimes, HandlerTimes};
use crate::position::Positions;

use super::error::HttpError;
use super::trace::Trace;

/// A reply, borrowed from its JSON.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<'a> {
    /// The result's JSON, as the service wrote it; `null` is a result.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) result: Option<&'a RawValue>,
    /// Where the command's events stand.
    #[serde(default)]
    pub(super) positions: Option<Positions>,
    /// Where a list goes on; `None`: nowhere.
    #[serde(borrow, default)]
    pub(super) cursor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    status: Option<u16>,
    /// Of a sampled request.
    #[serde(default)]
    handler: Option<HandlerTimes>,
    #[serde(default)]
    append: Option<AppendTimes>,
}

/// `null` is a value here, not its absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Reply<'a> {
    /// Reads a reply.
    ///
    /// # Errors
    /// 502 for JSON that is no reply.
    pub(super) fn parse(json: &'a RawValue) -> Result<Self, HttpError> {
        // serde would take an array for a struct's fields in their order.
        if !json.get().starts_with('{') {
            return Err(no_reply("it is no object"));
        }
        serde_json::from_str(json.get()).map_err(|error| no_reply(&error.to_string()))
    }

    /// Notes what it says of its handling.
    pub(super) fn tell(&self, trace: &Trace) {
        if let (Some(timing), Some(handler)) = (&trace.timing, self.handler) {
            timing.handled(handler, self.append);
        }
    }

    /// The result's JSON.
    ///
    /// # Errors
    /// The service's error with its status (500 when it names none), 502 for a reply that is neither result nor error.
    pub(super) fn result(&self) -> Result<&'a str, HttpError> {
        if let Some(message) = &self.error {
            let status = self
                .status
                .filter(|status| (400..600).contains(status))
                .and_then(|status| StatusCode::from_u16(status).ok())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(HttpError::new(status, message.clone()));
        }
        self.result
            .map(RawValue::get)
            .ok_or_else(|| no_reply("it has neither result nor error"))
    }
}

fn no_reply(why: &str) -> HttpError {
    HttpError::new(
        StatusCode::BAD_GATEWAY,
        format!("a service gave no proper reply: {why}"),
    )
}

/// A query's reply as the answer's body. What begins with a result is passed on untouched (the way of every single read).
///
/// # Errors
/// As [`Reply::result`].
pub(super) fn pass_on(json: Box<RawValue>) -> Result<Bytes, HttpError> {
    if !json.get().starts_with("{\"result\":") {
        Reply::parse(&json)?.result()?;
    }
    let text: Box<str> = json.into();
    Ok(Bytes::from(text.into_string()))
}

/// A query's reply as its request's answer: what a sampled one says of its handling goes into the header alone.
///
/// # Errors
/// As [`Reply::result`].
pub(super) fn answer(json: Box<RawValue>, trace: &Trace) -> Result<Bytes, HttpError> {
    if trace.timing.is_none() {
        return pass_on(json);
    }
    let reply = Reply::parse(&json)?;
    reply.tell(trace);
    Ok(body(reply.result()?).into())
}

/// `{"result": …}` from a result's JSON.
pub(super) fn body(result: &str) -> String {
    format!("{{\"result\":{result}}}")
}

/// What is between the brackets of an array's JSON, so that several can be joined.
///
/// # Errors
/// 502 when it is no array.
pub(super) fn items(result: &str) -> Result<&str, HttpError> {
    result
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map(str::trim)
        .ok_or_else(|| no_reply("its result is no array"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_null_result_is_a_result() {
        let json = raw(r#"{"result":null,"positions":{"order":"1-0"}}"#);
        let reply = Reply::parse(&json).unwrap();
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
    fn arrays_lose_their_brackets_alone() {
        assert_eq!(items("[ [1],{} ]").unwrap(), "[1],{}");
        assert_eq!(items("[]").unwrap(), "");
        assert!(items("{}").is_err());
    }
}
