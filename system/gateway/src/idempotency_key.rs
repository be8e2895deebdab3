//! The `Idempotency-Key` of a POST: a client that repeats a request with its key makes nothing twice. Must not know what is created.

use axum::http::HeaderMap;
use ordershop_contract::message_queue::QueueName;
use sha2::{Digest, Sha256};

use super::error::HttpError;

/// The header's name.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest key, characters.
pub(super) const KEY_CHARS_MAX: usize = 255;

/// The request's key, if it has one.
///
/// # Errors
/// 400 for two keys, and for one that isn't 1–255 visible ASCII characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, HttpError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if keys.next().is_some() || key.is_empty() || key.len() > KEY_CHARS_MAX || !visible {
        return Err(HttpError::bad_request(format!(
            "Idempotency-Key must be one key of 1 to {KEY_CHARS_MAX} visible ASCII characters"
        )));
    }
    Ok(Some(key))
}

/// The message id of a request with a key: the same for the same request, so that the service knows the repeat, and the entities get the
/// same ids. 32 hex digits, as every message id.
pub(super) fn message_id(to: QueueName, key: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    // Neither a queue's name nor a key contains a zero byte.
    for part in [&to.to_string(), "\0", key, "\0", body] {
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let half = digest.first_chunk().expect("the digest has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::queue_names;
    use ordershop_contract::topic::Topic;

    /// The header's lines, and what they say or the status of the error.
    type Case<'a> = (&'a [&'a str], Result<Option<&'a str>, u16>);

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        let longest = "k".repeat(KEY_CHARS_MAX);
        let too_long = "k".repeat(KEY_CHARS_MAX + 1);
        let cases: &[Case] = &[
            (&[], Ok(None)),
            (&["a"], Ok(Some("a"))),
            (&["\"8e03~!\""], Ok(Some("\"8e03~!\""))),
            (&[&longest], Ok(Some(&longest))),
            (&[&too_long], Err(400)),
            (&[""], Err(400)),
            (&["a b"], Err(400)),
            (&["ä"], Err(400)),
            (&["a", "a"], Err(400)),
        ];
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                let value = axum::http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
                headers.append(IDEMPOTENCY_KEY, value);
            }
            let found = idempotency_key(&headers).map_err(|error| error.status.as_u16());
            assert_eq!(found, *expected, "{lines:?}");
        }
    }

    #[test]
    fn the_same_request_has_the_same_message_id_and_no_other_has() {
        let queue = |topic| queue_names::create(topic).unwrap();
        let (orders, carts) = (queue(Topic::Order), queue(Topic::Cart));
        let ids = [
            message_id(orders, "a", "{}"),
            message_id(carts, "a", "{}"),
            message_id(orders, "b", "{}"),
            message_id(orders, "a", "{ }"),
            message_id(orders, "a{", "}"),
        ];
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(id.len(), 32);
            assert!(!ids[..n].contains(id), "{n}");
        }
        assert_eq!(message_id(orders, "a", "{}"), ids[0]);
    }
}
