//! A partition's writer: waits for the lease, takes over, leads until it loses the lease or is closed, and stands by again. Decides when to
//! write. `commit` knows how; `fence` knows whether this writer still may.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use redis::{ErrorKind, RedisError, RedisResult};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::causes::{self, TermsBegan};
use super::commit::{Committed, Verdicts, admitted, answer_written, commit, leave_open};
use super::config::EventStoreConfig;
use super::fence;
use super::forwarder::Forwarder;
use super::inbox::{Inbox, Job};
use super::inlet::Inlet;
use super::keys::Keys;
use super::lease::Lease;
use super::ledger::Ledger;
use super::members::Members;
use super::receiver::receive;
use super::retrying::bounded;
use super::share::Share;
use super::takeover::{InFlight, Term, take_over};
use crate::connection::RedisLink;
use crate::metrics::{AppendMetrics, TopicLabels};
use crate::refusal;
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::clock::now_us;
use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// Why a job is refused that only another store may write.
pub(super) const ANOTHER_LEADS: &str = "another event store has taken over";

/// Why a job is refused that follows from an event that is gone.
const LOST_CAUSE: &str = "Redis lost what led to it; it must be decided again";

/// The metrics of one partition's writer.
pub(super) struct WriterMetrics {
    appends: Counter,
    /// Made at the first event: a partition without one has no series.
    batch_events: OnceLock<Histogram>,
    batches: Family<TopicLabels, Histogram, fn() -> Histogram>,
    labels: TopicLabels,
    conflicts: Counter,
}

impl WriterMetrics {
    pub fn new(metrics: &AppendMetrics, partition: Partition) -> Self {
        let labels = TopicLabels {
            topic: partition.to_string(),
        };
        Self {
            appends: metrics.appends.get_or_create(&labels).clone(),
            batch_events: OnceLock::new(),
            batches: metrics.append_batch_events.clone(),
            conflicts: metrics.append_conflicts.get_or_create(&labels).clone(),
            labels,
        }
    }

    fn batch(&self, events: f64) {
        let made = || self.batches.get_or_create_owned(&self.labels);
        self.batch_events.get_or_init(made).observe(events);
    }
}

/// The writer of one partition.
pub(super) struct Writer {
    pub link: RedisLink,
    pub config: Arc<EventStoreConfig>,
    pub partition: Partition,
    pub keys: Keys,
    pub share: Share,
    /// The connection for answers to other stores.
    pub answers: SharedConnection,
    /// The name of this event store as an owner of leases.
    pub owner: String,
    pub inbox: Inbox,
    /// For what other stores send while this one leads.
    pub inlet: Inlet,
    /// For what waits here while another store leads.
    pub forwarder: Forwarder,
    pub closing: CancellationToken,
    pub metrics: WriterMetrics,
    /// The partition's last position as of this writer's last term; [`Position::START`] before the first.
    pub known: Position,
    /// When the terms of this store's writers began.
    pub began: TermsBegan,
    /// The time of the last publication in any partition of this store, µs since the Unix epoch.
    pub published_us: Arc<AtomicU64>,
}

/// The reason why a writer stopped leading.
enum End {
    /// The store is closed and everything is written.
    Closed,
    /// Another writer has taken over, or may have; or the partition is for another store now.
    Deposed,
    /// The connection broke, or the state is in doubt: take over again and find out whether the batch in flight was written.
    Broken {
        in_flight: Option<InFlight>,
        why: RedisError,
    },
}

impl End {
    /// The connection broke, and no batch is in flight.
    fn broken(why: RedisError) -> Self {
        Self::Broken {
            in_flight: None,
            why,
        }
    }
}

impl Writer {
    /// Runs until the store is closed.
    pub async fn run(mut self) {
        while let Some(lease) = self.stand_by().await {
            self.hold_office(&lease).await;
            lease.release().await;
        }
        if let Some(members) = self.share.members.take() {
            Members::leave(members).await;
        }
        self.inbox.close();
        self.inbox.refuse_all(&EventStoreError::Closed);
    }

    /// Leads as long as the lease, the fence and the store allow, across broken connections.
    async fn hold_office(&mut self, lease: &Lease) {
        let mut previous = None;
        let mut in_flight: Option<InFlight> = None;
        let mut backoff = Backoff::default();
        let mut why = String::from("its writer is taking over");
        loop {
            let attempt = take_over(
                &self.link,
                &self.config,
                self.partition,
                &self.keys,
                previous,
                self.known,
                in_flight.as_ref(),
            );
            let result = self.inbox.expiring_while(&why, attempt).await;
            let error = match result {
                Ok(takeover) => {
                    let leads = takeover.term.is_some();
                    if let Some(batch) = in_flight.take() {
                        self.settle(batch, takeover.found, takeover.missing, leads);
                    }
                    let Some(mut term) = takeover.term else {
                        tracing::warn!(topic = %self.partition, "another event store has taken over");
                        return;
                    };
                    tracing::info!(topic = %self.partition, fence = term.fence, last = %term.last, "writer leads");
                    if term.went_back {
                        tracing::warn!(topic = %self.partition, known = %self.known, last = %term.last, "Redis went back: the last known event is gone");
                        let why = "Redis lost its last events; what was decided on them must be decided again";
                        self.inbox
                            .refuse_all(&EventStoreError::Unavailable(why.to_owned()));
                    }
                    previous = Some(term.fence);
                    self.published_us
                        .fetch_max(term.last_published_us, Ordering::AcqRel);
                    self.began.set(self.partition, Some(term.since_ms));
                    let end = self.lead(&mut term, lease).await;
                    self.began.set(self.partition, None);
                    self.known = term.last;
                    match end {
                        End::Closed | End::Deposed => return,
                        End::Broken {
                            in_flight: batch,
                            why,
                        } => {
                            in_flight = batch;
                            backoff.reset();
                            why
                        }
                    }
                }
                Err(error) => error,
            };
            if backoff.is_fresh() {
                tracing::warn!(topic = %self.partition, %error, "the writer's connection broke; taking over again");
            }
            why = refusal::words(&error);
            self.give_up_late(&mut in_flight, &why);
            self.forwarder.give_up_late(&why);
            if in_flight.is_none() && (lease.is_lost() || self.closing.is_cancelled()) {
                return;
            }
            let wait = backoff.next_wait();
            // Not cut short when the store closes: the batch in flight still needs an answer.
            self.inbox
                .expiring_while(&why, tokio::time::sleep(wait))
                .await;
        }
    }

    /// Answers a batch in flight, once the stream has shown whether it was written.
    fn settle(
        &mut self,
        batch: InFlight,
        found: Option<Vec<Position>>,
        missing: Option<String>,
        leads: bool,
    ) {
        match found {
            Some(positions) => {
                self.count(&batch.verdicts, positions.len());
                let last = positions.last().copied().unwrap_or(batch.after);
                answer_written(batch.jobs, batch.verdicts, &positions, last, missing);
            }
            // The batch was not written and never will be; if this writer still leads, it writes the batch now.
            None if leads => self.inbox.put_back(batch.jobs),
            None => refuse(batch.jobs, ANOTHER_LEADS),
        }
    }

    fn give_up_late(&self, in_flight: &mut Option<InFlight>, why: &str) {
        let limit = Duration::from_millis(self.config.indeterminate_after_ms);
        if let Some(batch) = in_flight.take_if(|batch| batch.since.elapsed() >= limit) {
            leave_open(batch.jobs, why);
        }
    }

    async fn lead(&mut self, term: &mut Term, lease: &Lease) -> End {
        match self.forwarder.look().await {
            Ok(settled) => self.settle_sent(settled),
            Err(why) => return End::broken(why),
        }
        // Aborted when they are dropped.
        let mut beside = JoinSet::new();
        let given_away = CancellationToken::new();
        beside.spawn(self.share.watch(given_away.clone()));
        beside.spawn(receive(
            self.link.clone(),
            self.answers.clone(),
            self.keys.clone(),
            term.fence,
            self.inlet.clone(),
        ));
        loop {
            if lease.is_lost() || given_away.is_cancelled() {
                return End::Deposed;
            }
            if self.closing.is_cancelled() {
                self.inbox.close();
            }
            let more = tokio::select! {
                biased;
                more = self.inbox.wait() => more,
                () = lease.lost() => return End::Deposed,
                () = given_away.cancelled() => return End::Deposed,
                () = self.closing.cancelled(), if !self.closing.is_cancelled() => continue,
            };
            if !more {
                return End::Closed;
            }
            let jobs = self.inbox.next_batch(self.config.batch_events_max);
            let may = |job: &Job| job.only_under.is_none_or(|fence| fence == term.fence);
            let (jobs, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(may);
            refuse(others, ANOTHER_LEADS);
            if jobs.is_empty() {
                continue;
            }
            if let Some(end) = self.write(term, jobs).await {
                return end;
            }
        }
    }

    /// Writes one group commit: checks the jobs, commits the admitted ones, answers all.
    async fn write(&mut self, term: &mut Term, jobs: Vec<Job>) -> Option<End> {
        let limit = self.config.call_timeout();
        let in_cluster = self.link.is_cluster();
        let in_cluster = in_cluster.then(|| (&self.began, self.answers.clone()));
        let lost = match bounded(limit, causes::lost(term, &jobs, in_cluster)).await {
            Ok(lost) => lost,
            Err(why) => {
                // No write was sent.
                self.inbox.put_back(jobs);
                return Some(End::broken(why));
            }
        };
        let jobs = match lost.is_empty() {
            true => jobs,
            false => {
                let depends = |job: &Job| causes::depends(job, &lost);
                let (undone, jobs): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(depends);
                refuse(undone, LOST_CAUSE);
                jobs
            }
        };
        if jobs.is_empty() {
            return None;
        }
        let opened = open(term, &self.keys, &jobs);
        let mut ledger = match bounded(limit, opened).await {
            Ok(ledger) => ledger,
            Err(why) => {
                // No write was sent.
                self.inbox.put_back(jobs);
                return Some(End::broken(why));
            }
        };
        let mut verdicts = Verdicts::new();
        for call in jobs.iter().flat_map(Job::by_call) {
            ledger.begin_call();
            verdicts.extend(call.iter().map(|transaction| ledger.admit(transaction)));
        }
        let events = ledger.versions.len();
        if events == 0 {
            // Nothing is written, so nothing would show that what is remembered no longer holds.
            let confirmed = async {
                let connection = &mut term.connection;
                let leads = fence::confirm(connection, &self.keys.fence, term.fence).await?;
                // A conflict tells of what is there: of one's own effect too, which a repeat looks for.
                Ok((leads, self.config.replicas.wait(connection).await?))
            };
            let (missing, end) = match bounded(limit, confirmed).await {
                Ok((true, missing)) => (missing, None),
                Ok((false, _)) => (None, Some(End::Deposed)),
                Err(why) => (None, Some(End::broken(why))),
            };
            if end.is_some() {
                self.inbox.put_back(jobs);
                return end;
            }
            self.count(&verdicts, 0);
            ledger.close(&mut term.cache);
            answer_written(jobs, verdicts, &[], term.last, missing);
            return None;
        }
        let published_at_us = self.next_publication_us();
        let sent = commit(
            &mut term.connection,
            &self.keys,
            term.fence,
            admitted(&jobs, &verdicts),
            &ledger,
            published_at_us,
            self.config.replicas,
        );
        match bounded(limit, sent).await {
            Ok(Committed::Written {
                positions,
                leads,
                missing,
            }) => {
                self.count(&verdicts, events);
                ledger.close(&mut term.cache);
                term.last = positions.last().copied().unwrap_or(term.last);
                answer_written(jobs, verdicts, &positions, term.last, missing);
                (!leads).then_some(End::Deposed)
            }
            Ok(Committed::Fenced) => {
                self.inbox.put_back(jobs);
                Some(End::Deposed)
            }
            Ok(Committed::Refused { reason, leads }) => {
                tracing::warn!(topic = %self.partition, reason, "Redis refused a commit");
                refuse(jobs, &reason);
                (!leads).then_some(End::Deposed)
            }
            Ok(Committed::Partial(reason)) => {
                tracing::error!(topic = %self.partition, reason, "a commit was written only in part");
                leave_open(jobs, &reason);
                let why = "a commit was written only in part";
                Some(End::broken((ErrorKind::UnexpectedReturnType, why).into()))
            }
            Err(why) => Some(End::Broken {
                in_flight: Some(InFlight {
                    jobs,
                    verdicts,
                    after: term.last,
                    since: Instant::now(),
                }),
                why,
            }),
        }
    }

    /// The time of the next publication: now, but later than every one before in any partition, so that times tell what came first although the
    /// clock is set back.
    fn next_publication_us(&self) -> u64 {
        let now = now_us();
        let next = |last: u64| now.max(last + 1);
        let last = self
            .published_us
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        next(last.unwrap_or_default())
    }

    fn count(&self, verdicts: &Verdicts, events: usize) {
        if events > 0 {
            self.metrics.appends.inc_by(events as u64);
            self.metrics.batch(events as f64);
        }
        let conflicts = verdicts.iter().filter(|verdict| verdict.is_err()).count();
        self.metrics.conflicts.inc_by(conflicts as u64);
    }
}

/// Creates the ledger of a batch; versions that the cache doesn't have are read with one call.
async fn open(term: &mut Term, keys: &Keys, jobs: &[Job]) -> RedisResult<Ledger> {
    let mut ledger = Ledger::at(now_us() / 1_000_000);
    let mut unknown = Vec::new();
    for transaction in jobs.iter().flat_map(|job| &job.transactions) {
        ledger.open(transaction, &mut term.cache, &mut unknown);
    }
    if !unknown.is_empty() {
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(&keys.versions);
        for key in &unknown {
            cmd.arg(&**key);
        }
        let versions: Vec<Option<u64>> = cmd.query_async(&mut term.connection).await?;
        for (key, version) in unknown.into_iter().zip(versions) {
            ledger.learn(key, version.unwrap_or(0));
        }
    }
    Ok(ledger)
}

pub(super) fn refuse(jobs: Vec<Job>, reason: &str) {
    for job in jobs {
        job.answer(Err(EventStoreError::Unavailable(reason.to_owned())));
    }
}
