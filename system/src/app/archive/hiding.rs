//! Hides what is in the file: an `entity_archived` event for each aggregate, expecting the version that the file ends with. The orders are
//! hidden before what belongs to them, so that nobody reads an order without its parts.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::ArchiveError;
use super::file::ArchiveReader;
use super::progress::Progress;
use super::selection::{Record, Selection};
use ordershop_contract::backoff::Backoff;
use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Appended, EventStore, EventStoreError, ExpectedVersion, NewEvent, RecordedEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;

/// Aggregates that are hidden with one call: within one commit of a writer, so that customers' writes in between wait some milliseconds.
const BATCH: usize = 250;
/// How long an event store that is away or overloaded is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is hidden, and what could not be.
pub struct Hiding<'a> {
    events: &'a dyn EventStore,
    selection: &'a Selection,
    correlation: Correlation,
    batch: Vec<(Transaction, u32)>,
    /// The events that hide, by topic.
    pub marks: [Vec<Position>; Topic::ALL.len()],
    /// Orders that were changed meanwhile.
    orders_kept: HashSet<u32>,
    carts_kept: HashSet<u32>,
    /// What was changed meanwhile though its order is hidden.
    others_kept: HashSet<(Topic, String)>,
}

impl<'a> Hiding<'a> {
    pub fn new(events: &'a dyn EventStore, selection: &'a Selection) -> Self {
        let run = uuid::Uuid::now_v7().simple().to_string();
        Self {
            events,
            selection,
            correlation: Correlation {
                correlation_id: run.clone(),
                causation_id: run,
                times: None,
            },
            batch: Vec::new(),
            marks: Default::default(),
            orders_kept: HashSet::new(),
            carts_kept: HashSet::new(),
            others_kept: HashSet::new(),
        }
    }

    /// The number of orders that were changed meanwhile.
    pub fn kept_orders(&self) -> u64 {
        self.orders_kept.len() as u64
    }

    /// Whether an aggregate in the file stays in the shop.
    pub fn stays(&self, topic: Topic, id: &str, record: &Record) -> bool {
        let with_order = match topic {
            Topic::Cart => self.carts_kept.contains(&record.owner),
            _ => self.orders_kept.contains(&record.owner),
        };
        with_order || self.others_kept.contains(&(topic, id.to_owned()))
    }

    /// Hides what is in the file.
    pub async fn hide(&mut self, path: &Path) -> Result<(), ArchiveError> {
        self.hide_those(path, |topic| topic == Topic::Order).await?;
        Failpoint::ArchiveOrdersHidden.pass();
        self.hide_those(path, |topic| topic != Topic::Order).await
    }

    async fn hide_those(
        &mut self,
        path: &Path,
        hides: impl Fn(Topic) -> bool,
    ) -> Result<(), ArchiveError> {
        let mut file = ArchiveReader::open(path)?;
        let (mut count, mut progress) = (0_u64, Progress::begin());
        while let Some(event) = file.next()? {
            let Some(record) = self
                .selection
                .record(event.partition.topic, &event.entity_id)
            else {
                continue;
            };
            let is_last = event.version == record.version && record.hidden.is_none();
            if !is_last
                || !hides(event.partition.topic)
                || self.stays(event.partition.topic, &event.entity_id, record)
            {
                continue;
            }
            let other = |(waiting, _): &(Transaction, u32)| {
                waiting.partition.topic != event.partition.topic
            };
            if self.batch.len() >= BATCH || self.batch.first().is_some_and(other) {
                count += self.batch.len() as u64;
                self.flush().await?;
                progress.tell(|| format!("{count} entities hidden"));
            }
            self.batch.push((self.mark(event), record.owner));
        }
        self.flush().await
    }

    fn mark(&self, last: RecordedEvent) -> Transaction {
        let id = &last.entity_id;
        let mark = NewEvent {
            event_id: format!("{id}.archived.{}", last.partition.topic).into(),
            action: action::ARCHIVED.into(),
            entity_id: last.entity_id.clone(),
            expected: ExpectedVersion::Exact(last.version),
            data: last.data,
            correlation: self.correlation.clone(),
        };
        Transaction::of(last.partition.topic, vec![mark])
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        let Some((first, _)) = self.batch.first() else {
            return Ok(());
        };
        let topic = first.partition.topic;
        let transactions = self
            .batch
            .iter()
            .map(|(transaction, _)| transaction.clone());
        let appended = self.append(transactions.collect()).await?;
        for ((transaction, owner), appended) in
            std::mem::take(&mut self.batch).into_iter().zip(appended)
        {
            match appended {
                Appended::Committed { position } => self.marks[topic.index()].push(position),
                Appended::Conflict { .. } if topic == Topic::Order => {
                    self.orders_kept.insert(owner);
                    self.carts_kept.insert(self.selection.cart_of(topic, owner));
                }
                Appended::Conflict { key, .. } => {
                    debug_assert_eq!(transaction.events[0].entity_id, key);
                    self.others_kept.insert((topic, key));
                }
            }
        }
        Ok(())
    }

    /// Appends; again, where nothing can have been written.
    async fn append(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Appended>, EventStoreError> {
        let (began, mut backoff) = (Instant::now(), Backoff::default());
        loop {
            match self.events.append(transactions.clone()).await {
                Err(EventStoreError::Unavailable(_) | EventStoreError::Overloaded(_))
                    if began.elapsed() < PATIENCE =>
                {
                    backoff.wait().await;
                }
                answer => return answer,
            }
        }
    }
}
