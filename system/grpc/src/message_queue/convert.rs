//! Converts the message queue's types to messages and back. Input from outside is checked here, once.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::correlation::{correlation, to_correlation};
use crate::peer_clock::{self, PeerClock};
use crate::proto::ordershop as proto;
use ordershop_contract::dead_letters::{DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::{
    Answer, Delivery, MessageOutcome, OutgoingMessage, QueueError, QueueName,
};

use proto::queue_error::Kind;

fn json(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into_string()
}

/// Parses JSON, or says why the text isn't JSON.
fn to_json(name: &str, json: String) -> Result<Box<RawValue>, String> {
    RawValue::from_string(json).map_err(|error| format!("{name} is not JSON: {error}"))
}

pub(super) fn queue_name(queue: QueueName) -> proto::QueueName {
    proto::QueueName {
        service: queue.service.to_owned(),
        function: queue.function.to_owned(),
    }
}

/// Checks a queue's name, or says what is wrong with it; a missing name is an error.
pub(super) fn to_queue_name(queue: Option<proto::QueueName>) -> Result<QueueName, String> {
    let queue = queue.ok_or("a queue's name is missing")?;
    QueueName::named(&queue.service, &queue.function).map_err(|error| error.to_string())
}

/// A message's approximate size on the wire, bytes.
pub(super) fn size(message: &OutgoingMessage) -> usize {
    200 + message.payload.get().len()
}

pub(super) fn message(message: OutgoingMessage) -> proto::Message {
    proto::Message {
        to: Some(queue_name(message.to)),
        message_id: message.message_id,
        payload: json(message.payload),
        correlation: Some(correlation(message.correlation)),
    }
}

/// Checks a message, or says what is wrong with it.
pub(super) fn to_message(message: proto::Message) -> Result<OutgoingMessage, String> {
    if message.message_id.is_empty() {
        return Err("a message's id is missing".to_owned());
    }
    Ok(OutgoingMessage {
        to: to_queue_name(message.to)?,
        message_id: message.message_id,
        payload: to_json("a message's payload", message.payload)?,
        correlation: to_correlation(message.correlation),
    })
}

pub(super) fn deliveries(deliveries: Vec<Delivery>) -> proto::Deliveries {
    let now = Instant::now();
    let remaining = |deadline: Instant| {
        let remaining = deadline.saturating_duration_since(now).as_millis();
        u32::try_from(remaining).unwrap_or(u32::MAX)
    };
    let deliveries = deliveries.into_iter().map(|delivery| proto::Delivery {
        remaining_ms: delivery.deadline.map(remaining),
        message_id: delivery.message_id,
        payload: json(delivery.payload),
        correlation: Some(correlation(delivery.correlation)),
        wants_reply: delivery.wants_reply,
        redeliveries: delivery.redeliveries,
    });
    proto::Deliveries {
        deliveries: deliveries.collect(),
        sent_at_ms: peer_clock::now_ms(),
    }
}

/// `clock` is the server's.
pub(super) fn to_deliveries(
    deliveries: proto::Deliveries,
    clock: &mut PeerClock,
) -> Result<Vec<Delivery>, QueueError> {
    let age = clock.arrived(deliveries.sent_at_ms, peer_clock::now_ms());
    let now = Instant::now();
    // A time before this machine's start is long past, too.
    let sent_at = now.checked_sub(age).unwrap_or(now);
    let deliveries = deliveries.deliveries.into_iter().map(|delivery| {
        Ok(Delivery {
            message_id: delivery.message_id,
            payload: to_json("a delivery", delivery.payload).map_err(QueueError::Unavailable)?,
            correlation: to_correlation(delivery.correlation),
            wants_reply: delivery.wants_reply,
            redeliveries: delivery.redeliveries,
            deadline: delivery
                .remaining_ms
                .map(|ms| sent_at + Duration::from_millis(ms.into())),
        })
    });
    deliveries.collect()
}

pub(super) fn answers(answers: Vec<Answer>) -> Vec<proto::Answer> {
    let answers = answers.into_iter().map(|answer| proto::Answer {
        answer: Some(match answer {
            Answer::Reply(reply) => proto::answer::Answer::Reply(json(reply)),
            Answer::Retry(reason) => proto::answer::Answer::Retry(reason),
            Answer::DeadLetter(reason) => proto::answer::Answer::DeadLetter(reason),
        }),
    });
    answers.collect()
}

/// Checks answers, or says what is wrong with them.
pub(super) fn to_answers(answers: Vec<proto::Answer>) -> Result<Vec<Answer>, String> {
    let answers = answers.into_iter().map(|answer| match answer.answer {
        Some(proto::answer::Answer::Reply(reply)) => Ok(Answer::Reply(to_json("a reply", reply)?)),
        Some(proto::answer::Answer::Retry(reason)) => Ok(Answer::Retry(reason)),
        Some(proto::answer::Answer::DeadLetter(reason)) => Ok(Answer::DeadLetter(reason)),
        None => Err("an answer is empty; set one of its fields".to_owned()),
    });
    answers.collect()
}

pub(super) fn outcome(outcome: Option<MessageOutcome>) -> proto::OutcomeReply {
    use proto::outcome_reply::Outcome as Known;
    proto::OutcomeReply {
        outcome: outcome.map(|outcome| match outcome {
            MessageOutcome::Pending => Known::Pending(true),
            MessageOutcome::Answered(reply) => Known::Reply(json(reply)),
        }),
    }
}

pub(super) fn to_outcome(reply: proto::OutcomeReply) -> Result<Option<MessageOutcome>, QueueError> {
    use proto::outcome_reply::Outcome as Known;
    Ok(match reply.outcome {
        None => None,
        Some(Known::Pending(_)) => Some(MessageOutcome::Pending),
        Some(Known::Reply(reply)) => {
            let reply = to_json("an outcome", reply).map_err(QueueError::Unavailable)?;
            Some(MessageOutcome::Answered(reply))
        }
    })
}

pub(super) fn dead_letter_request(request: DeadLetterRequest) -> proto::DeadLettersRequest {
    use proto::dead_letters_request::{List, Request};
    let request = match request {
        DeadLetterRequest::List { skip, limit } => Request::List(List {
            skip: skip as u64,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        }),
        DeadLetterRequest::Show(id) => Request::Show(id),
        DeadLetterRequest::Resend(id) => Request::Resend(id),
        DeadLetterRequest::Drop(id) => Request::Drop(id),
    };
    proto::DeadLettersRequest {
        request: Some(request),
    }
}

/// Checks a request, or says what is wrong with it.
pub(super) fn to_dead_letter_request(
    request: proto::DeadLettersRequest,
) -> Result<DeadLetterRequest, String> {
    use proto::dead_letters_request::Request;
    Ok(match request.request {
        None => return Err("the request has no field set".to_owned()),
        Some(Request::List(list)) => DeadLetterRequest::List {
            skip: usize::try_from(list.skip).unwrap_or(usize::MAX),
            limit: usize::try_from(list.limit).unwrap_or(usize::MAX),
        },
        Some(Request::Show(id)) => DeadLetterRequest::Show(id),
        Some(Request::Resend(id)) => DeadLetterRequest::Resend(id),
        Some(Request::Drop(id)) => DeadLetterRequest::Drop(id),
    })
}

pub(super) fn dead_letters(letters: Vec<DeadLetter>) -> proto::DeadLettersReply {
    let letters = letters
        .into_iter()
        .map(|letter| proto::dead_letters_reply::Letter {
            id: letter.id,
            reason: letter.reason,
            at_ms: letter.at_ms,
            content: letter.content,
        });
    proto::DeadLettersReply {
        letters: letters.collect(),
    }
}

pub(super) fn to_dead_letters(reply: proto::DeadLettersReply) -> Vec<DeadLetter> {
    let letters = reply.letters.into_iter().map(|letter| DeadLetter {
        id: letter.id,
        reason: letter.reason,
        at_ms: letter.at_ms,
        content: letter.content,
    });
    letters.collect()
}

pub(super) fn invalid(message: String) -> proto::QueueError {
    proto::QueueError {
        kind: Kind::Invalid.into(),
        message,
        ..proto::QueueError::default()
    }
}

pub(super) fn error(error: QueueError) -> proto::QueueError {
    let mut message = proto::QueueError {
        message: error.to_string(),
        ..proto::QueueError::default()
    };
    let kind = match error {
        QueueError::Unavailable(reason) => {
            message.message = reason;
            Kind::Unavailable
        }
        QueueError::Indeterminate(reason) => {
            message.message = reason;
            Kind::Indeterminate
        }
        QueueError::Timeout { queue, timeout_ms } => {
            message.queue = queue;
            message.timeout_ms = timeout_ms;
            Kind::Timeout
        }
        QueueError::NotBegun { queue, timeout_ms } => {
            message.queue = queue;
            message.timeout_ms = timeout_ms;
            Kind::NotBegun
        }
        QueueError::Overloaded {
            queue,
            depth,
            depth_max,
        } => {
            message.queue = queue;
            message.depth = depth;
            message.depth_max = depth_max;
            Kind::Overloaded
        }
        QueueError::Invalid(reason) => {
            message.message = reason;
            Kind::Invalid
        }
        QueueError::Closed => Kind::Closed,
    };
    message.set_kind(kind);
    message
}

/// A queue that shuts down may have had the message: another process will soon serve it.
pub(super) fn to_error(error: proto::QueueError) -> QueueError {
    match error.kind() {
        Kind::Timeout => QueueError::Timeout {
            queue: error.queue,
            timeout_ms: error.timeout_ms,
        },
        Kind::NotBegun => QueueError::NotBegun {
            queue: error.queue,
            timeout_ms: error.timeout_ms,
        },
        Kind::Indeterminate | Kind::Closed => QueueError::Indeterminate(error.message),
        Kind::Overloaded => QueueError::Overloaded {
            queue: error.queue,
            depth: error.depth,
            depth_max: error.depth_max,
        },
        Kind::Invalid => QueueError::Invalid(error.message),
        Kind::Unspecified | Kind::Unavailable => QueueError::Unavailable(error.message),
    }
}
