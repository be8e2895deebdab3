//! Checks the fields of requests to the message queue: names, ids, payloads, timeouts. Must not know the queue.

use std::time::Duration;

use serde_json::value::RawValue;
use tonic::Status;

use super::error;
use ordershop_contract::message_queue::QueueName;

/// Longest `service.function`: two names of 64 bytes and a dot.
const FUNCTION_BYTES_MAX: usize = 129;
/// Longest message id, characters; a created entity's id derives from it.
const MSG_ID_CHARS_MAX: usize = 128;
/// Longest wait, seconds.
const TIMEOUT_S_MAX: i32 = 3_600;

/// The queue of a function.
pub(super) fn queue(service: &str, function: &str) -> Result<QueueName, Status> {
    QueueName::named(service, function).map_err(|error| error::of_name(&error))
}

/// `service.function` of names that are only looked up, so that arbitrary ones are not interned.
pub(super) fn function(service: &str, function: &str) -> Result<String, Status> {
    if service.len() + function.len() < FUNCTION_BYTES_MAX {
        return Ok(format!("{service}.{function}"));
    }
    Err(Status::invalid_argument(format!(
        "service_name and func_name must have less than {FUNCTION_BYTES_MAX} characters together"
    )))
}

/// Checks the id of a message that was sent before.
pub(super) fn known_msg_id(given: String) -> Result<String, Status> {
    if given.is_empty() {
        return Err(Status::invalid_argument("msg_id is missing"));
    }
    msg_id(given)
}

/// Checks a message id; generates one if it is empty.
pub(super) fn msg_id(given: String) -> Result<String, Status> {
    if given.is_empty() {
        return Ok(uuid::Uuid::now_v7().simple().to_string());
    }
    if given.len() > MSG_ID_CHARS_MAX || !given.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Status::invalid_argument(format!(
            "msg_id must have at most {MSG_ID_CHARS_MAX} characters, visible ASCII only"
        )));
    }
    Ok(given)
}

/// Checks that a payload is JSON.
pub(super) fn payload(text: String) -> Result<Box<RawValue>, Status> {
    RawValue::from_string(text)
        .map_err(|error| Status::invalid_argument(format!("the payload is not JSON: {error}")))
}

/// Checks a timeout: 0 to 3,600 seconds.
pub(super) fn timeout(seconds: i32) -> Result<Duration, Status> {
    match u64::try_from(seconds) {
        Ok(s) if seconds <= TIMEOUT_S_MAX => Ok(Duration::from_secs(s)),
        _ => Err(Status::invalid_argument(format!(
            "timeout is {seconds}; it must be 0 (don't wait) to {TIMEOUT_S_MAX} seconds"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_from_none_to_an_hour() {
        assert_eq!(timeout(0).unwrap(), Duration::ZERO);
        assert_eq!(timeout(3_600).unwrap(), Duration::from_secs(3_600));
        for absurd in [-1, i32::MIN, 3_601, i32::MAX] {
            let refused = timeout(absurd).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
    }

    #[test]
    fn an_id_is_kept_or_made() {
        assert_eq!(msg_id("a-1".into()).unwrap(), "a-1");
        assert_ne!(
            msg_id(String::new()).unwrap(),
            msg_id(String::new()).unwrap()
        );
        for bad in ["a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(msg_id(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
