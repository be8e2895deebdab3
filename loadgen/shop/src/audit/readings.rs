//! Reads all events and entities of the target over a few connections at once. Each page is folded and dropped as soon as it is read.

use std::cell::{Cell, RefCell};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::archive::{Archive, ArchivedEvents};
use super::check::{ClientHistories, ReadModel, Stock, Versions};
use super::event::{AuditEvent, EventAction};
use super::history::History;
use super::surface::{AuditError, FROM, Surface};
use super::topic::{ShopPartition, ShopTopic};
use loadgen_engine::record::ledger::Ledger;

/// Partitions that are read at once, and so the number of pages in memory.
const CONNECTIONS_MAX: usize = 4;

/// The state that is folded from events and lists. The events of one partition arrive in order, the partitions in any order.
pub struct Folds<'a> {
    pub history: History,
    pub versions: Versions,
    pub stock: Stock,
    pub read_model: ReadModel,
    pub clients: ClientHistories<'a>,
}

impl Folds<'_> {
    fn take(&mut self, partition: ShopPartition, event: &AuditEvent<'_>) {
        let topic = partition.topic;
        self.versions.take(partition, event);
        self.read_model.take(topic, event);
        if event.action() == EventAction::Archived {
            // It changes what is shown, not what has happened.
            return;
        }
        self.history.take(topic, event);
        if topic == ShopTopic::Inventory {
            self.stock.take(&mut self.history, partition.number, event);
        }
        self.clients.take(topic, event);
    }
}

/// The state of reading: the folds, and the last position of each partition.
pub struct Readings<'a> {
    pub folds: Folds<'a>,
    after: Vec<(ShopPartition, String)>,
}

impl<'a> Readings<'a> {
    /// The state before anything is read of a shop with so many partitions a topic. Entities that began before `since_us` are not judged;
    /// `ledger` is what the run wrote and read.
    pub fn new(partitions: u32, since_us: u64, ledger: Option<&'a Ledger>) -> Self {
        let after = ShopPartition::all(partitions).map(|partition| (partition, FROM.to_owned()));
        Self {
            folds: Folds {
                history: History::new(since_us),
                versions: Versions::new(since_us),
                stock: Stock::new(partitions),
                read_model: ReadModel::new(since_us),
                clients: ClientHistories::new(ledger),
            },
            after: after.collect(),
        }
    }

    /// Reads the events since the last call, and those of `archives` in their places, and returns their number; `told` is called with the
    /// number so far.
    pub async fn events(
        &mut self,
        surface: &Surface,
        archives: &[Archive],
        told: &dyn Fn(u64),
    ) -> Result<u64, AuditError> {
        let (folds, count) = (&RefCell::new(&mut self.folds), &Cell::new(0));
        let reads = self.after.iter_mut().map(|(partition, after)| {
            let partition = *partition;
            let mut take = move |event: &AuditEvent<'_>| {
                folds.borrow_mut().take(partition, event);
                count.set(count.get() + 1);
                told(count.get());
            };
            async move {
                let mut archived = ArchivedEvents::of(archives, partition)?;
                let shown = surface.events(partition, after, |event| {
                    archived.before(event, &mut take);
                    take(event);
                });
                let shown = shown.await?;
                Ok(shown + archived.rest(&mut take)?)
            }
        });
        together(reads).await
    }

    /// Reads every list and returns the number of entities.
    pub async fn entities(&mut self, surface: &Surface) -> Result<u64, AuditError> {
        let read_model = &RefCell::new(&mut self.folds.read_model);
        let reads = ShopTopic::ALL.into_iter().map(|topic| {
            surface.entities(topic, move |entity| {
                read_model.borrow_mut().shown(topic, entity);
            })
        });
        together(reads).await
    }
}

/// Runs a few reads at once and returns the sum of their results.
async fn together(
    reads: impl Iterator<Item = impl Future<Output = Result<u64, AuditError>>>,
) -> Result<u64, AuditError> {
    stream::iter(reads)
        .buffer_unordered(CONNECTIONS_MAX)
        .try_fold(0, |sum, count| async move { Ok(sum + count) })
        .await
}
