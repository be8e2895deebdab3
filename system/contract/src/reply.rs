//! Replies on the message queue: `{"result": …, "positions": …}` or `{"error": …, "status": …}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::now_us;
use crate::correlation::{AppendTimes, HandlerTimes};
use crate::message_queue::{Answer, Delivery};
use crate::position::Positions;
use crate::wire::json;

/// A successful reply.
#[derive(Debug, Serialize)]
pub struct Reply<T> {
    /// The result.
    pub result: T,
    /// The positions that a reader must have reached to see the changes.
    #[serde(skip_serializing_if = "Positions::is_empty")]
    pub positions: Positions,
    /// The times of the append, for a sampled request that wrote something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<AppendTimes>,
}

/// Adds the times of handling to the replies to sampled requests, errors included.
pub fn tell_times(batch: &[Delivery], answers: &mut [Answer]) {
    for (delivery, answer) in batch.iter().zip(answers) {
        if let (Some(times), Answer::Reply(reply)) = (delivery.correlation.times, answer)
            && delivery.wants_reply
            && let Some(open) = reply.get().strip_suffix('}')
        {
            let handler = json(&HandlerTimes {
                received_at_us: times.received_at_us,
                answered_at_us: now_us(),
            });
            if let Ok(told) = RawValue::from_string(format!("{open},\"handler\":{handler}}}")) {
                *reply = told;
            }
        }
    }
}

/// What kind of refusal or failure a reply is. On the wire it is a number, [`ReplyStatus::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u16", from = "u16")]
pub enum ReplyStatus {
    /// The request itself is wrong.
    Invalid,
    /// The entity that it names doesn't exist.
    NotFound,
    /// The present state forbids it.
    Conflict,
    /// It is to change a version that is no longer the present one.
    PreconditionFailed,
    /// It refers to another entity that doesn't exist or doesn't fit.
    BadReference,
    /// The service is at fault.
    Failed,
    /// Something can't be reached, is behind or is overloaded: trying again may help.
    Unavailable,
}

impl ReplyStatus {
    const ALL: [Self; 7] = [
        Self::Invalid,
        Self::NotFound,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::BadReference,
        Self::Failed,
        Self::Unavailable,
    ];

    /// The number that stands for it in a reply.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::BadReference => 422,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }
}

impl From<ReplyStatus> for u16 {
    fn from(status: ReplyStatus) -> Self {
        status.code()
    }
}

/// A foreign service may send any number: an unknown one from 400 to 499 counts as 400, any other as 500.
impl From<u16> for ReplyStatus {
    fn from(code: u16) -> Self {
        let known = Self::ALL.into_iter().find(|status| status.code() == code);
        known.unwrap_or(match code {
            400..=499 => Self::Invalid,
            _ => Self::Failed,
        })
    }
}

#[derive(Serialize)]
struct ErrorReply<'a> {
    error: &'a str,
    status: ReplyStatus,
}

/// An error reply, with its status.
#[must_use]
pub fn error_reply(error: &str, status: ReplyStatus) -> Box<RawValue> {
    json(&ErrorReply { error, status })
}

#[cfg(test)]
mod tests {
    use super::ReplyStatus;

    #[test]
    fn an_unknown_number_counts_as_the_clients_or_the_services_fault() {
        for status in ReplyStatus::ALL {
            assert_eq!(ReplyStatus::from(status.code()), status);
        }
        assert_eq!(ReplyStatus::from(418), ReplyStatus::Invalid);
        assert_eq!(ReplyStatus::from(599), ReplyStatus::Failed);
    }
}
