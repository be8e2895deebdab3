//! The mail service: records each mail once, as an event. It sends none to the outside.

use std::sync::Arc;

use async_trait::async_trait;
use ordershop_domain::{Mail, Rejection};
use serde::Deserialize;

use super::command_error::CommandError;
use ordershop_contract::event_store::{
    Appended, EventStoreError, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::SEND_MAIL;
use ordershop_contract::reply::Reply;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{action, json};
use ordershop_contract::worker::{QueueHandler, ServiceContext, run_worker};

const WORKERS: usize = 1;

/// Handles `send`.
pub struct MailService {
    context: ServiceContext,
}

#[derive(Deserialize)]
struct MailPayload {
    params: MailParams,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailParams {
    to: String,
    msg: String,
}

impl MailService {
    /// Starts the workers.
    pub fn start(context: &ServiceContext) {
        let handler: Arc<dyn QueueHandler> = Arc::new(Self {
            context: context.clone(),
        });
        run_worker(context, SEND_MAIL, WORKERS, &handler);
    }

    async fn send(&self, batch: &[Delivery]) -> Result<Vec<Answer>, EventStoreError> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut sent = Vec::new();
        let mut transactions = Vec::new();
        for delivery in batch {
            match serde_json::from_str::<MailPayload>(delivery.payload.get()) {
                Ok(payload) => {
                    sent.push(answers.len());
                    answers.push(Answer::Retry(String::new()));
                    transactions.push(self.transaction(delivery, payload.params));
                }
                Err(error) if delivery.wants_reply => {
                    let rejection =
                        Rejection::Invalid(format!("params must be {{to, msg}}: {error}"));
                    answers.push(Answer::Reply(CommandError::from(rejection).reply()));
                }
                Err(error) => answers.push(Answer::DeadLetter(format!(
                    "params must be {{to, msg}}: {error}"
                ))),
            }
        }
        if transactions.is_empty() {
            return Ok(answers);
        }
        let partitions = transactions.iter().map(|mail| mail.partition);
        let partitions: Vec<Partition> = partitions.collect();
        let appended = self.context.events.append(transactions).await?;
        Failpoint::MailsRecorded.pass();
        for ((place, partition), appended) in sent.into_iter().zip(partitions).zip(appended) {
            // A conflict means that the message is a repeat: the mail is recorded already.
            let (Appended::Committed { position } | Appended::Conflict { position, .. }) = appended;
            answers[place] = Answer::Reply(json(&Reply {
                result: true,
                positions: Positions::of(partition, position),
                append: None,
            }));
        }
        Ok(answers)
    }

    fn transaction(&self, delivery: &Delivery, params: MailParams) -> Transaction {
        let mail = Mail {
            recipient: params.to,
            message: params.msg,
        };
        let sent = NewEvent {
            event_id: delivery.message_id.clone().into(),
            action: action::MAIL_SENT.into(),
            entity_id: delivery.message_id.clone().into(),
            expected: ExpectedVersion::NoStream,
            data: json(&mail),
            correlation: delivery.correlation.caused_by(delivery.message_id.clone()),
        };
        let partitions = self.context.events.partitions();
        Transaction::of(partitions.of(Topic::Mail, &delivery.message_id), vec![sent])
    }
}

#[async_trait]
impl QueueHandler for MailService {
    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        match self.send(batch).await {
            Ok(answers) => answers,
            // One of them can never be recorded: alone it shows which.
            Err(EventStoreError::Invalid(_)) if batch.len() > 1 => {
                let mut answers = Vec::with_capacity(batch.len());
                for delivery in batch {
                    answers.extend(self.handle(queue, std::slice::from_ref(delivery)).await);
                }
                answers
            }
            Err(error @ EventStoreError::Invalid(_)) => vec![Answer::DeadLetter(error.to_string())],
            Err(error) => batch
                .iter()
                .map(|_| Answer::Retry(error.to_string()))
                .collect(),
        }
    }
}
