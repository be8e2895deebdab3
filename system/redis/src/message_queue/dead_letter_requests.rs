//! Carries out requests for dead letters, of queues and of consumer groups in the same Redis. Knows which is which by its id.

use crate::shared_connection::SharedConnection;
use ordershop_contract::dead_letters::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::QueueError;

use super::dead_letters as queued;
use super::outbox::unavailable;
use crate::event_store::dead_letters::{self as grouped, LetterGroup};
use crate::partitions;

/// Carries out a request; returns the letters that it was about, none if there is no such letter.
pub(super) async fn perform(
    mut connection: SharedConnection,
    request: DeadLetterRequest,
) -> Result<Vec<DeadLetter>, QueueError> {
    let connection = &mut connection;
    match request {
        DeadLetterRequest::List { skip, limit } => list(connection, skip, limit).await,
        DeadLetterRequest::Show(id) => one(connection, &id, LetterDeed::Show).await,
        DeadLetterRequest::Resend(id) => one(connection, &id, LetterDeed::Resend).await,
        DeadLetterRequest::Drop(id) => one(connection, &id, LetterDeed::Drop).await,
    }
}

#[derive(Clone, Copy, Debug)]
enum LetterDeed {
    Show,
    Resend,
    Drop,
}

async fn list(
    connection: &mut SharedConnection,
    mut skip: usize,
    limit: usize,
) -> Result<Vec<DeadLetter>, QueueError> {
    let limit = limit.min(DEAD_LETTERS_MAX);
    let mut letters = Vec::new();
    for queue in queued::queues(connection).await? {
        if letters.len() >= limit {
            return Ok(letters);
        }
        skip = queued::list(connection, &queue, skip, limit, &mut letters).await?;
    }
    for group in groups(connection).await.map_err(unavailable)? {
        if letters.len() >= limit {
            break;
        }
        let listed = grouped::list(connection, &group, skip, limit, &mut letters).await;
        skip = listed.map_err(unavailable)?;
    }
    Ok(letters)
}

async fn groups(connection: &mut SharedConnection) -> redis::RedisResult<Vec<LetterGroup>> {
    let partitions = partitions::kept(connection).await?;
    grouped::groups(connection, partitions).await
}

async fn one(
    connection: &mut SharedConnection,
    id: &str,
    deed: LetterDeed,
) -> Result<Vec<DeadLetter>, QueueError> {
    if let Some((group, entry)) = LetterGroup::of_id(id) {
        let found = grouped::find(connection, &group, entry).await;
        let Some(letter) = found.map_err(unavailable)? else {
            return Ok(Vec::new());
        };
        let done = match deed {
            LetterDeed::Show => Ok(Some(true)),
            LetterDeed::Drop => {
                let dropped = grouped::drop(connection, &group, entry).await;
                dropped.map(|dropped| dropped.then_some(true))
            }
            LetterDeed::Resend => grouped::resend(connection, &group, entry).await,
        };
        return match done.map_err(unavailable)? {
            Some(true) => Ok(vec![letter]),
            Some(false) => Err(QueueError::Invalid(format!(
                "the event of {id} is not in its stream any more; the letter can only be dropped"
            ))),
            None => Ok(Vec::new()),
        };
    }
    let Some((queue, _)) = id.rsplit_once(':') else {
        return Ok(Vec::new());
    };
    let Some((raw, letter)) = queued::find(connection, queue, id).await? else {
        return Ok(Vec::new());
    };
    let done = match deed {
        LetterDeed::Show => true,
        LetterDeed::Drop => queued::drop(connection, queue, &raw).await?,
        LetterDeed::Resend => queued::resend(connection, queue, &raw, &letter).await?,
    };
    Ok(if done { vec![letter] } else { Vec::new() })
}
