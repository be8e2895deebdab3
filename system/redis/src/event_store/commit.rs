//! One group commit: the pipeline that writes a batch of transactions under the fence, and the meaning of its replies. Knows the commands,
//! not who sent the transactions or which writer leads.

use redis::{ErrorKind, Pipeline, RedisResult, Value};

use super::entry::{parse_position, xadd};
use super::fence;
use super::inbox::{AppendAnswer, Job};
use super::keys::Keys;
use super::ledger::{Ledger, Obstacle};
use crate::connection::MultiplexedConnection;
use crate::refusal;
use crate::replicas::ReplicasAsked;
use ordershop_contract::event_store::{Appended, EventStoreError, NewEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;

/// The results of checking a batch's transactions: one a transaction, in their order.
pub(super) type Verdicts = Vec<Result<(), Obstacle>>;

/// The result of a commit whose replies arrived.
pub(super) enum Committed {
    /// The events are written. `leads`: the fence is still ours, so the next commit is guarded. `missing`: too few replicas have them.
    Written {
        positions: Vec<Position>,
        leads: bool,
        missing: Option<String>,
    },
    /// Another writer has taken over; nothing was written.
    Fenced,
    /// Redis refused the commit; nothing was written. The next commit is guarded if `leads`.
    Refused { reason: String, leads: bool },
    /// Some commands of the transaction failed, others did not.
    Partial(String),
}

/// The events of the admitted transactions, in the order in which they are written.
pub(super) fn admitted<'a>(
    jobs: &'a [Job],
    verdicts: &'a Verdicts,
) -> impl Iterator<Item = &'a NewEvent> {
    let transactions = jobs.iter().flat_map(|job| &job.transactions);
    transactions
        .zip(verdicts)
        .filter(|(_, verdict)| verdict.is_ok())
        .flat_map(|(transaction, _)| &transaction.events)
}

/// Writes the admitted transactions. An error means that the connection broke, so it is unknown whether they were written.
pub(super) async fn commit(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    fence: u64,
    events: impl Iterator<Item = &NewEvent>,
    ledger: &Ledger,
    published_at_us: u64,
    replicas: ReplicasAsked,
) -> RedisResult<Committed> {
    let count = ledger.versions.len();
    let mut pipe = Pipeline::with_capacity(count + 7);
    pipe.cmd("MULTI");
    for (event, version) in events.zip(&ledger.versions) {
        pipe.add_command(xadd(&keys.events, event, *version, published_at_us));
    }
    let queued = add_changes(&mut pipe, keys, ledger);
    pipe.cmd("EXEC");
    fence::watch(&mut pipe, &keys.fence);
    replicas.add(&mut pipe);
    // MULTI and the XADDs reply QUEUED, or the same error as the commands queued last, whose replies are kept for the reason.
    let replies = connection
        .send_packed_commands(&pipe, 1 + count, queued + 3 + replicas.replies())
        .await?;
    Failpoint::EventsWritten.pass();
    read_replies(replies, count, fence, replicas)
}

/// Adds one `HSET` for new versions and taken claims and one `HDEL` for released claims; returns the number of commands.
fn add_changes(pipe: &mut Pipeline, keys: &Keys, ledger: &Ledger) -> usize {
    let mut set = redis::cmd("HSET");
    set.arg(&keys.versions);
    let mut delete = redis::cmd("HDEL");
    delete.arg(&keys.versions);
    let mut released = 0;
    for (key, version) in ledger.changes() {
        if version == 0 {
            delete.arg(key);
            released += 1;
        } else {
            set.arg(key).arg(version);
        }
    }
    pipe.add_command(set);
    if released > 0 {
        pipe.add_command(delete);
        return 2;
    }
    1
}

fn read_replies(
    mut replies: Vec<Value>,
    count: usize,
    fence: u64,
    replicas: ReplicasAsked,
) -> RedisResult<Committed> {
    let unexpected = || {
        (
            ErrorKind::UnexpectedReturnType,
            "unexpected reply to a commit",
        )
            .into()
    };
    let missing = replicas.missing(&mut replies);
    let (Some(guard), Some(watched), Some(exec)) = (replies.pop(), replies.pop(), replies.pop())
    else {
        return Err(unexpected());
    };
    let leads = !matches!(watched, Value::ServerError(_)) && fence::is_ours(&guard, fence)?;
    match exec {
        Value::Nil => Ok(Committed::Fenced),
        Value::ServerError(aborted) => {
            let refusal = replies.into_iter().find_map(|reply| match reply {
                Value::ServerError(error) => Some(error),
                _ => None,
            });
            let error = refusal.unwrap_or(aborted);
            if refusal::is_elsewhere(&error) {
                // The connection leads to an old master: a new one is opened, and the batch is written there.
                return Err(error.into());
            }
            Ok(Committed::Refused {
                reason: refusal::words_of_answer(&error),
                leads,
            })
        }
        Value::Array(results) => {
            let failed = results.iter().find_map(|result| match result {
                Value::ServerError(error) => Some(refusal::words_of_answer(error)),
                _ => None,
            });
            if let Some(reason) = failed {
                return Ok(Committed::Partial(reason));
            }
            let ids = results.iter().take(count).map(|result| match result {
                Value::BulkString(id) => parse_position(id),
                _ => None,
            });
            let positions: Option<Vec<Position>> = ids.collect();
            let positions = positions
                .filter(|p| p.len() == count)
                .ok_or_else(unexpected)?;
            Ok(Committed::Written {
                positions,
                leads,
                missing: missing?,
            })
        }
        _ => Err(unexpected()),
    }
}

/// Sends every caller its result. `positions` are those of the admitted events, `last` is the topic's last position. `missing`: too few
/// replicas have what the results tell of.
pub(super) fn answer_written(
    jobs: Vec<Job>,
    verdicts: Verdicts,
    positions: &[Position],
    last: Position,
    missing: Option<String>,
) {
    if let Some(why) = missing {
        return leave_open(jobs, &why);
    }
    let mut verdicts = verdicts.into_iter();
    let mut written = 0;
    for job in jobs {
        let answer = job.transactions.iter().zip(verdicts.by_ref());
        let answer: AppendAnswer = Ok(answer
            .map(|(transaction, verdict)| match verdict {
                Ok(()) => {
                    written += transaction.events.len();
                    Appended::Committed {
                        position: positions[written - 1],
                    }
                }
                Err(Obstacle { key, version }) => Appended::Conflict {
                    key,
                    version,
                    position: last,
                },
            })
            .collect());
        job.answer(answer);
    }
}

/// Tells every caller that it is open what became of its transactions.
pub(super) fn leave_open(jobs: Vec<Job>, why: &str) {
    for job in jobs {
        job.answer(Err(EventStoreError::Indeterminate(why.to_owned())));
    }
}
