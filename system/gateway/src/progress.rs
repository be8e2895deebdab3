//! Whether what was begun goes on quickly enough for more to be begun: commands whose answers are awaited, and the sagas, of which the gateway
//! learns by looking at their groups. Must not know what is refused.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ordershop_contract::call_flow::Flow;
use ordershop_contract::event_store::EventStore;
use tokio::sync::Notify;

use super::sagas_behind::SagasBehind;

/// The groups are looked at once in so many requests for something new: a look costs Redis some 24 commands.
const REQUESTS_PER_LOOK: u32 = 16;
/// The least time between looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// A look that takes longer tells nothing.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// How what was begun goes on.
#[derive(Debug)]
pub(super) struct Progress {
    /// The commands that are under way, those included that go on with something.
    commands: Mutex<Flow>,
    sagas_behind: AtomicBool,
    /// Requests for something new since the last look.
    requests: AtomicU32,
    /// Signals that it is time to look.
    look: Notify,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            commands: Mutex::new(Flow::that_bars_herds()),
            sagas_behind: AtomicBool::default(),
            requests: AtomicU32::default(),
            look: Notify::default(),
        }
    }
}

/// A command under way; dropping it ends it.
pub(super) struct CommandUnderWay<'a> {
    progress: &'a Progress,
    answered: bool,
}

impl Progress {
    /// Whether a request for something new is too much. `timeout` is that of a command.
    pub(super) fn is_behind(&self, timeout: Duration) -> bool {
        if self.requests.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_PER_LOOK {
            self.look.notify_one();
        }
        self.sagas_behind.load(Ordering::Relaxed)
            || self.commands().check(timeout, Instant::now()).is_err()
    }

    /// Counts a command until the guard is dropped.
    pub(super) fn begin(&self) -> CommandUnderWay<'_> {
        self.commands().enter();
        CommandUnderWay {
            progress: self,
            answered: false,
        }
    }

    fn commands(&self) -> MutexGuard<'_, Flow> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the groups while there are requests. Never ends.
    pub(super) async fn watch(&self, events: &dyn EventStore) {
        let mut sagas = SagasBehind::default();
        loop {
            if !self.sagas_behind.load(Ordering::Relaxed) {
                self.look.notified().await;
            }
            self.requests.store(0, Ordering::Relaxed);
            let groups = tokio::time::timeout(LOOK_TIMEOUT, events.groups()).await;
            // What can't be seen is not held against anybody.
            let groups = groups.unwrap_or_else(|_| Ok(Vec::new()));
            let behind = sagas.look(&groups.unwrap_or_default(), Instant::now());
            self.sagas_behind.store(behind, Ordering::Relaxed);
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

impl CommandUnderWay<'_> {
    /// The command got its answer.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for CommandUnderWay<'_> {
    fn drop(&mut self) {
        self.progress.commands().leave(self.answered);
    }
}
