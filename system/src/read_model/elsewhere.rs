//! What the projectors of other processes have applied: the cache says so itself. Looked up only while somebody waits, once for
//! all who wait. Knows whose turn it is to look, not what is waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::store::ReadStore;
use crate::position::Positions;
use crate::topic::Topic;

/// Before the first look at a topic that another process may project: at once, for nothing else will tell.
const LOOK_FIRST_MS: u64 = 1;
/// Between looks at the longest, and before the first one at a topic that this process projects: its own projector mostly tells sooner.
const LOOK_MS_MAX: u64 = 16;

/// Looks into the cache, shared by all who wait in this process.
pub(super) struct Elsewhere {
    store: ReadStore,
    /// Who looks holds it.
    turn: Mutex<()>,
    /// Looks taken so far.
    looks: AtomicU64,
    /// By topic: the last news came from another process, or none came yet.
    projected: [AtomicBool; Topic::ALL.len()],
}

impl Elsewhere {
    pub(super) fn new(store: ReadStore) -> Self {
        Self {
            store,
            turn: Mutex::new(()),
            looks: AtomicU64::new(0),
            projected: [const { AtomicBool::new(true) }; Topic::ALL.len()],
        }
    }

    /// Whether another process may project a topic: the last news did not come from this one.
    pub(super) fn projects(&self, topic: Topic) -> bool {
        self.projected[topic.index()].load(Ordering::Relaxed)
    }

    /// Remembers where a topic's last news came from.
    pub(super) fn set_projects(&self, topic: Topic, elsewhere: bool) {
        self.projected[topic.index()].store(elsewhere, Ordering::Relaxed);
    }

    /// What the cache says; `None` where somebody else looked while this caller waited for its turn (and told everyone), or Redis is away.
    pub(super) async fn look(&self) -> Option<Positions> {
        let before = self.looks.load(Ordering::Relaxed);
        let _turn = self.turn.lock().await;
        if self.looks.load(Ordering::Relaxed) != before {
            return None;
        }
        let found = self.store.positions().await;
        self.looks.fetch_add(1, Ordering::Relaxed);
        found
            .inspect_err(|error| tracing::debug!(%error, "the cache does not say how far it is"))
            .ok()
    }
}

/// The pauses before each look: doubled up to the longest.
pub(super) struct Pauses(u64);

impl Pauses {
    /// For who waits for topics of which another process projects one, or for none such.
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
