//! The sender's side: one request at a time, and what has become of it. Knows the streams, not when to send.

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use super::config::EventStoreConfig;
use super::entry::{Entry, entries};
use super::fence;
use super::forwarding::{Answer, FIELD, Request, read};
use super::inbox::{AppendAnswer, Job};
use super::keys::Keys;
use super::retrying::bounded;
use crate::connection::{MultiplexedConnection, RedisLink};
use ordershop_contract::event_store::{Appended, EventStoreError};
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// Events read at once while a request's events are looked for.
const LOOK_COUNT: usize = 1_000;

/// The sender of one partition's requests.
pub(super) struct Forwarder {
    link: RedisLink,
    config: Arc<EventStoreConfig>,
    partition: Partition,
    keys: Keys,
    answers: String,
    connection: Option<MultiplexedConnection>,
    /// The id of the last answer that was read.
    seen: String,
    sent: Option<Sent>,
    number: u64,
}

/// A request that isn't settled.
struct Sent {
    number: u64,
    fence: u64,
    jobs: Vec<Job>,
    /// The partition's last position when it was sent.
    after: Position,
    since: Instant,
}

/// What has become of a request's jobs.
#[derive(Default)]
pub(super) struct Settled {
    pub answered: Vec<(Job, AppendAnswer)>,
    /// Jobs of which nothing was written and never will be under the old fence.
    pub unwritten: Vec<Job>,
}

impl Forwarder {
    pub fn new(
        link: RedisLink,
        config: Arc<EventStoreConfig>,
        partition: Partition,
        keys: Keys,
        owner: &str,
    ) -> Self {
        Self {
            answers: keys.forwarded(owner),
            link,
            config,
            partition,
            keys,
            connection: None,
            seen: "0-0".to_owned(),
            sent: None,
            number: 0,
        }
    }

    /// Whether a request isn't settled.
    pub fn is_waiting(&self) -> bool {
        self.sent.is_some()
    }

    /// Sends jobs to the leader; returns them with the reason if they can't have been sent.
    pub async fn send(&mut self, jobs: Vec<Job>) -> Result<(), (Vec<Job>, RedisError)> {
        let limit = self.config.call_timeout();
        let place = async {
            let keys = self.keys.clone();
            let mut pipe = redis::pipe();
            pipe.cmd("GET").arg(&keys.fence);
            pipe.cmd("XREVRANGE").arg(&keys.events).arg("+").arg("-");
            pipe.arg("COUNT").arg(1);
            let connection = self.connected().await?;
            let (fence, tail): (Option<u64>, Value) = pipe.query_async(connection).await?;
            let fence = fence.ok_or((ErrorKind::Client, "nobody leads this partition yet"))?;
            Ok((fence, tail))
        };
        let (fence, tail) = match bounded(limit, place).await {
            Ok(found) => found,
            Err(error) => {
                self.connection = None;
                return Err((jobs, error));
            }
        };
        let last = entries(self.partition, tail).and_then(|mut tail| tail.pop());
        self.number += 1;
        let transactions = jobs.iter().flat_map(|job| &job.transactions);
        let request = Request {
            number: self.number,
            fence,
            answer_to: self.answers.clone(),
            transactions: transactions.cloned().collect(),
            calls: jobs.iter().flat_map(|job| job.calls.clone()).collect(),
        };
        let json = match serde_json::to_string(&request) {
            Ok(json) => json,
            Err(_) => return Err((jobs, (ErrorKind::Client, "a request is no JSON").into())),
        };
        self.sent = Some(Sent {
            number: self.number,
            fence,
            jobs,
            after: last.map_or(Position::START, |entry| entry.position()),
            since: Instant::now(),
        });
        let mut cmd = redis::cmd("XADD");
        cmd.arg(&self.keys.forward).arg("*").arg(FIELD).arg(json);
        let added = async { cmd.query_async::<String>(self.connected().await?).await };
        if let Err(error) = bounded(limit, added).await {
            tracing::debug!(topic = %self.partition, %error, "it is not known whether a request was sent");
            self.connection = None;
        }
        Ok(())
    }

    /// Waits at most `block` for the leader's answer.
    pub async fn answer(&mut self, block: Duration) -> RedisResult<Settled> {
        let (answers, seen) = (self.answers.clone(), self.seen.clone());
        let reading = async { read(self.connected().await?, &answers, &seen, block).await };
        let found = match reading.await {
            Ok(found) => found,
            Err(error) => {
                self.connection = None;
                return Err(error);
            }
        };
        for (id, json) in found {
            self.seen = id;
            let answer = serde_json::from_str::<Answer>(&json).ok();
            let Some(answer) = answer else { continue };
            let awaited = |sent: &mut Sent| sent.number == answer.number;
            if let Some(sent) = self.sent.take_if(awaited) {
                return Ok(settled(sent.jobs, answer.result));
            }
        }
        Ok(Settled::default())
    }

    /// Looks in the stream for the request's events if the fence is another one than it was sent under.
    pub async fn look(&mut self) -> RedisResult<Settled> {
        let Some(sent) = self.sent.take() else {
            return Ok(Settled::default());
        };
        let (partition, keys) = (self.partition, self.keys.clone());
        let limit = self.config.call_timeout();
        let looking = async {
            let connection = self.connected().await?;
            if fence::confirm(connection, &keys.fence, sent.fence).await? {
                return Ok(None);
            }
            find(connection, partition, &keys, &sent).await.map(Some)
        };
        match bounded(limit, looking).await {
            Ok(Some(written)) => Ok(found(sent.jobs, &written, self.config.replicas.unknown())),
            Ok(None) => {
                self.sent = Some(sent);
                Ok(Settled::default())
            }
            Err(error) => {
                self.connection = None;
                self.sent = Some(sent);
                Err(error)
            }
        }
    }

    /// Answers a request that has been undecided for too long.
    pub fn give_up_late(&mut self, why: &str) {
        let limit = Duration::from_millis(self.config.indeterminate_after_ms);
        if let Some(sent) = self.sent.take_if(|sent| sent.since.elapsed() >= limit) {
            for job in sent.jobs {
                job.answer(Err(EventStoreError::Indeterminate(why.to_owned())));
            }
        }
    }

    async fn connected(&mut self) -> RedisResult<&mut MultiplexedConnection> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.link.dedicated_for(&self.keys.events).await?),
        })
    }
}

/// The positions of a request's events that are in the stream, by event id.
async fn find(
    connection: &mut MultiplexedConnection,
    partition: Partition,
    keys: &Keys,
    sent: &Sent,
) -> RedisResult<FxHashMap<String, Position>> {
    let transactions = sent.jobs.iter().flat_map(|job| &job.transactions);
    let events = transactions.flat_map(|transaction| &transaction.events);
    let mut wanted: FxHashSet<&str> = events.map(|e| e.event_id.as_str()).collect();
    let mut written = FxHashMap::default();
    let mut after = sent.after;
    while !wanted.is_empty() {
        let reply: Value = redis::cmd("XRANGE")
            .arg(&keys.events)
            .arg(format!("({after}"))
            .arg("+")
            .arg("COUNT")
            .arg(LOOK_COUNT)
            .query_async(connection)
            .await?;
        let page = entries(partition, reply).unwrap_or_default();
        let Some(last) = page.last() else { break };
        after = last.position();
        for entry in page {
            if let Entry::Event(event) = entry
                && wanted.remove(event.event_id.as_str())
            {
                written.insert(event.event_id.into(), event.position);
            }
        }
    }
    Ok(written)
}

/// What a leader's answer means for each job.
fn settled(jobs: Vec<Job>, result: AppendAnswer) -> Settled {
    let mut settled = Settled::default();
    let count: usize = jobs.iter().map(|job| job.transactions.len()).sum();
    match result {
        // One job of the leader is written whole or not at all.
        Err(EventStoreError::Unavailable(_) | EventStoreError::Closed) => settled.unwritten = jobs,
        Err(error) => {
            let answer = |job| (job, Err(error.clone()));
            settled.answered = jobs.into_iter().map(answer).collect();
        }
        Ok(appended) if appended.len() == count => {
            let mut appended = appended.into_iter();
            for job in jobs {
                let its = appended.by_ref().take(job.transactions.len()).collect();
                settled.answered.push((job, Ok(its)));
            }
        }
        Ok(_) => {
            let why = "the leader's answer doesn't match the transactions";
            let answer = |job| (job, Err(EventStoreError::Indeterminate(why.to_owned())));
            settled.answered = jobs.into_iter().map(answer).collect();
        }
    }
    settled
}

/// What the stream says about each job whose leader is gone. A transaction that isn't there was refused or never looked at. `missing`: why
/// what is there can't be answered.
fn found(
    jobs: Vec<Job>,
    written: &FxHashMap<String, Position>,
    missing: Option<String>,
) -> Settled {
    let mut settled = Settled::default();
    for job in jobs {
        let positions = job.transactions.iter().map(|transaction| {
            let last = transaction.events.last()?;
            written.get(last.event_id.as_str()).copied()
        });
        let positions: Vec<Option<Position>> = positions.collect();
        if positions.iter().all(Option::is_none) {
            settled.unwritten.push(job);
            continue;
        }
        let appended = positions.into_iter().map(|position| {
            let position = position.ok_or_else(|| {
                let why = "the leader died after it had written a part of the call";
                EventStoreError::Indeterminate(why.to_owned())
            })?;
            Ok(Appended::Committed { position })
        });
        let answer: AppendAnswer = match &missing {
            None => appended.collect(),
            Some(why) => Err(EventStoreError::Indeterminate(why.clone())),
        };
        settled.answered.push((job, answer));
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::correlation::Correlation;
    use ordershop_contract::event_store::{ExpectedVersion, NewEvent, Transaction};
    use ordershop_contract::position::Positions;
    use ordershop_contract::topic::Topic;
    use serde_json::value::RawValue;
    use tokio::sync::oneshot;

    fn job(event_ids: &[&str]) -> Job {
        let transactions = event_ids.iter().map(|id| Transaction {
            partition: Topic::Order.into(),
            events: vec![NewEvent {
                event_id: (*id).into(),
                action: "entity_updated".into(),
                entity_id: "a".into(),
                expected: ExpectedVersion::Any,
                data: RawValue::from_string("{}".into()).unwrap(),
                correlation: Correlation {
                    correlation_id: String::new(),
                    causation_id: String::new(),
                    times: None,
                },
            }],
            claims: Vec::new(),
            causes: Positions::NONE,
        });
        Job {
            transactions: transactions.collect(),
            calls: vec![event_ids.len()],
            events: event_ids.len(),
            deadline: Instant::now(),
            only_under: None,
            reply: oneshot::channel().0,
        }
    }

    fn at(seq: u64) -> Position {
        Position { ms: 1, seq }
    }

    fn committed(seq: u64) -> Appended {
        Appended::Committed { position: at(seq) }
    }

    fn answers(settled: &Settled) -> Vec<Result<Vec<Appended>, String>> {
        let answers = settled.answered.iter().map(|(_, answer)| answer.clone());
        answers
            .map(|answer| answer.map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn an_answer_is_split_among_the_jobs_of_its_request() {
        let result = Ok(vec![committed(1), committed(2), committed(3)]);
        let settled = settled(vec![job(&["e1", "e2"]), job(&["e3"])], result);
        assert_eq!(
            answers(&settled),
            [Ok(vec![committed(1), committed(2)]), Ok(vec![committed(3)])]
        );
    }

    #[test]
    fn what_the_leader_did_not_write_waits_again_and_what_is_unknown_is_told() {
        let unavailable = || Err(EventStoreError::Unavailable("x".to_owned()));
        assert_eq!(
            settled(vec![job(&["e1"])], unavailable()).unwritten.len(),
            1
        );
        for result in [
            Err(EventStoreError::Indeterminate("x".to_owned())),
            Err(EventStoreError::Overloaded("x".to_owned())),
            Ok(vec![]),
        ] {
            let settled = settled(vec![job(&["e1"])], result);
            assert!(settled.unwritten.is_empty());
            assert!(answers(&settled)[0].is_err());
        }
    }

    #[test]
    fn a_dead_leader_s_work_is_what_the_stream_has() {
        let jobs = vec![job(&["e1", "e2"]), job(&["e3"]), job(&["e4", "e5"])];
        let written = [("e1", at(1)), ("e2", at(2)), ("e4", at(3))];
        let written = written.map(|(id, position)| (id.to_owned(), position));
        let settled = found(jobs, &written.into_iter().collect(), None);
        let told = answers(&settled);
        assert_eq!(told[0], Ok(vec![committed(1), committed(2)]));
        assert!(told[1].as_ref().is_err_and(|why| why.contains("not known")));
        let unwritten = &settled.unwritten[0].transactions[0].events[0];
        assert_eq!(unwritten.event_id, "e3");

        let written = [("e1".to_owned(), at(1))];
        let missing = Some("replicas".to_owned());
        let settled = found(vec![job(&["e1"])], &written.into_iter().collect(), missing);
        assert!(
            answers(&settled)[0]
                .as_ref()
                .is_err_and(|why| why.contains("replicas"))
        );
    }
}
