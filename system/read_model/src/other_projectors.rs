//! The positions that projectors of other processes have applied, as the cache records them. It is read only while a query waits, once for
//! all waiting queries. Knows when to read, not what the queries wait for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::store::ReadStore;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

/// The pause before the first read for a topic that another process may project: minimal, as no other signal comes.
const LOOK_FIRST_MS: u64 = 1;
/// The maximum pause between reads, and the first pause for a topic that this process projects: its own projector usually reports sooner.
const LOOK_MS_MAX: u64 = 16;

/// Reads of the cache's positions, shared by all waiting queries of this process.
pub(super) struct OtherProjectors {
    store: ReadStore,
    /// Held during a read.
    turn: Mutex<()>,
    /// The number of reads so far.
    looks: AtomicU64,
    /// By topic: whether the last position came from another process, or none came yet.
    projected: [AtomicBool; Topic::ALL.len()],
}

impl OtherProjectors {
    pub(super) fn new(store: ReadStore) -> Self {
        Self {
            store,
            turn: Mutex::new(()),
            looks: AtomicU64::new(0),
            projected: [const { AtomicBool::new(true) }; Topic::ALL.len()],
        }
    }

    /// Whether another process may project a topic: the last position did not come from this one.
    pub(super) fn projects(&self, topic: Topic) -> bool {
        self.projected[topic.index()].load(Ordering::Relaxed)
    }

    /// Records whether a topic's last position came from another process.
    pub(super) fn set_projects(&self, topic: Topic, elsewhere: bool) {
        self.projected[topic.index()].store(elsewhere, Ordering::Relaxed);
    }

    /// Reads the cache's positions; `None` if another caller has read (and published) them while this one waited for its turn, or if Redis
    /// is away.
    pub(super) async fn look(&self) -> Option<Positions> {
        let before = self.looks.load(Ordering::Relaxed);
        let _turn = self.turn.lock().await;
        if self.looks.load(Ordering::Relaxed) != before {
            return None;
        }
        let found = self.store.positions().await;
        self.looks.fetch_add(1, Ordering::Relaxed);
        found
            .inspect_err(|error| tracing::debug!(%error, "no positions from the cache"))
            .ok()
    }
}

/// The pauses before each read; they double up to the maximum.
pub(super) struct ReadPauses(u64);

impl ReadPauses {
    /// The pauses of a query; `elsewhere` if another process may project one of its topics.
    pub(super) const fn new(elsewhere: bool) -> Self {
        Self(if elsewhere {
            LOOK_FIRST_MS
        } else {
            LOOK_MS_MAX
        })
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(self.0);
        self.0 = (self.0 * 2).min(LOOK_MS_MAX);
        pause
    }
}
