//! The sagas' mails: one an event, because the message's id is derived from the event's id.

use ordershop_domain::Mail;
use serde::Serialize;

use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::message_queue::OutgoingMessage;
use ordershop_contract::queue_names::SEND_MAIL;
use ordershop_contract::wire::json;

#[derive(Serialize)]
struct SendMailPayload<'a> {
    params: SendMailParams<'a>,
}

#[derive(Serialize)]
struct SendMailParams<'a> {
    to: &'a str,
    msg: &'a str,
}

/// The message that sends a mail because of an event. `suffix` tells apart the mails of one event.
pub fn mail_of(event: &RecordedEvent, suffix: &str, mail: &Mail) -> OutgoingMessage {
    OutgoingMessage {
        to: SEND_MAIL,
        message_id: format!("{}.{suffix}", event.event_id),
        payload: json(&SendMailPayload {
            params: SendMailParams {
                to: &mail.recipient,
                msg: &mail.message,
            },
        }),
        correlation: event.correlation.caused_by(event.event_id.clone()),
    }
}
