//! Request bodies: reads them within their limits and checks their shape (object, or array of objects). Must not know what a field means.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::config::GatewayConfig;
use super::error::HttpError;

/// The rest of a body over the limit is read and dropped, up to this much: a client that is still sending may not read the answer.
const DISCARD_BYTES_MAX: usize = 64 << 20;
/// The longest time that dropping the rest of a body may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a JSON body as text.
///
/// # Errors
/// 415 for another content type, 413 over the limit, 408 if the body doesn't arrive in time, 400 if it breaks off or isn't UTF-8.
pub(super) async fn read(request: Request, config: &GatewayConfig) -> Result<String, HttpError> {
    check_content(request.headers())?;
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let body = request.into_body();
    let max = config.body_bytes_max;
    let too_large = || {
        HttpError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {max} bytes; split it into several requests"),
        )
    };
    if body.size_hint().lower() > max as u64 {
        // A client that sent `Expect: 100-continue` has not sent the body yet: there is nothing to drop.
        if !expects_continue {
            discard(body).await;
        }
        return Err(too_large());
    }
    let arrival = Duration::from_millis(config.body_timeout_ms);
    match tokio::time::timeout(arrival, collect(body, max)).await {
        Ok(Ok(bytes)) => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            HttpError::bad_request(format!("the body is not UTF-8 from byte {at} on"))
        }),
        Ok(Err(BodyError::TooLarge(rest))) => {
            discard(rest).await;
            Err(too_large())
        }
        Ok(Err(BodyError::Aborted(error))) => Err(HttpError::bad_request(format!(
            "the body broke off: {error}"
        ))),
        Err(_) => Err(HttpError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} ms",
                config.body_timeout_ms
            ),
        )),
    }
}

enum BodyError {
    TooLarge(Body),
    Aborted(axum::Error),
}

async fn collect(mut body: Body, max: usize) -> Result<Vec<u8>, BodyError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(max);
    let mut bytes = Vec::with_capacity(expected.min(max));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(BodyError::Aborted)?.into_data() {
            if bytes.len() + data.len() > max {
                return Err(BodyError::TooLarge(body));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Reads the rest of a body, and drops it.
pub(super) async fn discard(mut body: Body) {
    let all = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, all).await;
}

/// Accepts JSON, no content type, or the default of `curl -d`; refuses compressed bodies.
fn check_content(headers: &HeaderMap) -> Result<(), HttpError> {
    let unsupported = |what: String| HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(unsupported(format!(
            "content-encoding {encoding:?} is not supported; send the JSON uncompressed"
        )));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let kind = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let json = kind == "application/json"
        || kind == "application/x-www-form-urlencoded"
        || (kind.starts_with("application/") && kind.ends_with("+json"));
    if json {
        return Ok(());
    }
    Err(unsupported(format!(
        "content-type {text:?} is not supported; send application/json"
    )))
}

/// A command's parameters.
#[derive(Debug)]
pub(super) struct CommandBody<'a> {
    /// The whole body.
    pub(super) json: &'a RawValue,
    /// The entities in it; one if the body is an object.
    pub(super) entities: Vec<&'a RawValue>,
    /// Whether they came as an array.
    pub(super) is_array: bool,
}

/// Checks a body's shape.
///
/// # Errors
/// 400 for malformed JSON (with line and column), for anything but an object or an array of objects, for an empty array or one over the limit.
pub(super) fn command_body(text: &str, entities_max: usize) -> Result<CommandBody<'_>, HttpError> {
    let json: &RawValue = parse(text)?;
    let (entities, is_array) = match json.get().as_bytes().first() {
        Some(b'{') => (vec![json], false),
        Some(b'[') => (elements(json, entities_max)?, true),
        _ => {
            return Err(HttpError::bad_request(
                "the body must be an object or an array of objects",
            ));
        }
    };
    Ok(CommandBody {
        json,
        entities,
        is_array,
    })
}

fn parse(text: &str) -> Result<&RawValue, HttpError> {
    serde_json::from_str(text)
        .map_err(|error| HttpError::bad_request(format!("the body is malformed JSON: {error}")))
}

fn elements(array: &RawValue, entities_max: usize) -> Result<Vec<&RawValue>, HttpError> {
    let (entities, count) = serde_json::Deserializer::from_str(array.get())
        .deserialize_seq(Elements { entities_max })
        .map_err(|error| HttpError::bad_request(format!("the body is malformed JSON: {error}")))?;
    if count == 0 {
        return Err(HttpError::bad_request(
            "the array is empty; send at least one entity",
        ));
    }
    if count > entities_max {
        return Err(HttpError::bad_request(format!(
            "the array has {count} entities; send at most {entities_max}"
        )));
    }
    if let Some(n) = entities
        .iter()
        .position(|json| !json.get().starts_with('{'))
    {
        return Err(HttpError::bad_request(format!(
            "element {n} of the array is not an object"
        )));
    }
    Ok(entities)
}

/// Keeps an array's elements up to the limit and counts the rest.
struct Elements {
    entities_max: usize,
}

impl<'de> Visitor<'de> for Elements {
    type Value = (Vec<&'de RawValue>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entities = Vec::new();
        while entities.len() < self.entities_max
            && let Some(entity) = seq.next_element()?
        {
            entities.push(entity);
        }
        let mut count = entities.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((entities, count))
    }
}

/// A PUT's body with the path's id as its `entity_id`.
///
/// # Errors
/// 400 for malformed JSON, for anything but an object, and for an `entity_id` that isn't the path's.
pub(super) fn with_entity_id(text: &str, id: &str) -> Result<Box<RawValue>, HttpError> {
    let json = parse(text)?;
    if !json.get().starts_with('{') {
        return Err(HttpError::bad_request(
            "the body must be one object: the whole entity",
        ));
    }
    let fields = serde_json::Deserializer::from_str(json.get())
        .deserialize_map(Fields)
        .map_err(|error| HttpError::bad_request(format!("the body is malformed JSON: {error}")))?;
    let mut whole = String::with_capacity(text.len() + id.len() + 16);
    whole.push_str("{\"entity_id\":");
    whole.push_str(&quoted(id));
    for (name, value) in fields {
        if name == "entity_id" {
            let given: Option<Cow<'_, str>> = serde_json::from_str(value.get()).ok();
            if given.as_deref() != Some(id) {
                return Err(HttpError::bad_request(format!(
                    "entity_id is {value} in the body and {} in the path; they must be the same",
                    quoted(id)
                )));
            }
            continue;
        }
        whole.push(',');
        whole.push_str(&quoted(&name));
        whole.push(':');
        whole.push_str(value.get());
    }
    whole.push('}');
    RawValue::from_string(whole).map_err(|error| HttpError::bad_request(error.to_string()))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serialises")
}

/// An object's fields in their order, including repeated ones, which the service refuses by name.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_may_have_its_limit_and_not_one_more() {
        let array = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
        assert_eq!(
            command_body(&array(10_000), 10_000).unwrap().entities.len(),
            10_000
        );
        let error = command_body(&array(10_001), 10_000).unwrap_err();
        assert!(error.message.contains("10001"), "{error}");
    }

    #[test]
    fn bad_shapes_are_refused_with_their_place() {
        let cases = [
            ("", "EOF"),
            ("{\"a\":}", "line 1 column 6"),
            ("{} {}", "trailing"),
            ("7", "object or an array"),
            ("[]", "empty"),
            ("[{},7]", "element 1"),
            ("[{},]", "line 1 column"),
        ];
        for (text, expected) in cases {
            let error = command_body(text, 10).unwrap_err();
            assert_eq!(error.status.as_u16(), 400, "{text}");
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_put_takes_the_paths_id_and_may_repeat_it() {
        let cases = [
            (r#"{"a":1}"#, r#"{"entity_id":"x\"y","a":1}"#),
            (
                r#"{"a":1,"entity_id":"x\"y"}"#,
                r#"{"entity_id":"x\"y","a":1}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"entity_id":"x\"y","a":1,"a":2}"#),
            ("{}", r#"{"entity_id":"x\"y"}"#),
        ];
        for (text, whole) in cases {
            assert_eq!(with_entity_id(text, "x\"y").unwrap().get(), whole);
        }
        for text in [r#"{"entity_id":"z"}"#, r#"{"entity_id":7}"#, "[{}]", "{"] {
            assert_eq!(
                with_entity_id(text, "x").unwrap_err().status.as_u16(),
                400,
                "{text}"
            );
        }
    }

    #[test]
    fn content_types_that_are_clearly_something_else_are_refused() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("application/x-www-form-urlencoded", true),
            ("text/xml", false),
            ("multipart/form-data; boundary=x", false),
        ];
        for (kind, accepted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(check_content(&headers).is_ok(), accepted, "{kind}");
        }
    }
}
