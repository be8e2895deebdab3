//! One batch of a worker: turns queued messages into deliveries, and answers into commands for Redis. Pure: sends nothing.

use std::time::{Instant, SystemTime};

use redis::Cmd;
use serde_json::value::RawValue;

use super::clock::RedisClock;
use super::config::QueueConfig;
use super::envelope::{Envelope, ReplyEnvelope, dead_letter, error_payload};
use super::keys::QueueKeys;
use super::scripts::Leftovers;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};

/// An unanswered delivery.
#[derive(Debug)]
struct Unanswered {
    id: String,
    raw: Vec<u8>,
    /// Index in `reply_lists`; `None` if no caller waits.
    reply_list: Option<usize>,
    /// Whether the outcome is kept.
    kept: bool,
}

/// The messages in a worker's processing list.
#[derive(Debug, Default)]
pub(super) struct Batch {
    unanswered: Vec<Unanswered>,
    /// The distinct reply lists: few, as there is one a calling process.
    reply_lists: Vec<String>,
    /// Malformed messages, encoded as dead letters already.
    garbage: Vec<Vec<u8>>,
    /// The number of messages whose callers have given up: they are not delivered.
    expired: usize,
}

/// The effects of a batch's answers.
#[derive(Debug, Default)]
pub(super) struct BatchOutcome {
    /// A push for each reply list, and an expiry if it is that of another process.
    pub replies: Vec<Cmd>,
    /// The number of messages, in the processing list.
    pub messages: usize,
    pub leftovers: Leftovers,
}

impl Batch {
    /// Parses the messages; malformed ones are kept as dead letters, and those whose callers have given up are left out.
    pub(super) fn read(
        queue: QueueName,
        messages: Vec<Vec<u8>>,
        clock: &RedisClock,
    ) -> (Self, Vec<Delivery>) {
        let now = Instant::now();
        let mut batch = Self {
            unanswered: Vec::with_capacity(messages.len()),
            ..Self::default()
        };
        let mut deliveries = Vec::with_capacity(messages.len());
        for raw in messages {
            match Envelope::parse(&raw) {
                Ok(envelope) => {
                    let deadline = (envelope.deadline_ms > 0)
                        .then(|| clock.instant_of(envelope.deadline_ms))
                        .flatten();
                    let delivery = envelope.delivery(deadline);
                    if delivery.is_late(now) {
                        batch.expired += 1;
                        continue;
                    }
                    let reply_list = batch.reply_list(&envelope.reply_to);
                    batch.unanswered.push(Unanswered {
                        id: delivery.message_id.clone(),
                        reply_list,
                        kept: envelope.kept,
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

    /// The number of messages in the processing list.
    pub(super) fn messages(&self) -> usize {
        self.unanswered.len() + self.garbage.len() + self.expired
    }

    /// The number of messages that were left out because their callers have given up.
    pub(super) fn expired(&self) -> usize {
        self.expired
    }

    /// Turns the answers (one a delivery, in their order) into their effects. This process's `own_list` needs no expiry from its own workers:
    /// while it lives it reads the list, and whoever ends or recovers one of them sets it.
    pub(super) fn answer(
        self,
        queue: QueueName,
        keys: &QueueKeys,
        answers: Vec<Answer>,
        own_list: &str,
        config: &QueueConfig,
    ) -> BatchOutcome {
        let messages = self.messages();
        let mut pushes: Vec<Option<Cmd>> = self.reply_lists.iter().map(|_| None).collect();
        let mut leftovers = Leftovers {
            dead: self.garbage,
            ..Leftovers::default()
        };
        let mut retry_reason = None;
        let mut buffer = Vec::new();
        for (message, answer) in self.unanswered.into_iter().zip(answers) {
            let payload = match answer {
                Answer::Reply(payload) => Some(payload),
                Answer::Retry(reason) => {
                    leftovers.retries.extend(again(&message.raw, config));
                    // A caller that waits gives up by itself; what was accepted is told of.
                    if message.reply_list.is_none() {
                        retry_reason = Some(reason);
                    }
                    None
                }
                Answer::DeadLetter(reason) => Some(bury(queue, &message, &reason, &mut leftovers)),
            };
            if let (Some(payload), true) = (&payload, message.kept) {
                let outcome = (keys.outcome(&message.id), payload.clone());
                leftovers.outcomes.push(outcome);
            }
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
            let Some(push) = push else { continue };
            replies.push(push);
            if list != own_list {
                let mut expire = redis::cmd("EXPIRE");
                expire.arg(list).arg(config.reply_ttl_s);
                replies.push(expire);
            }
        }
        BatchOutcome {
            replies,
            messages,
            leftovers,
        }
    }
}

/// The delay and the message for one more delivery. It was parsed before, so there always is one.
fn again(raw: &[u8], config: &QueueConfig) -> Option<(u64, Vec<u8>)> {
    let mut envelope = Envelope::parse(raw).ok()?;
    envelope.redeliveries = envelope.redeliveries.saturating_add(1);
    // It was answered: the deaths before were not its fault.
    envelope.deaths = 0;
    let delay_ms = config.retry_delay_ms(envelope.redeliveries);
    Some((delay_ms, envelope.encode()))
}

/// Adds a dead letter; returns the error reply.
fn bury(
    queue: QueueName,
    message: &Unanswered,
    reason: &str,
    leftovers: &mut Leftovers,
) -> Box<RawValue> {
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
    use std::time::Duration;

    use super::*;

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

    fn read(messages: Vec<Vec<u8>>) -> (Batch, Vec<Delivery>) {
        Batch::read(QUEUE, messages, &RedisClock::default())
    }

    fn answer(batch: Batch, answers: Vec<Answer>) -> BatchOutcome {
        let keys = QueueKeys::new(QUEUE);
        batch.answer(QUEUE, &keys, answers, "a", &QueueConfig::default())
    }

    #[test]
    fn replies_to_one_caller_share_a_push_and_those_to_another_process_expire() {
        let messages = vec![
            message("1", "a", 0),
            message("2", "b", 0),
            message("3", "a", 0),
            message("4", "", 0),
        ];
        let (batch, deliveries) = read(messages);
        let wants: Vec<bool> = deliveries.iter().map(|d| d.wants_reply).collect();
        let answers = vec![reply("11"), reply("22"), reply("33"), reply("44")];
        let outcome = answer(batch, answers);
        assert_eq!(wants, [true, true, true, false]);
        assert_eq!((outcome.replies.len(), outcome.messages), (3, 4));
        let first = text(&outcome.replies[0]);
        assert!(
            first.contains(r#"{"id":"1","payload":11}"#)
                && first.contains(r#"{"id":"3","payload":33}"#),
            "{first}"
        );
        assert!(text(&outcome.replies[2]).contains("EXPIRE\r\n$1\r\nb"));
        let left = outcome.leftovers;
        assert!(left.retries.is_empty() && left.dead.is_empty() && left.outcomes.is_empty());
    }

    #[test]
    fn a_retry_counts_up_and_never_ends() {
        let (batch, _) = read(vec![message("1", "a", 1), message("2", "a", 2_000_000)]);
        let answers = vec![Answer::Retry("away".into()), Answer::Retry("away".into())];
        let outcome = answer(batch, answers);
        let retries = outcome.leftovers.retries;
        assert_eq!((retries[0].0, retries[1].0), (200, 1_000));
        assert!(retries[0].1.starts_with(br#"{"redeliveries":2,"id":"1""#));
        assert!(retries[1].1.starts_with(br#"{"redeliveries":2000001,"#));
        assert!(outcome.leftovers.dead.is_empty() && outcome.replies.is_empty());
    }

    #[test]
    fn garbage_is_kept_back_as_a_dead_letter() {
        let (batch, deliveries) = read(vec![b"nonsense".to_vec()]);
        assert!(deliveries.is_empty());
        assert_eq!((batch.deliveries(), batch.messages()), (0, 1));
        let outcome = answer(batch, Vec::new());
        assert!(String::from_utf8_lossy(&outcome.leftovers.dead[0]).contains("nonsense"));
    }

    #[test]
    fn whatever_came_too_late_is_not_delivered_but_taken_off() {
        let clock = RedisClock::default();
        let asked = Instant::now();
        clock.told(asked, 50_000);
        let until = |id: &str, ms: u64| {
            let text = String::from_utf8(message(id, "a", 0)).unwrap();
            text.replace(r#""payload""#, &format!(r#""deadline_ms":{ms},"payload""#))
                .into_bytes()
        };
        let messages = vec![until("late", 49_999), until("in time", 90_000)];
        let (batch, deliveries) = Batch::read(QUEUE, messages, &clock);
        assert_eq!((batch.expired(), batch.deliveries()), (1, 1));
        assert_eq!(deliveries[0].message_id, "in time");
        assert_eq!(
            deliveries[0].deadline,
            Some(asked + Duration::from_secs(40))
        );

        let (all_late, deliveries) = Batch::read(QUEUE, vec![until("late", 1)], &clock);
        assert!(deliveries.is_empty() && all_late.messages() == 1);
    }

    #[test]
    fn outcomes_are_kept_of_the_messages_that_ask_for_it() {
        let kept = |id: &str| {
            let text = String::from_utf8(message(id, "", 0)).unwrap();
            text.replace(r#""payload""#, r#""kept":true,"payload""#)
                .into_bytes()
        };
        let (batch, _) = read(vec![kept("1"), message("2", "", 0), kept("3"), kept("4")]);
        let answers = vec![
            reply("11"),
            reply("22"),
            Answer::Retry("away".into()),
            Answer::DeadLetter("no".into()),
        ];
        let outcomes: Vec<(String, String)> = answer(batch, answers)
            .leftovers
            .outcomes
            .into_iter()
            .map(|(key, outcome)| (key, outcome.get().to_owned()))
            .collect();
        let expected = [
            ("mq:{s.f}:outcome:1", "11"),
            ("mq:{s.f}:outcome:4", r#"{"error":"no"}"#),
        ];
        assert_eq!(
            outcomes,
            expected.map(|(k, o)| (k.to_owned(), o.to_owned()))
        );
    }
}
