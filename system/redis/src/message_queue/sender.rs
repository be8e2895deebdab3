//! The messages that this process sends. Messages that arrive while a pipeline is under way are sent with the next one, in a single push a
//! queue. No timer: an idle outbox sends at once. Knows nothing of replies except which caller to inform of a failure.

use std::sync::Arc;

use crate::replicas::ReplicasAsked;
use crate::shared_connection::SharedConnection;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{QueueError, QueueName};
use redis::{Cmd, Pipeline, Value};
use rustc_hash::FxHashMap;

use super::keys;
use super::outbox::{Messages, Outbox, Owner, Parcel, unsent};
use super::scripts;
use super::shared::QueueShared;
use crate::refusal;

/// Sends what nobody waits for replicas of, until the queue is closed.
pub(super) async fn run(shared: Arc<QueueShared>) {
    let (outbox, connection) = (&shared.outbox, shared.connection.clone());
    send_all(&shared, outbox, connection, ReplicasAsked::default()).await;
}

/// Sends what replicas must have, until the queue is closed.
pub(super) async fn run_replicated(shared: Arc<QueueShared>, connection: SharedConnection) {
    let outbox = &shared.replicated;
    send_all(&shared, outbox, connection, shared.config.replicas).await;
}

async fn send_all(
    shared: &QueueShared,
    outbox: &Outbox,
    connection: SharedConnection,
    replicas: ReplicasAsked,
) {
    let mut sender = Sender {
        connection,
        replicas,
        keys: FxHashMap::default(),
        was_broken: false,
    };
    let sending = async {
        loop {
            let parcels = outbox.next(shared.config.flush_messages_max).await;
            sender.send(shared, parcels).await;
        }
    };
    tokio::select! {
        () = sending => {}
        () = shared.closed.cancelled() => {}
    }
    for parcel in outbox.close() {
        tell(parcel.owner, shared, Err(QueueError::Closed));
    }
}

struct Sender {
    connection: SharedConnection,
    replicas: ReplicasAsked,
    keys: FxHashMap<QueueName, String>,
    was_broken: bool,
}

impl Sender {
    async fn send(&mut self, shared: &QueueShared, parcels: Vec<Parcel>) {
        let mut pushes: Vec<(QueueName, Cmd)> = Vec::new();
        let mut records: Vec<Cmd> = Vec::new();
        let mut owners: Vec<(usize, Owner)> = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            // A flush has few queues: a scan is quicker than a map.
            let at = pushes.iter().position(|(queue, _)| *queue == parcel.queue);
            let at = at.unwrap_or_else(|| {
                let key = self
                    .keys
                    .entry(parcel.queue)
                    .or_insert_with(|| keys::source(parcel.queue));
                let mut push = redis::cmd("RPUSH");
                push.arg(&*key);
                pushes.push((parcel.queue, push));
                pushes.len() - 1
            });
            match &parcel.messages {
                Messages::One(message) => {
                    pushes[at].1.arg(&message[..]);
                }
                Messages::Many(messages) => {
                    for message in messages {
                        pushes[at].1.arg(&message[..]);
                    }
                }
                Messages::Kept { key, message } => {
                    // An outcome that is there already is that of the same message, sent before.
                    let mut record = redis::cmd("SET");
                    record.arg(key).arg("").arg("NX");
                    records.push(record);
                    pushes[at].1.arg(&message[..]);
                }
            }
            owners.push((at, parcel.owner));
        }
        let mut pipeline = Pipeline::with_capacity(records.len() + pushes.len() + 1);
        // Before the messages: a worker may be quick.
        let recorded = records.len();
        for record in records {
            pipeline.add_command(record);
        }
        let mut queues = Vec::with_capacity(pushes.len());
        for (queue, push) in pushes {
            queues.push(queue);
            pipeline.add_command(push);
        }
        self.replicas.add(&mut pipeline);
        let replies = recorded + queues.len() + self.replicas.replies();
        match self
            .connection
            .send_packed_commands(&pipeline, 0, replies)
            .await
        {
            Ok(mut answers) => {
                let missing = self.replicas.missing(&mut answers);
                let missing = missing.unwrap_or_else(|error| Some(refusal::words(&error)));
                Failpoint::MessagesSent.pass();
                self.was_broken = false;
                let pushes = pipeline.cmd_iter().skip(recorded).take(queues.len());
                self.push_calls_when_full(pushes, &owners, &mut answers[recorded..])
                    .await;
                let results: Vec<Result<(), QueueError>> = queues
                    .iter()
                    .zip(answers.into_iter().skip(recorded))
                    .map(|(queue, answer)| {
                        pushed(shared, *queue, &answer)?;
                        missing
                            .clone()
                            .map(QueueError::Indeterminate)
                            .map_or(Ok(()), Err)
                    })
                    .collect();
                for (at, owner) in owners {
                    let result = results.get(at).cloned();
                    tell(
                        owner,
                        shared,
                        result.unwrap_or_else(|| {
                            Err(QueueError::Unavailable("an answer is missing".to_owned()))
                        }),
                    );
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.was_broken, true) {
                    tracing::warn!(%error, "messages could not be sent");
                }
                for (_, owner) in owners {
                    tell(owner, shared, Err(unsent(&error)));
                }
            }
        }
    }
}

impl Sender {
    /// Pushes the calls that a full Redis refused. What is sent without waiting for an answer stays refused.
    async fn push_calls_when_full(
        &mut self,
        pushes: impl Iterator<Item = &Cmd> + Send,
        owners: &[(usize, Owner)],
        answers: &mut [Value],
    ) {
        for (at, (push, answer)) in pushes.zip(answers).enumerate() {
            let mut its_owners = owners.iter().filter(|(of, _)| *of == at);
            let calls_only = its_owners.all(|(_, owner)| matches!(owner, Owner::Call(_)));
            if calls_only && refusal::is_full(answer) {
                let push = scripts::push_when_full(push);
                if let Ok(pushed) = self.connection.send_packed_command(&push).await {
                    *answer = pushed;
                }
            }
        }
    }
}

fn pushed(shared: &QueueShared, queue: QueueName, answer: &Value) -> Result<(), QueueError> {
    match answer {
        // A list's length.
        Value::Int(depth) => {
            shared.overload.seen(queue, depth.unsigned_abs());
            Ok(())
        }
        Value::ServerError(error) => Err(QueueError::Unavailable(refusal::words_of_answer(error))),
        other => Err(QueueError::Unavailable(format!(
            "unexpected answer {other:?}"
        ))),
    }
}

fn tell(owner: Owner, shared: &QueueShared, result: Result<(), QueueError>) {
    match (owner, result) {
        (Owner::Call(id), Err(error)) => shared.waiters.fail(&id, &error),
        (Owner::Call(_), Ok(())) => {}
        (Owner::Send(sender), result) => {
            let _ = sender.send(result);
        }
    }
}
