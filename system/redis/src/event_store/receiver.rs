//! The leader's side: reads requests, hands those of its fence to its writer, and answers them. Knows the streams, not the writer.

use std::convert::Infallible;
use std::time::Duration;

use redis::RedisResult;
use tokio::task::JoinSet;

use super::forwarding::{Answer, FIELD, Request, read};
use super::inlet::Inlet;
use super::keys::Keys;
use crate::connection::RedisLink;
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::failpoint::Failpoint;

/// How long a read waits for a request, ms.
const BLOCK_MS: u64 = 5_000;
/// Maximum answers kept for one sender, which waits for one at a time.
const ANSWERS_MAX: usize = 100;
/// How long answers are kept for a sender that is gone, ms.
const ANSWERS_KEPT_MS: u64 = 60_000;

/// Serves requests under `fence`. Never returns; dropping it loses no request: the sender sees another fence then.
pub(super) async fn receive(
    link: RedisLink,
    answers: SharedConnection,
    keys: Keys,
    fence: u64,
    inlet: Inlet,
) {
    let mut backoff = Backoff::default();
    let mut answering = JoinSet::new();
    // A request that is being answered must not be read again after a broken connection.
    let mut last = "0-0".to_owned();
    loop {
        let received = receive_on(
            &link,
            &answers,
            &keys,
            fence,
            &inlet,
            &mut last,
            &mut answering,
        );
        let Err(error) = received.await;
        tracing::debug!(key = keys.forward, %error, "requests of other stores can't be read; trying again");
        backoff.wait().await;
    }
}

async fn receive_on(
    link: &RedisLink,
    answers: &SharedConnection,
    keys: &Keys,
    fence: u64,
    inlet: &Inlet,
    last: &mut String,
    answering: &mut JoinSet<()>,
) -> RedisResult<Infallible> {
    let mut connection = link.dedicated_for(&keys.forward).await?;
    loop {
        let block = Duration::from_millis(BLOCK_MS);
        for (id, json) in read(&mut connection, &keys.forward, last, block).await? {
            last.clone_from(&id);
            let (answers, keys, inlet) = (answers.clone(), keys.clone(), inlet.clone());
            answering.spawn(async move {
                let answered = answer(answers, &keys, fence, &inlet, &id, &json).await;
                if let Err(error) = answered {
                    tracing::debug!(key = keys.forward, %error, "a request of another store can't be answered");
                }
            });
        }
        while answering.try_join_next().is_some() {}
    }
}

async fn answer(
    mut answers: SharedConnection,
    keys: &Keys,
    fence: u64,
    inlet: &Inlet,
    id: &str,
    json: &str,
) -> RedisResult<()> {
    let mut pipe = redis::pipe();
    // One of another fence was settled by its sender, or will be.
    let request = serde_json::from_str::<Request>(json);
    if let Ok(request) = request
        && request.fence == fence
    {
        let (transactions, mut calls) = (request.transactions, request.calls);
        if calls.iter().sum::<usize>() != transactions.len() {
            calls = vec![1; transactions.len()];
        }
        let answer = Answer {
            number: request.number,
            result: inlet.append_under(fence, transactions, calls).await,
        };
        Failpoint::HandedOnWritten.pass();
        let json = serde_json::to_string(&answer).unwrap_or_default();
        pipe.cmd("XADD").arg(&request.answer_to);
        pipe.arg("MAXLEN").arg("~").arg(ANSWERS_MAX);
        pipe.arg("*").arg(FIELD).arg(json).ignore();
        pipe.cmd("PEXPIRE").arg(&request.answer_to);
        pipe.arg(ANSWERS_KEPT_MS).ignore();
    }
    pipe.cmd("XDEL").arg(&keys.forward).arg(id).ignore();
    pipe.query_async(&mut answers).await
}
