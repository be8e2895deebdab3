//! One batch of a worker: turns queued messages into deliveries, and answers into commands for Redis. Pure: sends nothing.

use std::time::SystemTime;

use redis::Cmd;

use super::config::QueueConfig;
use super::envelope::{Envelope, ReplyEnvelope, dead_letter, error_payload};
use super::scripts::Leftovers;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};

/// An unanswered delivery.
#[derive(Debug)]
struct Unanswered {
    id: String,
    raw: Vec<u8>,
    /// Index in `reply_lists`; `None` if no caller waits.
    reply_list: Option<usize>,
}

/// The messages in a worker's processing list.
#[derive(Debug, Default)]
pub(super) struct Batch {
    unanswered: Vec<Unanswered>,
    /// The distinct reply lists: few, as there is one a calling process.
    reply_lists: Vec<String>,
    /// Malformed messages, encoded as dead letters already.
    garbage: Vec<Vec<u8>>,
}

/// The effects of a batch's answers.
#[derive(Debug, Default)]
pub(super) struct BatchOutcome {
    /// A push and an expiry for each reply list.
    pub replies: Vec<Cmd>,
    pub leftovers: Leftovers,
}

impl Batch {
    /// Parses the messages; malformed ones are kept as dead letters.
    pub(super) fn read(queue: QueueName, messages: Vec<Vec<u8>>) -> (Self, Vec<Delivery>) {
        let mut batch = Self {
            unanswered: Vec::with_capacity(messages.len()),
            ..Self::default()
        };
        let mut deliveries = Vec::with_capacity(messages.len());
        for raw in messages {
            match Envelope::parse(&raw) {
                Ok(envelope) => {
                    let delivery = envelope.delivery();
                    let reply_list = batch.reply_list(&envelope.reply_to);
                    batch.unanswered.push(Unanswered {
                        id: delivery.message_id.clone(),
                        reply_list,
                        raw,
                    });
                    deliveries.push(delivery);
                }
                Err(error) => {
                    let reason = format!("not a message: {error}");
                    tracing::warn!(%queue, reason, "dead letter");
                    batch.garbage.push(dead_letter(&reason, &raw, now_ms()));
                }
            }
        }
        (batch, deliveries)
    }

    fn reply_list(&mut self, reply_to: &str) -> Option<usize> {
        if reply_to.is_empty() {
            return None;
        }
        let known = self.reply_lists.iter().position(|list| list == reply_to);
        Some(known.unwrap_or_else(|| {
            self.reply_lists.push(reply_to.to_owned());
            self.reply_lists.len() - 1
        }))
    }

    /// The number of answers that the batch needs.
    pub(super) fn deliveries(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether the processing list is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty() && self.garbage.is_empty()
    }

    /// Turns the answers (one a delivery, in their order) into their effects.
    pub(super) fn answer(
        self,
        queue: QueueName,
        answers: Vec<Answer>,
        config: &QueueConfig,
    ) -> BatchOutcome {
        let mut pushes: Vec<Option<Cmd>> = self.reply_lists.iter().map(|_| None).collect();
        let mut leftovers = Leftovers {
            retries: Vec::new(),
            dead: self.garbage,
        };
        let mut retry_reason = None;
        let mut buffer = Vec::new();
        for (message, answer) in self.unanswered.into_iter().zip(answers) {
            let payload = match answer {
                Answer::Reply(payload) => Some(payload),
                Answer::Retry(reason) => match again(&message.raw, config) {
                    Some(retry) => {
                        leftovers.retries.push(retry);
                        retry_reason = Some(reason);
                        None
                    }
                    None => Some(bury(
                        queue,
                        &message,
                        &format!("gave up after {} retries: {reason}", config.retries_max),
                        &mut leftovers,
                    )),
                },
                Answer::DeadLetter(reason) => Some(bury(queue, &message, &reason, &mut leftovers)),
            };
            if let (Some(payload), Some(at)) = (payload, message.reply_list) {
                ReplyEnvelope::encode_into(&message.id, &payload, &mut buffer);
                let push = pushes[at].get_or_insert_with(|| {
                    let mut push = redis::cmd("RPUSH");
                    push.arg(&self.reply_lists[at]);
                    push
                });
                push.arg(&buffer[..]);
            }
        }
        if let Some(reason) = retry_reason {
            tracing::warn!(%queue, messages = leftovers.retries.len(), reason, "messages are delivered again after a delay");
        }
        let mut replies = Vec::with_capacity(2 * pushes.len());
        for (list, push) in self.reply_lists.iter().zip(pushes) {
            if let Some(push) = push {
                let mut expire = redis::cmd("EXPIRE");
                expire.arg(list).arg(config.reply_ttl_s);
                replies.extend([push, expire]);
            }
        }
        BatchOutcome { replies, leftovers }
    }
}

/// The delay and the message for one more delivery; `None` if it was the last.
fn again(raw: &[u8], config: &QueueConfig) -> Option<(u64, Vec<u8>)> {
    let mut envelope = Envelope::parse(raw).ok()?;
    envelope.redeliveries += 1;
    (envelope.redeliveries <= config.retries_max).then(|| {
        (
            config.retry_delay_ms(envelope.redeliveries),
            envelope.encode(),
        )
    })
}

/// Adds a dead letter; returns the error reply.
fn bury(
    queue: QueueName,
    message: &Unanswered,
    reason: &str,
    leftovers: &mut Leftovers,
) -> Box<serde_json::value::RawValue> {
    tracing::warn!(%queue, message_id = message.id, reason, "dead letter");
    leftovers
        .dead
        .push(dead_letter(reason, &message.raw, now_ms()));
    error_payload(reason)
}

/// The present time, ms. It is only information for people who read dead letters.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    const QUEUE: QueueName = QueueName {
        service: "s",
        function: "f",
    };

    fn message(id: &str, reply_to: &str, redeliveries: u32) -> Vec<u8> {
        format!(
            r#"{{"redeliveries":{redeliveries},"id":"{id}","reply_to":"{reply_to}","correlation_id":"c","causation_id":"k","payload":1}}"#
        )
        .into_bytes()
    }

    fn reply(json: &str) -> Answer {
        Answer::Reply(RawValue::from_string(json.into()).unwrap())
    }

    fn text(cmd: &Cmd) -> String {
        String::from_utf8(cmd.get_packed_command()).unwrap()
    }

    #[test]
    fn replies_to_one_caller_share_a_push_and_the_forgotten_get_none() {
        let messages = vec![
            message("1", "a", 0),
            message("2", "b", 0),
            message("3", "a", 0),
            message("4", "", 0),
        ];
        let (batch, deliveries) = Batch::read(QUEUE, messages);
        let wants: Vec<bool> = deliveries.iter().map(|d| d.wants_reply).collect();
        let answers = vec![reply("11"), reply("22"), reply("33"), reply("44")];
        let outcome = batch.answer(QUEUE, answers, &QueueConfig::default());
        assert_eq!(wants, [true, true, true, false]);
        assert_eq!(outcome.replies.len(), 4);
        let first = text(&outcome.replies[0]);
        assert!(
            first.contains(r#"{"id":"1","payload":11}"#)
                && first.contains(r#"{"id":"3","payload":33}"#),
            "{first}"
        );
        assert!(text(&outcome.replies[1]).contains("EXPIRE"));
        assert!(outcome.leftovers.retries.is_empty() && outcome.leftovers.dead.is_empty());
    }

    #[test]
    fn a_retry_counts_up_until_it_is_buried() {
        let config = QueueConfig {
            retries_max: 2,
            ..QueueConfig::default()
        };
        let (batch, _) = Batch::read(QUEUE, vec![message("1", "a", 1), message("2", "a", 2)]);
        let answers = vec![Answer::Retry("away".into()), Answer::Retry("away".into())];
        let outcome = batch.answer(QUEUE, answers, &config);
        let (delay_ms, retry) = &outcome.leftovers.retries[0];
        assert_eq!(*delay_ms, 200);
        assert!(retry.starts_with(br#"{"redeliveries":2,"id":"1""#));
        assert_eq!(outcome.leftovers.dead.len(), 1);
        assert!(text(&outcome.replies[0]).contains("gave up after 2 retries: away"));
    }

    #[test]
    fn garbage_is_kept_back_as_a_dead_letter() {
        let (batch, deliveries) = Batch::read(QUEUE, vec![b"nonsense".to_vec()]);
        assert!(deliveries.is_empty() && !batch.is_empty());
        assert_eq!(batch.deliveries(), 0);
        let outcome = batch.answer(QUEUE, Vec::new(), &QueueConfig::default());
        assert!(String::from_utf8_lossy(&outcome.leftovers.dead[0]).contains("nonsense"));
    }
}
