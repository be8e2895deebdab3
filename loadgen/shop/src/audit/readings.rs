//! Everything the target tells, read over a few connections at once and folded while it is read: a page is forgotten when it is folded.

use std::cell::{Cell, RefCell};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::check::{ReadModel, Stock, Versions};
use super::event::Event;
use super::history::History;
use super::surface::{AuditError, Surface};
use super::topic::Topic;

/// Topics read at once: as many pages are in memory.
const CONNECTIONS_MAX: usize = 4;

/// What is folded from events and lists. A topic's events come in their order, topics in any.
pub struct Folds {
    pub history: History,
    pub versions: Versions,
    pub stock: Stock,
    pub read_model: ReadModel,
}

impl Folds {
    fn take(&mut self, topic: Topic, event: &Event<'_>) {
        self.history.take(topic, event);
        if topic == Topic::Inventory {
            self.stock.take(&mut self.history, event);
        }
        self.versions.take(topic, event);
        self.read_model.take(topic, event);
    }
}

/// What has been read, and up to where.
pub struct Readings {
    pub folds: Folds,
    after: [String; Topic::ALL.len()],
}

impl Readings {
    /// Nothing read. What began before `since_us` is not judged.
    pub fn new(since_us: u64) -> Self {
        Self {
            folds: Folds {
                history: History::new(since_us),
                versions: Versions::new(since_us),
                stock: Stock::default(),
                read_model: ReadModel::new(since_us),
            },
            after: std::array::from_fn(|_| "0-0".to_owned()),
        }
    }

    /// Reads what came since the last call. Answers how many events; `told` is told so while it reads.
    pub async fn events(
        &mut self,
        surface: &Surface,
        told: &dyn Fn(u64),
    ) -> Result<u64, AuditError> {
        let (folds, count) = (&RefCell::new(&mut self.folds), &Cell::new(0));
        let topics = Topic::ALL.into_iter().zip(&mut self.after);
        let reads = topics.map(|(topic, after)| {
            surface.events(topic, after, move |event| {
                folds.borrow_mut().take(topic, event);
                count.set(count.get() + 1);
                told(count.get());
            })
        });
        together(reads).await
    }

    /// Reads every list. Answers how many entities.
    pub async fn entities(&mut self, surface: &Surface) -> Result<u64, AuditError> {
        let read_model = &RefCell::new(&mut self.folds.read_model);
        let reads = Topic::ALL.into_iter().map(|topic| {
            surface.entities(topic, move |entity| {
                read_model.borrow_mut().shown(topic, entity);
            })
        });
        together(reads).await
    }
}

/// A few at once; the sum of what they answer.
async fn together(
    reads: impl Iterator<Item = impl Future<Output = Result<u64, AuditError>>>,
) -> Result<u64, AuditError> {
    stream::iter(reads)
        .buffer_unordered(CONNECTIONS_MAX)
        .try_fold(0, |sum, count| async move { Ok(sum + count) })
        .await
}
