//! The JSON in the lists: envelopes, replies and dead letters. Payloads are copied as they are, neither parsed nor escaped.

use std::borrow::Cow;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::message_queue::{Delivery, OutgoingMessage};

/// A message in a queue. `redeliveries` must be the first field and `deaths` the second: the script that gives messages back counts there.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redeliveries: u32,
    /// How many workers ended while they held it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deaths: u32,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The reply list's key; empty if no caller waits. (Not an `Option`: serde would copy the string.)
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub reply_to: Cow<'a, str>,
    #[serde(borrow)]
    pub correlation_id: Cow<'a, str>,
    #[serde(borrow)]
    pub causation_id: Cow<'a, str>,
    /// Whether the reply must say when the message was handled (a sampled request).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
    /// When the caller gives up, by Redis's clock, ms; 0 if it isn't known or nobody waits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deadline_ms: u64,
    /// Whether the outcome is kept, for whoever asks for it later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    #[serde(borrow)]
    pub payload: &'a RawValue,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(raw)
    }

    /// A message that nobody waits for.
    pub(super) fn of(message: &'a OutgoingMessage) -> Self {
        Self {
            redeliveries: 0,
            deaths: 0,
            id: Cow::Borrowed(&message.message_id),
            reply_to: Cow::Borrowed(""),
            correlation_id: Cow::Borrowed(&message.correlation.correlation_id),
            causation_id: Cow::Borrowed(&message.correlation.causation_id),
            sampled: message.correlation.times.is_some(),
            deadline_ms: 0,
            kept: false,
            payload: &message.payload,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // 168 bytes: the fields' names, the punctuation and the deadline.
        let text_bytes = self.id.len() + self.reply_to.len() + self.correlation_id.len();
        let capacity = 168 + text_bytes + self.causation_id.len() + self.payload.get().len();
        let mut bytes = Vec::with_capacity(capacity);
        serde_json::to_writer(&mut bytes, self).expect("strings and raw JSON always serialize");
        bytes
    }

    pub(super) fn delivery(&self, deadline: Option<Instant>) -> Delivery {
        Delivery {
            message_id: self.id.clone().into_owned(),
            payload: self.payload.to_owned(),
            correlation: Correlation {
                correlation_id: self.correlation_id.clone().into_owned(),
                causation_id: self.causation_id.clone().into_owned(),
                times: self.sampled.then(Times::default),
            },
            wants_reply: !self.reply_to.is_empty(),
            redeliveries: self.redeliveries,
            deadline,
        }
    }
}

/// A reply in a caller's list.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReplyEnvelope<'a> {
    /// The id of the answered message.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub payload: &'a RawValue,
}

impl<'a> ReplyEnvelope<'a> {
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(raw)
    }

    /// Overwrites `buffer` with a reply.
    pub(super) fn encode_into(id: &str, payload: &RawValue, buffer: &mut Vec<u8>) {
        buffer.clear();
        let reply = ReplyEnvelope {
            id: Cow::Borrowed(id),
            payload,
        };
        serde_json::to_writer(buffer, &reply).expect("strings and raw JSON always serialize");
    }
}

/// The payload of an error reply.
pub(super) fn error_payload(reason: &str) -> Box<RawValue> {
    #[derive(Serialize)]
    struct FailureReply<'a> {
        error: &'a str,
    }
    serde_json::value::to_raw_value(&FailureReply { error: reason })
        .expect("a string always serializes")
}

/// Encodes a dead letter: the reason, the time and the message (a string, as it may be malformed). The script that gives messages back
/// writes the same form.
pub(super) fn dead_letter(reason: &str, raw: &[u8], at_ms: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct EncodedLetter<'a> {
        reason: &'a str,
        at_ms: u64,
        message: Cow<'a, str>,
    }
    let letter = EncodedLetter {
        reason,
        at_ms,
        message: String::from_utf8_lossy(raw),
    };
    serde_json::to_vec(&letter).expect("strings always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(payload: &RawValue) -> Envelope<'_> {
        Envelope {
            redeliveries: 0,
            deaths: 0,
            id: "m\"1".into(),
            reply_to: "".into(),
            correlation_id: "c".into(),
            causation_id: "k".into(),
            sampled: false,
            deadline_ms: 0,
            kept: false,
            payload,
        }
    }

    #[test]
    fn an_envelope_comes_back_as_it_was_with_its_payload_untouched() {
        let payload = RawValue::from_string(r#"{"params": [1,  "ä/"]}"#.into()).unwrap();
        let bytes = Envelope {
            reply_to: "mq:reply:{x}".into(),
            ..envelope(&payload)
        }
        .encode();
        let back = Envelope::parse(&bytes).unwrap();
        assert_eq!(back.id, "m\"1");
        assert_eq!(back.reply_to, "mq:reply:{x}");
        assert_eq!(back.payload.get(), payload.get());
        assert!(back.delivery(None).wants_reply);
    }

    #[test]
    fn redeliveries_and_deaths_stand_first_where_there_are_any() {
        let payload = RawValue::from_string("1".into()).unwrap();
        let fresh = envelope(&payload).encode();
        assert!(fresh.starts_with(br#"{"id":"#));
        let again = Envelope {
            redeliveries: 2,
            deaths: 1,
            ..envelope(&payload)
        }
        .encode();
        assert!(again.starts_with(br#"{"redeliveries":2,"deaths":1,"id":"#));
        let again = Envelope::parse(&again).unwrap().delivery(None);
        assert_eq!((again.redeliveries, again.wants_reply), (2, false));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for garbage in [
            &b"hello"[..],
            b"{}",
            b"",
            b"{\"id\":\"x\"}",
            b"\xff\xfe",
            b"[1]",
        ] {
            assert!(Envelope::parse(garbage).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn a_dead_letter_holds_any_bytes() {
        let letter = dead_letter("bad \"json\"", b"\xffx", 7);
        let value: serde_json::Value = serde_json::from_slice(&letter).unwrap();
        assert_eq!(value["reason"], "bad \"json\"");
        assert_eq!(value["at_ms"], 7);
        assert_eq!(value["message"], "\u{fffd}x");
    }
}
